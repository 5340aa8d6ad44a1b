/** A stack: its compose files joined with what the engine knows of its containers. */
import { resolve } from "node:path";
import type { ScopedPatterns, SkippedMount, Source, VolumeSnapshot } from "../core/model.ts";
import { Collector } from "./collect.ts";
import {
  type ComposeProject,
  loadCompose,
  normalizeProjectName,
  projectNameOf,
} from "./compose.ts";
import type { ServiceDef } from "./compose_model.ts";
import { type Container, type Engine, type Env, LABEL } from "./engine.ts";
import { findProject, type FoundProject, names } from "./find_project.ts";
import { readLabels, type StackLabels } from "./labels.ts";
import { labelExcludes } from "./label_excludes.ts";
import { layOut } from "./layout.ts";
import { realPath } from "./real_path.ts";
import { findSharing, type SharingContainer } from "./sharing.ts";
import { volumeSnapshot } from "./volume_snapshot.ts";

export interface Stack {
  name: string;
  /** Absolute, free of symbolic links. */
  work_dir: string;
  /** Absolute; with those that are extended or included. */
  compose_files: string[];
  compose_hash: string | null;
  /** Of every profile; empty without a compose file. */
  services: ServiceDef[];
  /** In every state, one-offs and orphans too, by name. */
  containers: Container[];
  sources: Source[];
  /** Of the sources that are volumes, by name. */
  volumes: VolumeSnapshot[];
  skipped: SkippedMount[];
  /** The `duckback.*` labels in force, by service (container name where it has none). */
  labels: StackLabels;
  /** What `duckback.exclude` leaves out, and where. */
  excludes: ScopedPatterns[];
  notes: string[];
  /** Running containers of other projects (or of none) that may write to its sources, by name. */
  sharing: SharingContainer[];
  /** Ids of containers that carry the project's name but belong to another directory. */
  left_alone: string[];
}

export interface StackOptions {
  /** Absolute. */
  workDir: string;
  /** Project name asked for (`--stack`). */
  name?: string;
  /** Compose files asked for. */
  files?: string[];
  /** As compose's `--env-file`. */
  envFiles?: string[];
  env: Env;
  /** Null: without containers, and without what only the engine knows. */
  engine: Engine | null;
  /** Absolute paths to back up besides. */
  extraSources: string[];
  anonymousVolumes?: boolean;
  /** Goes by the containers alone, as if there were no compose files. */
  withoutFiles?: boolean;
}

/**
 * Finds the stack of a directory and everything it keeps on disk. Sources that do not exist are
 * listed all the same: reading them says so. Raises COMPOSE_MISSING, COMPOSE_INVALID, USAGE,
 * DOCKER_UNREACHABLE.
 */
export async function discoverStack(options: StackOptions): Promise<Stack> {
  const { engine, env, files, envFiles } = options;
  let work_dir = realPath(options.workDir).real;
  const asked = normalizeProjectName(options.name ?? "") || undefined;
  const load = (dir: string, given = files, env_files = envFiles) =>
    options.withoutFiles
      ? Promise.resolve(null)
      : loadCompose({ workDir: dir, files: given, envFiles: env_files, env, name: asked });
  let compose = await load(work_dir);
  const name = compose?.name ?? asked ?? projectNameOf(work_dir);
  const found: FoundProject = engine
    ? await findProject({ engine, work_dir, compose, name, named: asked !== undefined })
    : { name, containers: [], foreign: [], notes: [] };
  const { containers } = found;

  const elsewhere = compose ? null : commonDirectory(containers);
  if (elsewhere !== null && elsewhere !== work_dir) {
    found.notes.push(`Stack ${found.name} lies in ${elsewhere}`);
    work_dir = elsewhere;
    compose = await load(work_dir);
  }
  if (compose?.chosen !== "given") {
    const used = filesInUse(containers, compose, found.notes);
    if (used) compose = await load(work_dir, used.files, envFiles ?? used.env_files);
  }
  return await assemble(options, work_dir, compose, found);
}

