/** `docker-service`: a stack's services by hand, through the same order and care as a backup's. */
import { DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Container, Engine } from "../docker/engine.ts";
import { planQuiesce, type QuiescePlan, startAll, stopAll } from "../docker/quiesce.ts";
import type { Stack } from "../docker/stack.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { note, openJournal, phase, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { list, Quiesced } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";

export type ServiceVerb = "start" | "stop" | "restart";

/** A container of the stack as people see it. */
export interface ServiceView {
  service: string;
  container: string;
  container_id: string | null;
  state: string;
  health: string | null;
  restart_policy: string;
  /** Runs now with a restart policy that would bring it back: a persistent service. */
  persistent: boolean;
  /** Since when it is in this state (ISO 8601), or null. */
  since: string | null;
  image: string;
  ports: string[];
  exit_code: number | null;
}

export interface ServicesOutcome {
  stack: string;
  services: ServiceView[];
  /** Services that the verb acted on. */
  changed: string[];
  health: HealthOutcome | null;
}

/** How the stack's services are now; the look is kept in service_status_history. */
export async function serviceStatus(ctx: Context): Promise<ServicesOutcome> {
  const { stack } = await findStack(ctx, { need_engine: true });
  await recordStatus(ctx, stack);
  return { stack: stack.name, services: views(stack), changed: [], health: null };
}

/**
 * Starts, stops or restarts what `only` names (all where it is empty). A stop notes what ran, so
 * that the next start brings back exactly that. Raises START_FAILED, STOP_FAILED, NO_SUCH_STACK.
 */
export async function changeServices(
  ctx: Context,
  verb: ServiceVerb,
  only: string[],
): Promise<ServicesOutcome> {
  using _lock = await beginExclusive(ctx);
  const { stack, engine } = await findStack(ctx, { need_engine: true });
  requireServices(stack, only);
  const action = {
    type: `service-${verb}`,
    description: `${verb} services of ${stack.name}`,
    params: { stack: stack.name, services: only },
  };
  return await audited(ctx, action, async () => {
    const done = await act(ctx, engine!, stack, verb, only);
    const after = (await findStack(ctx, { need_engine: true })).stack;
    await recordStatus(ctx, after);
    return { stack: stack.name, services: views(after), ...done };
  }, (done) => ({
    status: (done.health?.unhealthy.length ?? 0) > 0 ? "partial" : "completed",
    message: done.changed.length > 0 ? `${verb}: ${done.changed.join(", ")}` : "nothing to do",
  }));
}

async function act(ctx: Context, engine: Engine, stack: Stack, verb: ServiceVerb, only: string[]) {
  const running = choose(planQuiesce(stack, "stop"), only);
  if (verb !== "stop") requireContainers(stack, verb, only);
  if (verb === "restart") return await restart(ctx, engine, stack, running, only);
  const changed = new Set<string>();
  const onStep = (text: string) => note(ctx, text);
  if (verb === "stop" && running.items.length > 0) {
    await recordStatus(ctx, stack);
    phase(ctx, "stop", `Stopping ${namesOf(running)}`);
    try {
      await stopAll(engine, running, { signal: ctx.signal, onStep });
    } catch (cause) {
      await startAll(engine, running, { onStep });
      throw cause;
    }
    running.items.forEach((item) => changed.add(item.service ?? item.name));
  }
  if (verb === "stop") return { changed: [...changed], health: null };
  const starting = choose(planStart(stack, await startable(ctx, stack, only)), only);
  if (starting.items.length === 0) return { changed: [...changed], health: null };
  phase(ctx, "start", `Starting ${namesOf(starting)}`);
  await startAll(engine, starting, { onStep });
  starting.items.forEach((item) => changed.add(item.service ?? item.name));
  return { changed: [...changed], health: await untilWell(ctx, engine, starting) };
}

/**
 * Journaled as a backup is: whatever happens in between, what ran runs again. What was named is started
 * though it was down.
 */
async function restart(
  ctx: Context,
  engine: Engine,
  stack: Stack,
  running: QuiescePlan,
  only: string[],
) {
  const named = (container: Container) => only.includes(container.service ?? container.name);
  const down = planStart(stack, (container) => !container.oneoff && named(container));
  const all = { ...running, items: [...running.items, ...down.items] };
  if (all.items.length === 0) return { changed: [], health: null };
  const journal = openJournal(ctx, {
    kind: "restart",
    stack: stack.name,
    work_dir: stack.work_dir,
    backup_id: null,
  });
  try {
    await using quiesced = await Quiesced.begin(
      ctx,
      engine,
      running.items.length > 0 ? running : null,
      journal,
    );
    await quiesced.resume();
  } finally {
    journal.finish();
  }
  await startAll(engine, down, { onStep: (text) => note(ctx, text) });
  const changed = [...new Set(all.items.map((item) => item.service ?? item.name))];
  return { changed, health: await untilWell(ctx, engine, all) };
}

