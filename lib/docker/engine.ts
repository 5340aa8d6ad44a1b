/** The Docker engine as duckback needs it: a narrow port, and containers and volumes as plain data. */
import type { Make } from "./make.ts";

export type ContainerState =
  | "created"
  | "running"
  | "paused"
  | "restarting"
  | "removing"
  | "exited"
  | "dead";

export type Health = "starting" | "healthy" | "unhealthy";

/** How long a dependent waits for a dependency, in compose's words. */
export type Condition = "service_started" | "service_healthy" | "service_completed_successfully";

export interface Dependency {
  service: string;
  condition: Condition;
}

/** One mount of a container, as the engine made it. */
export interface Mount {
  type: "bind" | "volume" | "tmpfs" | "npipe" | "cluster" | "image";
  /** Volume name; null for everything else. */
  name: string | null;
  /** Host path (for a volume: its mountpoint); "" for tmpfs. */
  source: string;
  /** Path in the container. */
  destination: string;
  /** Volume driver; null for everything else. */
  driver: string | null;
  read_only: boolean;
}

/** A container as `docker inspect` shows it. Times are the engine's RFC 3339 texts, null if never. */
export interface Container {
  id: string;
  name: string;
  /** Compose's labels; null where the container was not made by compose. */
  project: string | null;
  service: string | null;
  number: number;
  /** Made by `docker compose run`. */
  oneoff: boolean;
  working_dir: string | null;
  /** Absolute paths of the compose files it was made from. */
  config_files: string[];
  image: string;
  /** Content digest of the image ("sha256:..."). */
  image_id: string;
  state: ContainerState;
  /** Null without a healthcheck, and while the container does not run. */
  health: Health | null;
  has_healthcheck: boolean;
  exit_code: number;
  oom_killed: boolean;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  /** no, always, unless-stopped or on-failure. */
  restart_policy: string;
  restart_count: number;
  /** Started with `--rm`: a stop deletes it. */
  auto_remove: boolean;
  stop_signal: string;
  /** Seconds until the engine kills it; null: the engine's default (10), negative: never. */
  stop_timeout_s: number | null;
  /** "0.0.0.0:8080->80/tcp" */
  ports: string[];
  labels: Record<string, string>;
  /** From compose v2's label; null where the container has none (compose 1.x). */
  depends_on: Dependency[] | null;
  mounts: Mount[];
}

export interface Volume {
  name: string;
  driver: string;
  mountpoint: string;
  labels: Record<string, string>;
  /** Driver options, such as `type`, `o` and `device` of the local driver. */
  options: Record<string, string>;
}

export interface Image {
  id: string;
  tags: string[];
  digests: string[];
  /** What it gives its containers' environment; may hold secrets: use it, never keep it. */
  env: Record<string, string>;
}

export interface EngineInfo {
  version: string;
  api_version: string;
  /** The engine's own directory (/var/lib/docker): holds the volumes. */
  root_dir: string;
}

/** A signal that the engine sent to a container. */
export interface KillEvent {
  container_id: string;
  /** Number or name, as the engine wrote it: "15", "9", "SIGTERM". */
  signal: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** The engine's recent past. It keeps 256 events: `complete_since` says how far back they reach. */
export interface RecentKills {
  kills: KillEvent[];
  /** Milliseconds since 1970. */
  complete_since: number;
}

/** A command to run in a container that runs. */
export interface ExecRequest {
  /** Seen by whoever may list processes in the container or on the host: never a secret. */
  cmd: string[];
  /** Added to the container's own environment; no secrets here either. */
  env?: Record<string, string>;
  /**
   * What the command reads. "open": nothing, but its input ends only when this process is gone or the
   * call is over, so that the command can tell. Nothing by default.
   */
  stdin?: AsyncIterable<Uint8Array> | "open" | null;
  /** Gets the output in order, as views that are valid during the call; awaited before more is read. */
  onOutput?: (stream: "stdout" | "stderr", bytes: Uint8Array) => void | Promise<void>;
  /** Aborted: the connection is closed and INTERRUPTED raised; the command itself may run on. */
  signal?: AbortSignal;
}

export interface ExecResult {
  /** 126 and 127: the container has no such command, and standard output says so. */
  exit_code: number;
}

/**
 * What duckback asks of an engine. Every method raises DOCKER_UNREACHABLE where the engine cannot be
 * talked to, and DOCKER_FAILED (`details.status`: the HTTP status) where it refuses.
 */
export interface Engine {
  /** "unix:///var/run/docker.sock": for messages. */
  readonly endpoint: string;
  /** Containers and networks of duckback's own. */
  readonly make: Make;
  ping(): Promise<void>;
  info(): Promise<EngineInfo>;
  /** Containers in every state that carry all these labels, sorted by name. */
  listContainers(labels: Record<string, string>): Promise<Container[]>;
  /** By id or name; null where there is none. */
  inspect(id: string): Promise<Container | null>;
  /** Harmless where it runs already. */
  start(id: string): Promise<void>;
  /**
   * Returns once the container has ended; harmless where it does not run. Without `timeout_s` the
   * container's own stop timeout holds. Gives up waiting for the engine after `limit_ms`.
   */
  stop(id: string, options: { timeout_s: number | null; limit_ms: number | null }): Promise<void>;
  /**
   * Stops (with the container's own stop timeout) and starts in one request, which the engine carries
   * out to its end even where duckback dies meanwhile. Gives up waiting for it after `limit_ms`.
   */
  restart(id: string, options: { limit_ms: number | null }): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  /**
   * Runs a command in a container to its end, over whatever it reads and writes. Raises DOCKER_UNREACHABLE
   * where the connection broke meanwhile: what was put out until then is not all. Throws on what
   * `stdin` or `onOutput` threw.
   */
  exec(id: string, request: ExecRequest): Promise<ExecResult>;
  /** The container's own command and arguments. They may hold secrets: use them, never keep them. */
  commandOf(id: string): Promise<string[]>;
  /** The last lines of both outputs, oldest first. */
  logTail(id: string, lines: number): Promise<string[]>;
  /** Null where there is none. */
  inspectVolume(name: string): Promise<Volume | null>;
  /** Makes a volume of the local driver; one that exists is left as it is. */
  createVolume(name: string, labels: Record<string, string>): Promise<Volume>;
  listVolumes(labels: Record<string, string>): Promise<Volume[]>;
  /** With all that is in it; harmless where there is none. The engine refuses one that a container has. */
  removeVolume(name: string): Promise<void>;
  inspectImage(name: string): Promise<Image | null>;
  /** Gives an image a further name; another image that had it loses it. */
  tagImage(id: string, name: string): Promise<void>;
  /** Signals sent to containers between `since` and `until`. */
  recentKills(since: Date, until: Date): Promise<RecentKills>;
}

/** Labels that compose gives its containers, volumes and networks. */
export const LABEL = {
  project: "com.docker.compose.project",
  service: "com.docker.compose.service",
  number: "com.docker.compose.container-number",
  oneoff: "com.docker.compose.oneoff",
  depends_on: "com.docker.compose.depends_on",
  working_dir: "com.docker.compose.project.working_dir",
  config_files: "com.docker.compose.project.config_files",
  environment_file: "com.docker.compose.project.environment_file",
  volume: "com.docker.compose.volume",
  anonymous_volume: "com.docker.volume.anonymous",
} as const;

/** The environment as `Deno.env.toObject()` gives it. */
export type Env = Readonly<Record<string, string | undefined>>;
