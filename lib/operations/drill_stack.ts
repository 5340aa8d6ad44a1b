/** What a drill starts: the backup's own compose files joined with the images that its record names. */
import { join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord, ServiceSnapshot } from "../core/model.ts";
import { type ComposeProject, loadCompose } from "../docker/compose.ts";
import type { MountDef, ServiceDef } from "../docker/compose_model.ts";
import { parseDotenv } from "../docker/dotenv.ts";
import { labelsOf, readLabels, type StackLabels } from "../docker/labels.ts";
import type { DrillService } from "../docker/drill_container.ts";
import type { Dependency, Engine, Env } from "../docker/engine.ts";
import type { MountBody } from "../docker/make.ts";
import { systemPathReason } from "../docker/system_paths.ts";
import type { DrillPlace } from "./drill_place.ts";
import { list } from "./quiesced.ts";

/** A service in a drill and what it waits for. */
export interface DrilledService extends DrillService {
  /** As the compose file has it: whether the service would be started again where it ends. */
  restart: string;
  /** False for one that only does its work for others and ends. */
  stays: boolean;
  /** Of its label `duckback.drill`. */
  command: string | null;
  depends_on: Dependency[];
}

export interface DrilledStack {
  services: DrilledService[];
  /** Sentences on what the drill does not show. */
  left_out: string[];
}

/**
 * The services that ran when the backup was made, and those that did their work before them, as the
 * extracted files have them. Raises DRILL_FAILED where there is no compose file, COMPOSE_INVALID.
 */
export async function drilledStack(
  record: BackupRecord,
  place: DrillPlace,
  env: Env,
): Promise<DrilledStack> {
  const { metadata } = place;
  const compose = await composeOf(place, env);
  if (compose === null) {
    throw new DuckbackError(
      "DRILL_FAILED",
      `Cannot drill backup ${record.id}: it holds no compose file to start its services by`,
      {
        hint: record.backup_type === "DATA_ONLY"
          ? "It holds data alone. Drill a full one."
          : "Restore it by hand: duckback restore ID --target DIR",
      },
    );
  }
  const left_out = [...compose.notes];
  const labels = readLabels(compose.services, []);
  const wanted = chosen(compose, metadata, labels, left_out);
  const services: DrilledService[] = [];
  for (const { def, snapshot, stays } of wanted) {
    const names = new Set(wanted.map(({ def }) => def.name));
    const run = compose.runs![def.name];
    const mounts = await mountsOf(def, compose, place, left_out);
    services.push({
      name: def.name,
      image_id: snapshot.image_id,
      container_name: def.container_name,
      run,
      environment: { ...envFiles(def, place, compose.env!), ...run.environment },
      mounts,
      restart: def.restart,
      stays,
      command: labelsOf(labels, def.name).drill || null,
      depends_on: def.depends_on.filter(({ service }) => names.has(service)),
    });
  }
  return { services, left_out };
}

/** Raises DRILL_FAILED naming the images that this machine does not have. */
export async function requireImages(
  record: BackupRecord,
  services: Pick<ServiceSnapshot, "service" | "image" | "image_id" | "image_digests">[],
  engine: Engine,
): Promise<void> {
  const missing: typeof services = [];
  for (const service of services) {
    if (await engine.inspectImage(service.image_id) === null) missing.push(service);
  }
  if (missing.length === 0) return;
  const digests = [...new Set(missing.flatMap(({ image_digests = [] }) => image_digests))];
  throw new DuckbackError(
    "DRILL_FAILED",
    `Cannot drill backup ${record.id}: this machine does not have ${
      list(missing.map(({ service, image, image_id }) =>
        `the image ${image} (${image_id.slice(0, 19)}) of ${service}`
      ))
    }`,
    {
      hint: digests.length > 0
        ? `Get it: docker pull ${digests[0]}`
        : "Load the very image that was used (`docker load`): a newer one of the same name is another.",
    },
  );
}

/** Services that ran, and the finished ones that they wait for. */
export function drilledSnapshots(metadata: BackupMetadata): Map<string, ServiceSnapshot> {
  const found = new Map<string, ServiceSnapshot>();
  for (const snapshot of metadata.services) {
    const before = found.get(snapshot.service);
    if (!before || !isUp(before) && isUp(snapshot)) found.set(snapshot.service, snapshot);
  }
  return found;
}

export function isUp({ state }: ServiceSnapshot): boolean {
  return state === "running" || state === "paused" || state === "restarting";
}

function chosen(
  compose: ComposeProject,
  metadata: BackupMetadata,
  labels: StackLabels,
  left_out: string[],
) {
  const snapshots = drilledSnapshots(metadata);
  const defs = new Map(compose.services.map((def) => [def.name, def]));
  const wanted = new Map<string, boolean>();
  const take = (service: string, stays: boolean) => {
    const def = defs.get(service);
    if (!def || !snapshots.has(service)) return;
    const seen = wanted.has(service);
    wanted.set(service, stays || (wanted.get(service) ?? false));
    if (seen) return;
    for (const { service: other, condition } of def.depends_on) {
      if (condition === "service_completed_successfully") take(other, false);
    }
  };
  for (const [service, snapshot] of snapshots) {
    if (!isUp(snapshot)) continue;
    if (labelsOf(labels, service).drill === false) {
      left_out.push(`${service} is not started: its label duckback.drill says false`);
    } else if (!defs.has(service)) {
      left_out.push(`${service} is not started: the compose file does not describe it`);
    } else take(service, true);
  }
  const several = metadata.services.filter(isUp).map(({ service }) => service);
  for (const service of new Set(several.filter((name, n) => several.indexOf(name) !== n))) {
    if (wanted.has(service)) left_out.push(`${service} runs once`);
  }
  return [...wanted].map(([service, stays]) => ({
    def: defs.get(service)!,
    snapshot: snapshots.get(service)!,
    stays,
  }));
}

