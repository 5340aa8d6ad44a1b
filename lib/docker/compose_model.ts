/** What duckback keeps of compose files: one file's layer, and the service definitions they make. */
import type { Dependency } from "./engine.ts";
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
  const out: Record<string, unknown> = { ...base };
  for (const key of over.reset) delete out[key];
  for (const [key, value] of Object.entries(over)) {
    if (key === "at" || key === "reset" || key === "override") continue;
    const before = over.override.includes(key as keyof ServiceLayer) ? undefined : out[key];
    if (Array.isArray(value) && Array.isArray(before)) {
      out[key] = [...new Set([...before, ...value])];
    } else if (key !== "extends" && isRecord(value) && isRecord(before)) {
      out[key] = { ...before, ...value };
    } else {
      out[key] = value;
    }
  }
  // What an override reset stays reset for what extends it.
  return { ...out, at: over.at, reset: base.reset, override: base.override } as ServiceLayer;
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
