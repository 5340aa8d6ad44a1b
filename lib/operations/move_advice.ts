/** What is still to be done once a stack lies in its new place: images, paths, names, commands. */
import { join } from "node:path";
import { asDuckbackError } from "../core/errors.ts";
import type { BackupMetadata } from "../core/model.ts";
import { type ComposeProject, isNamedVolume, loadCompose } from "../docker/compose.ts";
import type { Engine } from "../docker/engine.ts";
import type { Context } from "./context.ts";
import type { DescribedRecord } from "./file_record.ts";
import type { MovePlan } from "./move_plan.ts";

/** An image that the stack ran, and whether this machine has it. */
export interface ImageHere {
  services: string[];
  image: string;
  /** Content digest ("sha256:..."). */
  image_id: string;
  /** "name@sha256:...", by which a registry gives the very same one; null where none has it. */
  digest: string | null;
  /** `other`: the name means another image here; `unknown`: no engine answers. */
  state: "here" | "other" | "missing" | "unknown";
}

/** One entry an image, in the order of the services. */
export async function imagesHere(
  { services }: BackupMetadata,
  engine: Engine | null,
): Promise<ImageHere[]> {
  const found: ImageHere[] = [];
  for (const { service, image, image_id, image_digests = [] } of services) {
    const known = found.find((one) => one.image === image && one.image_id === image_id);
    if (known) {
      if (!known.services.includes(service)) known.services.push(service);
      continue;
    }
    const state = await stateOf(image, image_id, engine);
    const digest = image_digests[0] ?? null;
    found.push({ services: [service], image, image_id, digest, state });
  }
  return found;
}

async function stateOf(image: string, id: string, engine: Engine | null) {
  if (!engine) return "unknown" as const;
  const named = await look(engine, image);
  if (named === id) return "here" as const;
  if (named === null) {
    return await look(engine, id) === null ? "missing" as const : "other" as const;
  }
  return "other" as const;
}

/** The id of an image; null where there is none, or the engine does not take it for a name. */
async function look(engine: Engine, name: string): Promise<string | null> {
  try {
    return (await engine.inspectImage(name))?.id ?? null;
  } catch (cause) {
    if (asDuckbackError(cause).code === "DOCKER_FAILED") return null;
    throw cause;
  }
}

/** Sentences on what does not lie where the stack's files say, and on names that are fixed in them. */
export async function toAdapt(
  ctx: Context,
  plan: MovePlan,
  { backup_metadata: then }: DescribedRecord,
  engine: Engine | null,
): Promise<string[]> {
  const found = plan.beside.map(({ from, to, origin, kind }) =>
    kind === "volume"
      ? `volume ${from} (${origin}) cannot be made anew as it was: its files are in ${to}`
      : `${from} (${origin}) is in ${to} now: change the compose file, or put it there`
  );
  const compose = await loaded(ctx, plan, found);
  if (compose) {
    found.push(
      ...oldPaths(compose, plan, then),
      ...volumeNames(compose, plan),
      ...await fixedNames(compose, engine),
    );
  }
  for (const { name, naming } of plan.volumes) {
    if (naming === "project") continue;
    found.push(`volume ${name} has a name of its own: other stacks that use it now have this one`);
  }
  for (const { name, service, reason } of then.skipped) {
    const of = service === null ? "" : ` of ${service}`;
    found.push(`${name}${of} is not in the backup: ${reason}`);
  }
  return found;
}

/** The compose project in its new place, under its new name; null where it has none or cannot be read. */
async function loaded(
  ctx: Context,
  { dir, name }: MovePlan,
  found: string[],
): Promise<ComposeProject | null> {
  try {
    const compose = await loadCompose({ workDir: dir, env: ctx.env, name });
    const unnamed = compose && await loadCompose({ workDir: dir, env: ctx.env });
    const own = unnamed?.name;
    if (own !== undefined && own !== name) {
      found.push(`its files call the project ${own}: give compose -p ${name} each time`);
    }
    return compose;
  } catch (cause) {
    found.push(`its compose files cannot be read here: ${asDuckbackError(cause).message}`);
    return null;
  }
}

/** Absolute paths into the directory where the stack was. */
function oldPaths(compose: ComposeProject, { dir }: MovePlan, { work_dir }: BackupMetadata) {
  if (work_dir === dir) return [];
  return compose.services.flatMap(({ name, mounts }) =>
    mounts.filter(({ type, source }) => type === "bind" && isIn(source!, work_dir)).map((
      { source },
    ) =>
      `${name} mounts ${source}, which is ${join(dir, source!.slice(work_dir.length))} now: ` +
      "change the compose file"
    )
  );
}

function isIn(path: string, dir: string): boolean {
  return path === dir || path.startsWith(`${dir}/`);
}

/** Volumes that compose will look for under another name than they were given. */
function volumeNames({ volumes, services }: ComposeProject, plan: MovePlan): string[] {
  const made = new Set(plan.volumes.map(({ name }) => name));
  const used = new Set(
    services.flatMap(({ mounts }) => mounts.filter(isNamedVolume).map(({ source }) => source!)),
  );
  return Object.entries(volumes).flatMap(([key, { name, external }]) => {
    if (!used.has(key) || made.has(name)) return [];
    const how = external ? "is external, and must be there" : "will be made anew, and empty";
    return [`volume ${name} (${key} in the compose file) ${how}`];
  });
}

/** Container names that a container here has already. */
async function fixedNames(compose: ComposeProject, engine: Engine | null): Promise<string[]> {
  const found: string[] = [];
  for (const { name, container_name } of compose.services) {
    if (container_name === null || !await engine?.inspect(container_name)) continue;
    found.push(`${name} wants the container name ${container_name}, which is taken here`);
  }
  return found;
}

/** Command lines, in order: the images that are missing, the start, the dumps. */
export function nextCommands(
  { name, dir }: MovePlan,
  { backup_metadata: then }: DescribedRecord,
  from: number | string,
  images: ImageHere[],
): string[] {
  const wanted = images.filter(({ state }) => state === "missing" || state === "other");
  return [
    ...wanted.flatMap(({ image, digest, image_id }) =>
      digest === null
        ? [
          `docker load < IMAGE.tar   # on the old machine: docker save ${image} > IMAGE.tar ` +
          `(${image_id.slice(0, 19)})`,
        ]
        : [`docker pull ${digest}`, ...image.includes("@") ? [] : [`docker tag ${digest} ${image}`]]
    ),
    ...then.services.length === 0 ? [] : [`cd ${quoted(dir)} && docker compose -p ${name} up -d`],
    ...(then.dumps ?? []).map(({ service }) =>
      `duckback --stack ${name} restore ${
        typeof from === "number" ? from : quoted(from)
      } --dump ${service}`
    ),
  ];
}

/** For a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
