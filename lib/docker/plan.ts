/** What a quiesce will do to which container: plain JSON, written to the journal before the first stop. */
import { DuckbackError } from "../core/errors.ts";
import type { QuiesceMode, Source } from "../core/model.ts";
import type { ServiceDef } from "./compose_model.ts";
import type { Container, Dependency, Health } from "./engine.ts";
import { names } from "./find_project.ts";
import { labelsOf, parseLabels, serviceOf, type StackLabels } from "./labels.ts";
import { levels } from "./levels.ts";
import { isDuckback, ownContainerIds } from "./self.ts";
import { isActive, type SharingContainer, writesTo } from "./sharing.ts";

/** A container that runs now, and how it is to be brought back. */
export interface QuiesceItem {
  id: string;
  name: string;
  project: string | null;
  service: string | null;
  number: number;
  oneoff: boolean;
  action: "stop" | "pause";
  /** Containers of a level start together, after all lower levels; they stop the other way round. */
  level: number;
  depends_on: Dependency[];
  stop_signal: string;
  /** Seconds; null: the engine's default, negative: for ever. */
  stop_timeout_s: number | null;
  restart_policy: string;
  has_healthcheck: boolean;
  /** As it was: a container that was not well before is not waited for. */
  state: "running" | "restarting";
  health: Health | null;
  /** The engine's time of its last start: tells whether somebody started it since. */
  started_at: string | null;
  /** True for a container of another project that shares a source; missing in older journals. */
  sharing?: boolean;
}

/** A container that is left as it is though it is not down. */
export interface LeftContainer {
  name: string;
  service: string | null;
  /** "it was paused before" */
  reason: string;
  /** Sources that it can write to meanwhile: what is read of them is crash-consistent. */
  writes: string[];
  /** True for a container of another project. */
  sharing: boolean;
}

export interface QuiescePlan {
  version: 1;
  stack: string;
  mode: "stop" | "pause";
  /** In the order of stopping. */
  items: QuiesceItem[];
  left: LeftContainer[];
}

/** What planning reads of a stack. */
export interface Quiescable {
  name: string;
  services: ServiceDef[];
  containers: Container[];
  labels?: StackLabels;
  sharing?: SharingContainer[];
  work_dir?: string;
  sources?: Source[];
}

export interface PlanOptions {
  /**
   * Do what `duckback.stop` says. Without it (a rollback moves files under whoever runs, and
   * `docker-service stop` means all) every running container is in the plan.
   */
  heed_labels?: boolean;
  /** Services left as they are, and why: "it is dumped". */
  leave?: ReadonlyMap<string, string>;
  /** Take along containers of other projects that share a source. */
  stop_sharing?: boolean;
  /** Take duckback's own container like any other: for a plan by which containers are started. */
  take_own?: boolean;
  /** Ids that may be this process's own container; read from /proc where left out. */
  own_ids?: ReadonlySet<string>;
  /** Tells a container in the short running phase of a restart loop; the clock's where left out. */
  now?: Date;
}

/**
 * Plans to stop (or pause) the containers of the stack that run, one-offs and orphans included; those
 * that do not run are left alone, and duckback's own always. Raises AUTO_REMOVE where a stop would
 * delete a container.
 */
export function planQuiesce(
  stack: Quiescable,
  mode: Exclude<QuiesceMode, "none">,
  options: PlanOptions = {},
): QuiescePlan {
  const sharing = (stack.sharing ?? []).map((item) => item.container).filter(isActive);
  const active = [...stack.containers.filter(isActive), ...sharing];
  const own_ids = options.own_ids ?? ownContainerIds();
  const now = options.now ?? new Date();
  const treatment = new Map(active.map((container) => [
    container,
    treat(stack, mode, container, { ...options, own_ids, now }),
  ]));
  const action = (container: Container) => treatment.get(container)!.action;
  const running = active.filter((container) => action(container) !== "leave");
  refuseAutoRemove(
    stack.name,
    running.filter((item) => item.auto_remove && action(item) === "stop"),
  );
  // Over all services: web depends on db through app, though app may be down.
  const level = levels(edges(stack, sharing));
  const items = running.map((container): QuiesceItem => ({
    id: container.id,
    name: container.name,
    project: container.project,
    service: container.service,
    number: container.number,
    oneoff: container.oneoff,
    action: action(container) as QuiesceItem["action"],
    level: level.get(nodeOf(container, sharing))!,
    depends_on: dependenciesOf(container, sharing.includes(container) ? [] : stack.services),
    stop_signal: container.stop_signal,
    stop_timeout_s: container.stop_timeout_s,
    restart_policy: container.restart_policy,
    has_healthcheck: container.has_healthcheck,
    state: isLooping(container, now) ? "restarting" : "running",
    health: container.health,
    started_at: container.started_at,
    sharing: sharing.includes(container),
  }));
  items.sort((a, b) => b.level - a.level || (a.name < b.name ? -1 : 1));
  return {
    version: 1,
    stack: stack.name,
    mode,
    items,
    left: [
      ...stack.containers.filter((container) => container.state === "paused")
        .map((container) => leftAlone(stack, container, "it was paused before", own_ids)),
      ...active.filter((container) => action(container) === "leave").map((container) =>
        leftAlone(stack, container, treatment.get(container)!.reason, own_ids)
      ),
    ],
  };
}