/**
 * The project as compose found it when the backup was made: of the ways to read the files, the one that
 * reads just those that the record's hash is of.
 */
async function composeOf(place: DrillPlace, env: Env): Promise<ComposeProject | null> {
  const { metadata, tree, paths } = place;
  const files = metadata.compose_files.map((file) => paths.find(file)?.path ?? null);
  const given = files.filter((file) => file !== null);
  if (given.length === 0) return null;
  const envFiles = metadata.sources.filter(({ origin }) => origin.split(", ").includes("env file"))
    .map((source) => place.placeOf(source));
  const usual = envFiles.length === 0 || envFiles.some((file) => file === join(tree, ".env"));
  const read = (files?: string[]) =>
    loadCompose({
      workDir: tree,
      files,
      envFiles: usual ? undefined : envFiles,
      env: withoutCompose(env),
      name: metadata.project,
      runs: true,
    });
  // Without names first: compose's own choice. Then the files it was given, which come before those
  // that they include or extend.
  const usual_files = await read();
  if (usual_files?.hash === metadata.compose_hash) return usual_files;
  for (const n of given.keys()) {
    const found = await read(given.slice(0, n + 1)).catch(() => null);
    if (found?.hash === metadata.compose_hash) return found;
  }
  return usual_files ?? await read(given);
}

/** What names the live stack's files must not. */
function withoutCompose(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^COMPOSE_/.test(name)));
}

function envFiles(
  def: ServiceDef,
  place: DrillPlace,
  env: Record<string, string>,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { path } of def.env_files) {
    const copy = place.paths.find(path);
    if (copy?.type !== "file") continue;
    const text = Deno.readTextFileSync(copy.path);
    for (const [name, value] of parseDotenv(text, (name) => env[name] ?? values[name])) {
      values[name] = value;
    }
  }
  return values;
}

async function mountsOf(
  def: ServiceDef,
  compose: ComposeProject,
  place: DrillPlace,
  left_out: string[],
): Promise<MountBody[]> {
  const mounts: MountBody[] = [];
  for (const mount of def.mounts) {
    const made = await mountOf(mount, def.name, compose, place, left_out);
    if (made !== null) mounts.push(made);
  }
  const run = compose.runs![def.name];
  const files = [
    ...def.secrets.map((key) => ({
      key,
      file: compose.secrets[key]?.file ?? null,
      target: secretTarget(run.secret_targets?.[key] ?? key),
      kind: "secret",
    })),
    ...def.configs.map((key) => ({
      key,
      file: compose.configs[key]?.file ?? null,
      target: run.config_targets?.[key] ?? `/${key}`,
      kind: "config",
    })),
  ];
  for (const { key, file, target, kind } of files) {
    const copy = file === null ? null : place.paths.find(file);
    if (copy !== null) {
      mounts.push({ Type: "bind", Source: copy.path, Target: target, ReadOnly: true });
    } else left_out.push(`${def.name} runs without ${kind} ${key}, which the backup does not hold`);
  }
  return mounts;
}

function secretTarget(name: string): string {
  return name.startsWith("/") ? name : `/run/secrets/${name}`;
}

async function mountOf(
  { type, source, target, read_only }: MountDef,
  service: string,
  compose: ComposeProject,
  place: DrillPlace,
  left_out: string[],
): Promise<MountBody | null> {
  const common = { Target: target, ReadOnly: read_only };
  if (type === "tmpfs") return { Type: "tmpfs", Target: target };
  if (type === "volume") {
    if (source === null) return { Type: "volume", ...common };
    const { name } = compose.volumes[source];
    const mount: MountBody = { Type: "volume", ...common };
    if (!place.holdsVolume(name)) {
      left_out.push(
        `${service} has an empty volume at ${target}: the backup does not hold ${name}`,
      );
    }
    return { ...mount, Source: await place.volume(name) };
  }
  const { metadata: { work_dir }, paths } = place;
  if (type !== "bind") {
    left_out.push(`${service} runs without ${target} (a mount of type ${type})`);
    return null;
  }
  const copy = paths.find(source!);
  if (copy !== null && copy.type !== "other") return { Type: "bind", Source: copy.path, ...common };
  const live = paths.live(source!);
  if (systemPathReason(live, work_dir, "/var/lib/docker") !== null || isNoDirectory(live)) {
    left_out.push(`${service} runs without ${live}, which is the machine's`);
    return null;
  }
  left_out.push(`${service} has an empty volume at ${target}: the backup does not hold ${live}`);
  return { Type: "volume", Source: await place.volume(`${service}${target}`), ...common };
}

/** A socket, device or single file of the machine: an empty directory would stand for none of them. */
function isNoDirectory(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return path.endsWith(".sock");
  }
}
