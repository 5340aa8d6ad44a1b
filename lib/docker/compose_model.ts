/** What duckback keeps of compose files: one file's layer, and the service definitions they make. */
import type { Dependency } from "./engine.ts";
import type { RunLayer } from "./compose_run.ts";
import type { Mark } from "./compose_yaml.ts";

/** A mount as a service declares it. */
export interface MountDef {
  type: "bind" | "volume" | "tmpfs" | "npipe" | "cluster" | "image";
  /** Absolute host path (bind) or key under `volumes:` (volume); null: anonymous, or of no matter. */
  source: string | null;
  target: string;
  read_only: boolean;
}

export interface EnvFile {
  /** Absolute. */
  path: string;
  required: boolean;
}

/** A service of the merged compose files. */
export interface ServiceDef {
  name: string;
  image: string | null;
  container_name: string | null;
  /** Empty: the service is part of every `up`. */
  profiles: string[];
  restart: string;
  labels: Record<string, string>;
  depends_on: Dependency[];
  /** Declared here; the image may bring one along as well. */
  has_healthcheck: boolean;
  mounts: MountDef[];
  env_files: EnvFile[];
  /** Keys under `configs:` and `secrets:`. */
  configs: string[];
  secrets: string[];
}

/** A named volume as `volumes:` declares it. */
export interface VolumeDef {
  /** What the engine calls it. */
  name: string;
  /** True where `name:` says it, so that it does not follow from the project's. */
  named: boolean;
  external: boolean;
  driver: string | null;
  driver_opts: Record<string, string>;
}

/** A config or secret; `file` is absolute, null where it comes from elsewhere. */
export interface FileDef {
  file: string | null;
}

/**
 * One service as one file has it: only what stands there. Lists are joined when layers merge, maps
 * by key, all else replaced. `reset` and `override` hold the fields so tagged.
 */
export interface ServiceLayer {
  at: Mark;
  extends?: { service: string; file: string | null; at: Mark };
  image?: string;
  container_name?: string;
  restart?: string;
  has_healthcheck?: boolean;
  profiles?: string[];
  configs?: string[];
  secrets?: string[];
  /** By path. */
  env_files?: Record<string, EnvFile>;
  labels?: Record<string, string>;
  /** By service. */
  depends_on?: Record<string, Dependency>;
  /** Services meant by links, volumes_from, network_mode, ipc and pid. */
  implied?: string[];
  /** By target. */
  mounts?: Record<string, MountDef>;
  /** Read only where containers are to be made. */
  run?: RunLayer;
  reset: (keyof ServiceLayer)[];
  override: (keyof ServiceLayer)[];
}

export interface VolumeLayer {
  at: Mark;
  name?: string;
  external?: boolean;
  driver?: string;
  driver_opts?: Record<string, string>;
}

export interface Include {
  paths: string[];
  project_directory: string | null;
  env_files: string[];
  at: Mark;
}

/** One compose file (or document), its relative paths made absolute. Null: removed by `!reset`. */
export interface Layer {
  services: Record<string, ServiceLayer | null>;
  volumes: Record<string, VolumeLayer | null>;
  configs: Record<string, FileDef | null>;
  secrets: Record<string, FileDef | null>;
  include: Include[];
}

/** Later services win field by field, as compose merges override files. */
export function mergeServices(base: ServiceLayer, over: ServiceLayer): ServiceLayer {
  const run = base.run && over.run ? mergeFields(base.run, over.run, []) : over.run ?? base.run;
  const merged = mergeFields(base, over, ["at", "extends", "run"]);
  if (over.extends) merged.extends = over.extends;
  return { ...merged, at: over.at, ...(run ? { run } : {}) };
}

interface Tagged {
  reset: string[];
  override: string[];
}

/** Lists are joined, maps merged by key, all else replaced; `alone` is left as `base` has it. */
function mergeFields<T extends Tagged>(base: T, over: T, alone: string[]): T {
  const out = { ...base } as Record<string, unknown>;
  for (const key of over.reset) delete out[key];
  for (const [key, value] of Object.entries(over)) {
    if (key === "reset" || key === "override" || alone.includes(key)) continue;
    const before = over.override.includes(key) ? undefined : out[key];
    if (Array.isArray(value) && Array.isArray(before)) {
      out[key] = [...new Set([...before, ...value])];
    } else if (isRecord(value) && isRecord(before)) {
      out[key] = { ...before, ...value };
    } else {
      out[key] = value;
    }
  }
  // What an override reset stays reset for what extends it.
  return { ...out, reset: base.reset, override: base.override } as T;
}

export function mergeLayers(base: Layer, over: Layer): Layer {
  return {
    services: mergeMaps(base.services, over.services, mergeServices),
    volumes: mergeMaps(base.volumes, over.volumes, (a, b) => ({ ...a, ...b })),
    configs: mergeMaps(base.configs, over.configs, (_, b) => b),
    secrets: mergeMaps(base.secrets, over.secrets, (_, b) => b),
    include: [...base.include, ...over.include],
  };
}

function mergeMaps<T>(
  base: Record<string, T | null>,
  over: Record<string, T | null>,
  merge: (base: T, over: T) => T,
): Record<string, T | null> {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = out[key];
    out[key] = value !== null && before ? merge(before, value) : value;
  }
  return out;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const EMPTY_LAYER: Layer = {
  services: {},
  volumes: {},
  configs: {},
  secrets: {},
  include: [],
};
