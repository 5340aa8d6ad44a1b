/**
 * After the files of a failed upgrade are back: brings back the containers that ran before it. Where the
 * upgrade made them anew, the compose tool of this machine makes them by the old files, from the very
 * images they had.
 */
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import { type Container, type Engine, LABEL } from "../docker/engine.ts";
import { waitHealthy } from "../docker/health.ts";
import { planQuiesce, type QuiescePlan, startAll } from "../docker/quiesce.ts";
import { isActive } from "../docker/sharing.ts";
import type { Stack } from "../docker/stack.ts";
import { composeTool, upArguments } from "./compose_tool.ts";
import { type Context, note, phase } from "./context.ts";
import { GRACE_MS } from "./health.ts";
import { list } from "./quiesced.ts";
import { runCommand } from "./run_command.ts";

/** A container as it was before the upgrade. */
export interface OldContainer {
  id: string;
  name: string;
  service: string | null;
  number: number;
  image: string;
  image_id: string;
  /** By which compose tells whether a container is as its files say; null where it did not make it. */
  config_hash: string | null;
}

/** The containers that ran, and how they were made. Plain JSON: it lies in the journal. */
export interface StackBefore {
  project: string;
  /** Where compose was called, with these files; none where compose did not make them. */
  work_dir: string;
  files: string[];
  env_files: string[];
  ran: OldContainer[];
  /** To start exactly these where nothing was made anew. */
  plan: QuiescePlan;
  /** All there were, also those that did not run. */
  ids: string[];
}

/** Raises AUTO_REMOVE where one was started with --rm: it could not come back. */
export function stackBefore(stack: Stack): StackBefore {
  const own = stack.containers.filter((one) => !one.oneoff);
  const ran = own.filter(isActive);
  const made = ran.find((one) => one.config_files.length > 0);
  return {
    project: stack.name,
    work_dir: made?.working_dir ?? stack.work_dir,
    files: made?.config_files ?? [],
    env_files: (made?.labels[LABEL.environment_file] ?? "").split(",").filter(Boolean),
    ran: ran.map((one) => ({
      id: one.id,
      name: one.name,
      service: one.service,
      number: one.number,
      image: one.image,
      image_id: one.image_id,
      config_hash: one.labels[CONFIG_HASH] ?? null,
    })),
    plan: planQuiesce({ ...stack, sharing: [] }, "stop"),
    ids: own.map(({ id }) => id),
  };
}

const CONFIG_HASH = "com.docker.compose.config-hash";

/**
 * Starts, or makes anew, what ran, and waits until it is well. May be called again after a crash. Raises
 * START_FAILED, which says what to type; UNHEALTHY; DOCKER_UNREACHABLE.
 */
export async function bringBack(
  ctx: Context,
  engine: Engine,
  before: StackBefore,
  options: { timeout_ms: number; onOutput: (text: string) => void },
): Promise<{ made_anew: string[]; left: string[] }> {
  if (before.ran.length === 0) return { made_anew: [], left: await newOnes(engine, before) };
  const now = await containersOf(engine, before);
  const changed = before.ran.filter((old) =>
    !now.some((one) => one.id === old.id || isAsBefore(one, old))
  );
  if (changed.length > 0) await makeAnew(ctx, engine, before, options.onOutput);
  else {
    phase(ctx, "start", `Starting ${list([...new Set(before.ran.map(titleOf))])}`);
    await startAll(engine, before.plan, { onStep: (text) => note(ctx, text) });
  }
  await requireAll(engine, before, options.timeout_ms);
  return { made_anew: changed.map(titleOf), left: await newOnes(engine, before) };
}

function titleOf({ service, name }: { service: string | null; name: string }): string {
  return service ?? name;
}

async function containersOf(engine: Engine, { project }: StackBefore): Promise<Container[]> {
  const all = await engine.listContainers({ [LABEL.project]: project });
  return all.filter(({ oneoff }) => !oneoff);
}

/** A container in the place of an old one: of the same image, made by the same lines, running. */
function isAsBefore(now: Container, old: OldContainer): boolean {
  return isActive(now) && now.service === old.service && now.number === old.number &&
    now.image_id === old.image_id && (now.labels[CONFIG_HASH] ?? null) === old.config_hash;
}

