/** From the engine's JSON of containers and volumes to plain data of the port. */
import { isAbsolute, join } from "node:path";
import type {
  Condition,
  Container,
  ContainerState,
  Dependency,
  Health,
  Image,
  Mount,
  Volume,
} from "./engine.ts";
import { LABEL } from "./engine.ts";

/** The parts of `GET /containers/ID/json` that are read; every one may be missing on some engine. */
export interface ContainerJson {
  Id: string;
  Name: string;
  Created?: string;
  Image?: string;
  Path?: string;
  Args?: string[] | null;
  RestartCount?: number;
  State?: {
    Status?: string;
    ExitCode?: number;
    OOMKilled?: boolean;
    StartedAt?: string;
    FinishedAt?: string;
    Health?: { Status?: string };
  };
  Config?: {
    Image?: string;
    Labels?: Record<string, string> | null;
    StopSignal?: string;
    StopTimeout?: number | null;
    Healthcheck?: { Test?: string[] | null } | null;
  };
  HostConfig?: {
    AutoRemove?: boolean;
    RestartPolicy?: { Name?: string } | null;
    Tmpfs?: Record<string, string> | null;
  };
  NetworkSettings?: {
    Ports?: Record<string, { HostIp?: string; HostPort?: string }[] | null> | null;
  };
  Mounts?: {
    Type?: string;
    Name?: string;
    Source?: string;
    Destination?: string;
    Driver?: string;
    RW?: boolean;
  }[] | null;
}

const HEALTH: readonly string[] = ["starting", "healthy", "unhealthy"];

/** Given what the engine says of a container, returns what duckback keeps of it. */
export function toContainer(json: ContainerJson): Container {
  const labels = json.Config?.Labels ?? {};
  const state = (json.State?.Status ?? "dead") as ContainerState;
  const health = json.State?.Health?.Status ?? "none";
  const test = json.Config?.Healthcheck?.Test ?? [];
  const runs = state === "running" || state === "paused";
  return {
    id: json.Id,
    name: json.Name.replace(/^\//, ""),
    project: labels[LABEL.project] ?? null,
    service: labels[LABEL.service] ?? null,
    number: Number.parseInt(labels[LABEL.number] ?? "1") || 1,
    oneoff: labels[LABEL.oneoff]?.toLowerCase() === "true",
    working_dir: labels[LABEL.working_dir] ?? null,
    config_files: configFiles(labels),
    image: json.Config?.Image ?? "",
    image_id: json.Image ?? "",
    state,
    health: runs && HEALTH.includes(health) ? health as Health : null,
    has_healthcheck: test.length > 0 && test[0] !== "NONE",
    exit_code: json.State?.ExitCode ?? 0,
    oom_killed: json.State?.OOMKilled ?? false,
    created_at: json.Created ?? "",
    started_at: time(json.State?.StartedAt),
    finished_at: time(json.State?.FinishedAt),
    restart_policy: json.HostConfig?.RestartPolicy?.Name || "no",
    restart_count: json.RestartCount ?? 0,
    auto_remove: json.HostConfig?.AutoRemove ?? false,
    stop_signal: json.Config?.StopSignal || "SIGTERM",
    stop_timeout_s: json.Config?.StopTimeout ?? null,
    ports: ports(json.NetworkSettings?.Ports ?? {}),
    labels,
    depends_on: dependencies(labels[LABEL.depends_on]),
    mounts: mounts(json),
  };
}

function mounts(json: ContainerJson): Mount[] {
  const listed = (json.Mounts ?? []).map((mount) => ({
    type: (mount.Type ?? "bind") as Mount["type"],
    name: mount.Name || null,
    source: mount.Source ?? "",
    destination: mount.Destination ?? "",
    driver: mount.Driver || null,
    read_only: mount.RW === false,
  }));
  // `--tmpfs` stands elsewhere than other mounts.
  const memory = Object.keys(json.HostConfig?.Tmpfs ?? {}).map((destination): Mount => ({
    type: "tmpfs",
    name: null,
    source: "",
    destination,
    driver: null,
    read_only: false,
  }));
  return [...listed, ...memory];
}

/** The engine writes year 1 for "never". */
function time(text: string | undefined): string | null {
  return !text || text.startsWith("0001-") ? null : text;
}

/** compose 1.x writes the names as they were given, relative to the working directory. */
function configFiles(labels: Record<string, string>): string[] {
  const dir = labels[LABEL.working_dir];
  return (labels[LABEL.config_files] ?? "").split(",").filter((name) => name !== "").flatMap(
    (name) => isAbsolute(name) ? [name] : dir ? [join(dir, name)] : [],
  );
}

/** "db:service_healthy:false,cache:service_started:true"; older releases leave out the later parts. */
function dependencies(label: string | undefined): Dependency[] | null {
  if (label === undefined) return null;
  return label.split(",").filter((part) => part !== "").map((part) => {
    const [service, condition] = part.split(":");
    return { service, condition: (condition || "service_started") as Condition };
  });
}

function ports(found: Record<string, { HostIp?: string; HostPort?: string }[] | null>): string[] {
  return Object.entries(found).flatMap(([inside, hosts]) =>
    (hosts ?? []).map((host) => {
      const ip = host.HostIp || "0.0.0.0";
      return `${ip.includes(":") ? `[${ip}]` : ip}:${host.HostPort}->${inside}`;
    })
  );
}

/** The main process's command line, as it was when the container was made. */
export function commandLine(json: ContainerJson): string[] {
  return [json.Path ?? "", ...json.Args ?? []];
}

/** The parts of `GET /volumes/NAME` that are read. */
export interface VolumeJson {
  Name: string;
  Driver: string;
  Mountpoint: string;
  Labels?: Record<string, string> | null;
  Options?: Record<string, string> | null;
}

/** Given what the engine says of a volume, returns what duckback keeps of it. */
export function toVolume(json: VolumeJson): Volume {
  return {
    name: json.Name,
    driver: json.Driver,
    mountpoint: json.Mountpoint,
    labels: json.Labels ?? {},
    options: json.Options ?? {},
  };
}

/** The parts of `GET /images/NAME/json` that are read. */
export interface ImageJson {
  Id: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
  Config?: { Env?: string[] | null } | null;
}

/** Given what the engine says of an image, returns what duckback keeps of it. */
export function toImage(json: ImageJson): Image {
  const env = (json.Config?.Env ?? []).map((line) => /^([^=]*)=?(.*)$/s.exec(line)!.slice(1, 3));
  return {
    id: json.Id,
    tags: json.RepoTags ?? [],
    digests: json.RepoDigests ?? [],
    env: Object.fromEntries(env),
  };
}