/** The same stack with its containers as they are now. Raises DOCKER_UNREACHABLE. */
export async function refreshStack(engine: Engine, stack: Stack): Promise<Stack> {
  const isPlain = stack.services.length === 0 && stack.containers.length === 0;
  const all = isPlain ? [] : await engine.listContainers({ [LABEL.project]: stack.name });
  const containers = all.filter(({ id }) => !stack.left_alone.includes(id));
  const fresh = { ...stack, containers, labels: readLabels(stack.services, containers) };
  return { ...fresh, sharing: await findSharing(engine, fresh) };
}

async function assemble(
  options: StackOptions,
  work_dir: string,
  compose: ComposeProject | null,
  { name, containers, foreign, notes }: FoundProject,
): Promise<Stack> {
  const { engine, extraSources } = options;
  const isPlain = compose === null && containers.length === 0;
  const labels = readLabels(compose?.services ?? [], containers);
  const collector = await Collector.create({
    work_dir,
    engine: isPlain ? null : engine,
    anonymous_volumes: options.anonymousVolumes ?? false,
    labels,
  });
  if (isPlain && extraSources.length === 0) collector.path(work_dir, "app", "working directory");
  if (compose) await collector.compose(compose, containers);
  for (const container of containers) {
    await collector.container(container);
    for (const file of container.config_files) {
      if (realPath(file).type === "file") collector.path(file, "app", "compose file");
    }
  }
  if (!isPlain) await collector.labelled(name);
  for (const path of extraSources) collector.path(path, "app", "--source");
  const exists = (path: string) => realPath(path).type !== "missing";
  const sources = layOut(collector.candidates, work_dir, exists);
  return {
    name,
    work_dir,
    compose_files: compose?.all_files ?? [],
    compose_hash: compose?.hash ?? null,
    services: compose?.services ?? [],
    containers,
    sources,
    volumes: collector.volumes.map((volume) => volumeSnapshot(volume, compose)),
    skipped: collector.skipped,
    labels,
    excludes: labelExcludes(labels, collector.mounts, sources),
    notes: [...(compose?.notes ?? []), ...notes],
    sharing: engine ? await findSharing(engine, { work_dir, containers, sources }) : [],
    left_alone: foreign.map((container) => container.id),
  };
}

/** The one directory that all these containers came from, if it is there. */
function commonDirectory(containers: Container[]): string | null {
  const dirs = new Set(containers.map((container) => container.working_dir));
  const [dir] = dirs;
  if (dirs.size !== 1 || !dir) return null;
  const { real, type } = realPath(dir);
  return type === "directory" ? real : null;
}

/**
 * The files that all containers were made from, where they are there and not those that compose would
 * find by name: `docker compose -f other.yml up`.
 */
function filesInUse(
  containers: Container[],
  compose: ComposeProject | null,
  notes: string[],
): { files: string[]; env_files: string[] | undefined } | null {
  const lists = new Map(
    containers.filter((container) => container.config_files.length > 0)
      .map((container) => [container.config_files.join("\n"), container]),
  );
  const [first] = lists.values();
  if (!first) return null;
  const files = first.config_files.map((file) => realPath(file).real);
  const known = compose?.files.map((file) => realPath(file).real) ?? [];
  if (lists.size === 1 && files.join("\n") === known.join("\n")) return null;
  if (lists.size > 1) {
    notes.push("Its containers were made from different sets of compose files");
    return null;
  }
  const missing = files.filter((file) => realPath(file).type === "missing");
  if (missing.length > 0) {
    notes.push(`${missing.join(", ")}, from which ${names(containers)} came, does not exist`);
    return null;
  }
  notes.push(`Its containers were made from ${files.join(", ")}: these files are used`);
  const env_files = (first.labels[LABEL.environment_file] ?? "").split(",")
    .filter((file) => file !== "").map((file) => resolve(first.working_dir ?? "/", file))
    .filter((file) => realPath(file).type === "file");
  return { files, env_files: env_files.length > 0 ? env_files : undefined };
}
