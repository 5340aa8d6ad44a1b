/** A compose project as its files describe it. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import { findComposeFiles } from "./compose_files.ts";
import { ComposeLoader } from "./compose_loader.ts";
import type {
  FileDef,
  Layer,
  MountDef,
  ServiceDef,
  ServiceLayer,
  VolumeDef,
  VolumeLayer,
} from "./compose_model.ts";
import type { RunDef } from "./compose_run.ts";
import type { Env } from "./engine.ts";

export interface ComposeProject {
  name: string;
  /** Directory of the first compose file; compose puts it on containers as working_dir. */
  project_dir: string;
  /** The files compose would be given. */
  files: string[];
  /** `default`: found by their names; `given`: by the caller or COMPOSE_FILE. */
  chosen: "default" | "given";
  /** Those and what they extend or include; absolute, in the order of reading. */
  all_files: string[];
  /** The .env files in force. */
  env_files: string[];
  services: ServiceDef[];
  /** By key. */
  volumes: Record<string, VolumeDef>;
  configs: Record<string, FileDef>;
  secrets: Record<string, FileDef>;
  /** SHA-256 (hex) over the bytes of `all_files`. */
  hash: string;
  notes: string[];
  /**
   * How each service runs, and the variables in force; missing unless asked for. They may hold secrets:
   * use them, never keep them.
   */
  runs?: Record<string, RunDef>;
  env?: Record<string, string>;
}

export interface LoadComposeOptions {
  /** Absolute. */
  workDir: string;
  /** Explicit compose files, absolute or relative to `workDir`. */
  files?: string[];
  /** As `--env-file`. */
  envFiles?: string[];
  env: Env;
  /** As `--project-name`: wins over COMPOSE_PROJECT_NAME, `name:` and the directory's name. */
  name?: string;
  /** Give `runs` and `env`. */
  runs?: boolean;
}

/**
 * Reads the stack's compose files as compose v2 does; all profiles count. Null where there are none.
 * Raises COMPOSE_MISSING (a named file is not there) and COMPOSE_INVALID (file, line, what is wrong).
 */
// deno-lint-ignore require-await
export async function loadCompose(options: LoadComposeOptions): Promise<ComposeProject | null> {
  const found = findComposeFiles(options);
  if (!found) return null;
  const loader = new ComposeLoader(options.runs);
  const { env } = found;
  const name = normalizeProjectName(options.name ?? "") ||
    normalizeProjectName(env.COMPOSE_PROJECT_NAME ?? "") ||
    normalizeProjectName(loader.projectName(found.files, env) ?? "") ||
    projectNameOf(found.project_dir);
  const scope = {
    env: { ...env, COMPOSE_PROJECT_NAME: name },
    base_dir: found.project_dir,
  };
  const layer = loader.load(found.files, scope);
  const services = Object.entries(layer.services).flatMap(([service, value]) =>
    value ? [toService(service, value, layer)] : []
  );
  if (services.length === 0) {
    throw new DuckbackError(
      "COMPOSE_INVALID",
      `Cannot use "${found.files[0]}": it describes no service`,
      { hint: "A compose file has `services:`; see `docker compose config`." },
    );
  }
  return {
    name,
    project_dir: found.project_dir,
    files: found.files,
    chosen: found.chosen,
    all_files: loader.files,
    env_files: [...new Set([...found.env_files, ...loader.env_files])],
    services,
    volumes: volumeDefs(layer, services, name),
    configs: present(layer.configs),
    secrets: present(layer.secrets),
    hash: hash(loader),
    notes: [...found.notes, ...loader.notes],
    ...(options.runs ? { runs: runDefs(layer, env), env } : {}),
  };
}

/** With the values that `environment` takes from outside; a name that has none there is left out. */
function runDefs(layer: Layer, env: Record<string, string>): Record<string, RunDef> {
  const defs: Record<string, RunDef> = {};
  for (const [name, service] of Object.entries(layer.services)) {
    if (!service?.run) continue;
    const environment = Object.entries(service.run.environment ?? {})
      .map(([key, value]) => [key, value ?? env[key]]).filter(([, value]) => value !== undefined);
    defs[name] = { ...service.run, environment: Object.fromEntries(environment) };
  }
  return defs;
}

/** Lower case, `[a-z0-9_-]` only, beginning with a letter or digit. */
export function normalizeProjectName(text: string): string {
  return text.toLowerCase().replace(/[^-_a-z0-9]/g, "").replace(/^[-_]+/, "");
}

/** The project name that compose gives a directory; "default" where its name has no fitting letter. */
export function projectNameOf(dir: string): string {
  return normalizeProjectName(basename(dir)) || "default";
}

function toService(name: string, layer: ServiceLayer, all: Layer): ServiceDef {
  const depends_on = { ...layer.depends_on };
  for (const service of layer.implied ?? []) {
    depends_on[service] ??= { service, condition: "service_started" };
  }
  return {
    name,
    image: layer.image ?? null,
    container_name: layer.container_name ?? null,
    profiles: layer.profiles ?? [],
    restart: layer.restart ?? "no",
    labels: layer.labels ?? {},
    // One that a `!reset` removed, or that a remote include would bring, cannot be waited for.
    depends_on: Object.values(depends_on).filter(({ service }) => all.services[service]),
    has_healthcheck: layer.has_healthcheck ?? false,
    mounts: Object.values(layer.mounts ?? {}),
    env_files: Object.values(layer.env_files ?? {}),
    configs: layer.configs ?? [],
    secrets: layer.secrets ?? [],
  };
}

/** Declared volumes, and those that a service uses without a declaration. */
function volumeDefs(
  layer: Layer,
  services: ServiceDef[],
  project: string,
): Record<string, VolumeDef> {
  const out: Record<string, VolumeDef> = {};
  const add = (key: string, volume: Partial<VolumeLayer>) => {
    out[key] = {
      name: volume.name || (volume.external ? key : `${project}_${key}`),
      named: volume.name !== undefined,
      external: volume.external ?? false,
      driver: volume.driver ?? null,
      driver_opts: volume.driver_opts ?? {},
    };
  };
  for (const [key, volume] of Object.entries(layer.volumes)) if (volume) add(key, volume);
  const used = services.flatMap((service) => service.mounts).filter(isNamedVolume);
  for (const { source } of used) if (!(source! in out)) add(source!, {});
  return out;
}

export function isNamedVolume(mount: MountDef): boolean {
  return mount.type === "volume" && mount.source !== null;
}

function present<T>(map: Record<string, T | null>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, value]) => value ? [[key, value]] : []),
  );
}

function hash(loader: ComposeLoader): string {
  const sum = createHash("sha256");
  for (const file of loader.files) sum.update(loader.contents.get(file)!);
  return sum.digest("hex");
}