/** Containers that the upgrade brought and that run no more: nobody may want them, nobody removes them. */
async function newOnes(engine: Engine, before: StackBefore): Promise<string[]> {
  const known = new Set(before.ran.map(({ service, number }) => `${service}/${number}`));
  return (await containersOf(engine, before)).filter(({ id, service, number }) =>
    !before.ids.includes(id) && !known.has(`${service}/${number}`)
  ).map(({ name }) => name);
}

async function makeAnew(
  ctx: Context,
  engine: Engine,
  before: StackBefore,
  onOutput: (text: string) => void,
) {
  await nameImages(ctx, engine, before);
  const tool = await composeTool(ctx, before.work_dir);
  const args = upArguments(before);
  phase(ctx, "start", `Making ${list([...new Set(before.ran.map(titleOf))])} anew`);
  if (tool === null || before.files.length === 0) {
    throw startFailed(
      before,
      tool === null
        ? "neither `docker compose` nor docker-compose is on this machine"
        : "compose did not make them",
    );
  }
  const env = engine.endpoint.startsWith("unix://")
    ? { ...ctx.env, DOCKER_HOST: engine.endpoint }
    : ctx.env;
  const said: string[] = [];
  const { code, text } = await runCommand({
    argv: [...tool, ...args],
    cwd: before.work_dir,
    env,
    onOutput: (piece) => {
      said.push(piece);
      onOutput(piece);
    },
  });
  if (code === 0) return;
  const tail = said.join("").trim().split("\n").slice(-5).join("\n  ");
  throw startFailed(before, `${tool.join(" ")} ended with ${text}:\n  ${tail}`);
}

/** A tag may mean a newer image by now; the old one is still here under its digest. */
async function nameImages(ctx: Context, engine: Engine, { ran }: StackBefore) {
  for (const { image, image_id } of ran) {
    if (image.startsWith("sha256:") || image.includes("@")) continue;
    try {
      if ((await engine.inspectImage(image))?.id === image_id) continue;
      if (await engine.inspectImage(image_id) === null) {
        note(ctx, `The image that ${image} was is not on this machine any more.`, "warning");
        continue;
      }
      await engine.tagImage(image_id, image);
      note(ctx, `${image} is again the image that it was before the upgrade.`);
    } catch (cause) {
      note(ctx, `${image} could not be looked up: ${asDuckbackError(cause).message}`, "warning");
    }
  }
}

/** What to type where duckback cannot. */
export function upLine(before: StackBefore): string {
  return `cd ${before.work_dir} && docker compose ${upArguments(before).join(" ")}`;
}

function startFailed(before: StackBefore, why: string): DuckbackError {
  const services = [...new Set(before.ran.map(titleOf))];
  return new DuckbackError(
    "START_FAILED",
    `Cannot make the containers of ${
      list(services)
    } anew as they were: ${why}. Their files and data ` +
      "are back, they are DOWN",
    { hint: upLine(before), details: { services } },
  );
}

/** Services that were not well before: nothing that is done can be blamed for it. */
export function unwellBefore({ items }: QuiescePlan): string[] {
  return items.filter(({ state, health }) => state === "restarting" || health === "unhealthy")
    .map(titleOf);
}

async function requireAll(engine: Engine, before: StackBefore, timeoutMs: number) {
  const now = (await containersOf(engine, before)).filter(({ service, number, name }) =>
    before.ran.some((old) =>
      old.service === null ? old.name === name : old.service === service && old.number === number
    )
  );
  const absent = before.ran.filter((old) =>
    !now.some((one) => titleOf(one) === titleOf(old) && one.number === old.number)
  );
  if (absent.length > 0) throw startFailed(before, `${list(absent.map(titleOf))} is not there`);
  if (timeoutMs === 0) return;
  const unwell = unwellBefore(before.plan);
  const awaited = now.filter((one) => !unwell.includes(titleOf(one)));
  const { unhealthy } = await waitHealthy(engine, awaited, { timeoutMs, graceMs: GRACE_MS });
  if (unhealthy.length === 0) return;
  const which = unhealthy.map(({ service, health, state }) => `${service} is ${health ?? state}`);
  throw new DuckbackError("UNHEALTHY", `On the old files and data ${list(which)}`, {
    hint: "`docker logs` of the service says more.",
    details: { unhealthy },
  });
}