async function untilWell(ctx: Context, engine: Engine, plan: QuiescePlan) {
  const settings = await currentSettings(ctx);
  const timeout_ms = settings["backup.health_timeout_seconds"] * 1000;
  let well = 0;
  const tell = () =>
    phase(
      ctx,
      "health",
      `Waiting for ${namesOf(plan)} to be well: ${well} of ${plan.items.length}`,
    );
  tell();
  const health = await awaitHealth(ctx, engine, plan, timeout_ms, (container, how) => {
    well++;
    note(ctx, `${container} is ${how}`);
    tell();
  });
  // A signal ended the wait: the services run, but nobody can say that they are well.
  throwIfAborted(ctx.signal);
  return health;
}

/** The plan by which containers that are down are started: the one by which they would be stopped. */
function planStart(stack: Stack, wanted: (container: Container) => boolean): QuiescePlan {
  const down = ["created", "exited", "dead"];
  const containers = stack.containers
    .filter((container) => down.includes(container.state) && wanted(container))
    .map((container) => ({ ...container, state: "running" as const, restart_count: 0 }));
  return planQuiesce({ ...stack, containers }, "stop", { take_own: true });
}

/**
 * What a start brings back: services with a restart policy, those named, and those that ran when
 * duckback last looked. A one-shot that has done its work stays as it is.
 */
async function startable(
  ctx: Context,
  stack: Stack,
  only: string[],
): Promise<(container: Container) => boolean> {
  const history = await withCatalog(
    ctx,
    (catalog) => catalog.serviceStatus.list({ stack: stack.name, limit: 1000 }),
  );
  const last = new Map<string, string>();
  for (const row of history) {
    if (row.container_id && !last.has(row.container_id)) last.set(row.container_id, row.status);
  }
  return (container) =>
    !container.oneoff &&
    (only.includes(container.service ?? container.name) || container.restart_policy !== "no" ||
      last.get(container.id) === "running" || (last.size === 0 && container.exit_code !== 0));
}

function choose(plan: QuiescePlan, only: string[]): QuiescePlan {
  if (only.length === 0) return plan;
  return { ...plan, items: plan.items.filter((item) => only.includes(item.service ?? item.name)) };
}

function namesOf(plan: QuiescePlan): string {
  return list([...new Set(plan.items.map((item) => item.service ?? item.name))]);
}

function requireServices(stack: Stack, only: string[]) {
  const known = new Set([
    ...stack.services.map((service) => service.name),
    ...stack.containers.map((container) => container.service ?? container.name),
  ]);
  const unknown = only.filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new DuckbackError(
    "NO_SUCH_STACK",
    `Cannot find service "${unknown[0]}": stack "${stack.name}" has ${
      [...known].join(", ") || "none"
    }`,
    { hint: "`duckback docker-service status` lists them." },
  );
}

/** A service that was named but has no container cannot be started: duckback makes none. */
function requireContainers(stack: Stack, verb: ServiceVerb, only: string[]) {
  const made = new Set(stack.containers.map((container) => container.service ?? container.name));
  const missing = only.filter((name) => !made.has(name));
  if (missing.length === 0) return;
  throw new DuckbackError(
    "REFUSED",
    `Cannot ${verb} service "${missing[0]}": it has no container yet`,
    { hint: `Make it: docker compose up -d ${missing.join(" ")}` },
  );
}

/** Containers of a stack, and services of its compose file that have none yet. */
export function views(stack: Stack): ServiceView[] {
  const rows: ServiceView[] = stack.containers.map((container) => ({
    service: container.service ?? container.name,
    container: container.name,
    container_id: container.id,
    state: container.state,
    health: container.health,
    restart_policy: container.restart_policy,
    persistent: container.state === "running" && container.restart_policy !== "no",
    since: ["running", "paused"].includes(container.state)
      ? container.started_at
      : container.finished_at,
    image: container.image,
    ports: container.ports,
    exit_code: container.state === "exited" ? container.exit_code : null,
  }));
  const seen = new Set(rows.map((row) => row.service));
  for (const service of stack.services) {
    if (seen.has(service.name)) continue;
    rows.push({
      service: service.name,
      container: "",
      container_id: null,
      state: "not created",
      health: null,
      restart_policy: service.restart ?? "no",
      persistent: false,
      since: null,
      image: service.image ?? "",
      ports: [],
      exit_code: null,
    });
  }
  return rows;
}

async function recordStatus(ctx: Context, stack: Stack) {
  const at = ctx.now().toISOString();
  await withCatalog(ctx, (catalog) =>
    catalog.serviceStatus.record(
      views(stack).filter((view) => view.container_id !== null).map((view) => ({
        stack: stack.name,
        service_name: view.service,
        container_id: view.container_id,
        status: view.state,
        health_status: view.health,
        error_message: view.exit_code ? `exit code ${view.exit_code}` : null,
        recorded_at: at,
      })),
    ));
}