interface Treatment {
  action: QuiesceItem["action"] | "leave";
  reason: string;
}

function treat(
  stack: Quiescable,
  mode: QuiesceItem["action"],
  container: Container,
  options: PlanOptions & { own_ids: ReadonlySet<string>; now: Date },
): Treatment {
  const leave = (reason: string): Treatment => ({ action: "leave", reason });
  if (!options.take_own && isDuckback(container, options.own_ids)) {
    return leave("it is duckback's own");
  }
  const service = serviceOf(container);
  const own = stack.containers.includes(container);
  if (!own && !options.stop_sharing) return leave("it is another project's");
  const reason = own ? options.leave?.get(service) : undefined;
  if (reason) return leave(reason);
  const labels = own ? labelsOf(stack.labels, service) : parseLabels(container.labels);
  const { stop } = options.heed_labels ? labels : { stop: null };
  if (stop === false) return leave("its label duckback.stop says false");
  const wanted = stop === null ? mode : stop === true ? "stop" : "pause";
  // The engine cannot pause a container that is between two tries: it is stopped instead.
  return { action: isLooping(container, options.now) ? "stop" : wanted, reason: "" };
}

/** The engine counts a container as back once it has run for 10 s; until then it may be a loop. */
const STEADY_MS = 10_000;

/** Between two tries of the engine, or in a try that has not lasted yet. */
function isLooping({ state, restart_count, started_at }: Container, now: Date): boolean {
  if (state === "restarting") return true;
  return restart_count > 0 && now.getTime() - Date.parse(started_at ?? "") < STEADY_MS;
}

function leftAlone(
  stack: Quiescable,
  container: Container,
  reason: string,
  own_ids: ReadonlySet<string>,
): LeftContainer {
  const { name, service } = container;
  const { sources = [], work_dir = "/" } = stack;
  // Duckback's own writes archives and its home, which are never archived.
  const silent = !isActive(container) || isDuckback(container, own_ids);
  return {
    name,
    service,
    reason,
    writes: silent ? [] : writesTo(container, { work_dir, sources }),
    sharing: !stack.containers.includes(container),
  };
}

/** Compose v2 writes them on the container; else the compose file says. */
function dependenciesOf(container: Container, services: ServiceDef[]): Dependency[] {
  const declared = services.find((service) => service.name === container.service);
  return container.depends_on ?? declared?.depends_on ?? [];
}

/** A one-off depends like its service, but nothing waits for it. Other projects' names are their own. */
function nodeOf(container: Container, sharing: Container[]): string {
  if (sharing.includes(container)) return foreignNode(container, container.service);
  return container.service === null || container.oneoff ? `#${container.name}` : container.service;
}

function foreignNode({ project, name }: Container, service: string | null): string {
  return service === null || project === null ? `#${name}` : `#${project}/${service}`;
}

/** Containers of other projects use what the stack keeps: they stop first and start last. */
function edges(
  { containers, services }: Quiescable,
  sharing: Container[],
): Map<string, string[]> {
  const out = new Map(services.map((service) => [
    service.name,
    service.depends_on.map((item) => item.service),
  ]));
  for (const container of containers) {
    const own = dependenciesOf(container, services).map((item) => item.service);
    const node = nodeOf(container, sharing);
    // A container's own label is what it was made with; the file may have changed since.
    out.set(node, container.depends_on ? own : [...out.get(node) ?? [], ...own]);
  }
  const all = [...out.keys()];
  for (const container of sharing) {
    const among = (container.depends_on ?? []).map((item) => foreignNode(container, item.service));
    out.set(nodeOf(container, sharing), [...all, ...among]);
  }
  return out;
}

function refuseAutoRemove(stack: string, containers: Container[]) {
  if (containers.length === 0) return;
  const which = names(containers);
  throw new DuckbackError(
    "AUTO_REMOVE",
    `Cannot stop stack "${stack}": ${which} was started with --rm, so a stop would delete it and ` +
      "its anonymous volumes",
    {
      hint: "Use --quiesce pause (freezes it) or --quiesce none, or stop it yourself first: " +
        `docker stop ${containers.map((container) => container.name).join(" ")}`,
      details: { containers: containers.map((container) => container.name) },
    },
  );
}

/** Items in groups of the same level, in the order of stopping. */
export function inLevels(items: QuiesceItem[]): QuiesceItem[][] {
  const groups = Map.groupBy(items, (item) => item.level);
  return [...groups.keys()].sort((a, b) => b - a).map((level) => groups.get(level)!);
}

/** Seconds until the engine kills a container that does not end: the engine's own default is 10. */
export function graceSeconds(item: { stop_timeout_s: number | null }): number {
  const seconds = item.stop_timeout_s ?? 10;
  return seconds < 0 ? Infinity : seconds;
}
