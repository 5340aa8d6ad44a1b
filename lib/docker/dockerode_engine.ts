/** The Engine port over dockerode; the only file that imports it. Load it with `await import()`. */
import type { Readable } from "node:stream";
// @ts-types="./dockerode.d.ts"
import Docker from "dockerode";
import { DuckbackError } from "../core/errors.ts";
import { clientOptions } from "./client_options.ts";
import {
  commandLine,
  type ContainerJson,
  toContainer,
  toImage,
  toVolume,
} from "./container_json.ts";
import { type Endpoint, resolveEndpoint } from "./endpoint.ts";
import type {
  Container,
  Engine,
  EngineInfo,
  Env,
  ExecRequest,
  ExecResult,
  Image,
  RecentKills,
  Volume,
} from "./engine.ts";
import { DockerodeMake } from "./dockerode_make.ts";
import { engineFailure, refusalStatus } from "./engine_failure.ts";
import { runExec } from "./exec.ts";
import { type Modem, useFetch } from "./fetch_transport.ts";
import { readText, toKills } from "./kill_events.ts";
import { logLines } from "./log_lines.ts";

/** Milliseconds to wait for an answer. A start may pull mounts from slow disks. */
const LIMIT = { ping: 10_000, read: 60_000, start: 180_000, pause: 60_000 };
/** What a volume may be called; anything else would change the meaning of a request's path. */
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Connects to the engine that `env` chooses and checks that it answers. */
export async function connectEngine(env: Env): Promise<Engine> {
  const engine = new DockerodeEngine(resolveEndpoint(env));
  await engine.ping();
  return engine;
}

type Call<T> = (signal: AbortSignal) => Promise<T>;

class DockerodeEngine implements Engine {
  readonly endpoint: string;
  readonly make: DockerodeMake;
  readonly #at: Endpoint;
  readonly #docker: Docker;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint.url;
    this.#at = endpoint;
    try {
      this.#docker = new Docker(clientOptions(endpoint));
      useFetch(this.#docker.modem as unknown as Modem, endpoint);
      this.make = new DockerodeMake(
        this.#docker,
        (act, limit_ms, call) => this.#call(act, limit_ms, call),
      );
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new DuckbackError(
        "DOCKER_UNREACHABLE",
        `Cannot use Docker endpoint "${this.endpoint}": ${said}`,
        { cause, hint: "Check DOCKER_HOST and DOCKER_CERT_PATH." },
      );
    }
  }

  async ping(): Promise<void> {
    await this.#call(
      "ping the engine",
      LIMIT.ping,
      (abortSignal) => this.#docker.ping({ abortSignal }),
    );
  }

  async info(): Promise<EngineInfo> {
    const version = await this.#call(
      "ask for the engine's version",
      LIMIT.read,
      (abortSignal) => this.#docker.version({ abortSignal }),
    );
    const info = await this.#call(
      "ask for the engine's state",
      LIMIT.read,
      (abortSignal) => this.#docker.info({ abortSignal }),
    );
    return {
      version: version.Version,
      api_version: version.ApiVersion,
      root_dir: info.DockerRootDir ?? "/var/lib/docker",
    };
  }

  async listContainers(labels: Record<string, string>): Promise<Container[]> {
    const filters = { label: Object.entries(labels).map(([key, value]) => `${key}=${value}`) };
    const found = await this.#call(
      "list containers",
      LIMIT.read,
      (abortSignal) => this.#docker.listContainers({ all: true, filters, abortSignal }),
    );
    const containers = await Promise.all(found.map((item) => this.inspect(item.Id)));
    // One that went away between the two calls is gone.
    return containers.filter((container) => container !== null)
      .sort((a, b) => a.name < b.name ? -1 : 1);
  }

  async inspect(id: string): Promise<Container | null> {
    const json = await this.#inspect(id);
    return json && toContainer(json);
  }

  async commandOf(id: string): Promise<string[]> {
    const json = await this.#inspect(id);
    return json === null ? [] : commandLine(json);
  }

  async #inspect(id: string): Promise<ContainerJson | null> {
    const json = await this.#find(
      `inspect container "${id}"`,
      (abortSignal) => this.#docker.getContainer(id).inspect({ abortSignal }),
    );
    return json as ContainerJson | null;
  }

  async start(id: string): Promise<void> {
    await this.#change(
      `start container "${id}"`,
      LIMIT.start,
      (abortSignal) => this.#docker.getContainer(id).start({ abortSignal }),
    );
  }

  async stop(
    id: string,
    { timeout_s, limit_ms }: { timeout_s: number | null; limit_ms: number | null },
  ): Promise<void> {
    await this.#change(
      `stop container "${id}"`,
      limit_ms,
      (abortSignal) =>
        this.#docker.getContainer(id).stop({
          ...(timeout_s === null ? {} : { t: timeout_s }),
          abortSignal,
        }),
    );
  }

  async restart(id: string, { limit_ms }: { limit_ms: number | null }): Promise<void> {
    await this.#change(
      `restart container "${id}"`,
      limit_ms,
      (abortSignal) => this.#docker.getContainer(id).restart({ abortSignal }),
    );
  }

  async pause(id: string): Promise<void> {
    await this.#change(
      `pause container "${id}"`,
      LIMIT.pause,
      (abortSignal) => this.#docker.getContainer(id).pause({ abortSignal }),
    );
  }

  async unpause(id: string): Promise<void> {
    await this.#change(
      `unpause container "${id}"`,
      LIMIT.pause,
      (abortSignal) => this.#docker.getContainer(id).unpause({ abortSignal }),
    );
  }

  async exec(id: string, request: ExecRequest): Promise<ExecResult> {
    const act = `run a command in container "${id}"`;
    const create = async (abortSignal: AbortSignal) => {
      const made = await this.#docker.getContainer(id).exec({
        Cmd: request.cmd,
        Env: Object.entries(request.env ?? {}).map(([name, value]) => `${name}=${value}`),
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
        abortSignal,
      });
      return made.id;
    };
    return await runExec(
      this.#at,
      {
        create: () => this.#call(act, LIMIT.read, create),
        inspect: (exec) =>
          this.#call(
            act,
            LIMIT.read,
            (abortSignal) => this.#docker.getExec(exec).inspect({ abortSignal }),
          ),
      },
      id,
      request,
    );
  }

  async logTail(id: string, lines: number): Promise<string[]> {
    try {
      const body = await this.#call(
        `read the log of container "${id}"`,
        LIMIT.read,
        (abortSignal) =>
          this.#docker.getContainer(id).logs({
            stdout: true,
            stderr: true,
            follow: false,
            tail: lines,
            abortSignal,
          }),
      ) as unknown;
      return logLines(body).slice(-lines);
    } catch (error) {
      // Some logging drivers cannot be read.
      if (refusalStatus(error) !== null) return [];
      throw error;
    }
  }

  async inspectVolume(name: string): Promise<Volume | null> {
    if (!VOLUME_NAME.test(name)) return null;
    const json = await this.#find(
      `inspect volume "${name}"`,
      (abortSignal) => this.#docker.getVolume(name).inspect({ abortSignal }),
    );
    return json && toVolume(json);
  }

  async createVolume(name: string, labels: Record<string, string>): Promise<Volume> {
    await this.#call(
      `create volume "${name}"`,
      LIMIT.read,
      (abortSignal) =>
        this.#docker.createVolume({ Name: name, Driver: "local", Labels: labels, abortSignal }),
    );
    return (await this.inspectVolume(name))!;
  }

  async listVolumes(labels: Record<string, string>): Promise<Volume[]> {
    const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    const found = await this.#call(
      "list volumes",
      LIMIT.read,
      (abortSignal) =>
        this.#docker.listVolumes({ filters: JSON.stringify({ label }), abortSignal }),
    );
    return (found.Volumes ?? []).map(toVolume).sort((a, b) => a.name < b.name ? -1 : 1);
  }

  async removeVolume(name: string): Promise<void> {
    if (!VOLUME_NAME.test(name)) return;
    await this.#find(
      `remove volume "${name}"`,
      (abortSignal) => this.#docker.getVolume(name).remove({ abortSignal }),
    );
  }

  async inspectImage(name: string): Promise<Image | null> {
    const json = await this.#find(
      `inspect image "${name}"`,
      (abortSignal) => this.#docker.getImage(name).inspect({ abortSignal }),
    );
    return json && toImage(json);
  }

  async tagImage(id: string, name: string): Promise<void> {
    // "registry.example:5000/web" has no tag, though it has a colon.
    const [, repo, tag] = /^(.*?)(?::([^:/]+))?$/.exec(name)!;
    await this.#call(
      `tag image "${id}" as "${name}"`,
      LIMIT.read,
      (abortSignal) =>
        this.#docker.getImage(id).tag({ repo, ...(tag === undefined ? {} : { tag }), abortSignal }),
    );
  }

  async recentKills(since: Date, until: Date): Promise<RecentKills> {
    const text = await this.#call("read the engine's events", LIMIT.read, async (abortSignal) => {
      const stream = await this.#docker.getEvents({
        since: since.getTime() / 1000,
        until: until.getTime() / 1000,
        abortSignal,
      });
      return await readText(stream as Readable, abortSignal);
    });
    return toKills(text, since);
  }

  /** Null where the engine knows no such thing. */
  async #find<T>(act: string, call: Call<T>): Promise<T | null> {
    try {
      return await this.#call(act, LIMIT.read, call);
    } catch (error) {
      if (refusalStatus(error) === 404) return null;
      throw error;
    }
  }

  /** 304 says that it is as it should be already. */
  async #change(act: string, limit_ms: number | null, call: Call<unknown>): Promise<void> {
    try {
      await this.#call(act, limit_ms, call);
    } catch (error) {
      if (refusalStatus(error) !== 304) throw error;
    }
  }

  async #call<T>(act: string, limit_ms: number | null, call: Call<T>): Promise<T> {
    const late = new AbortController();
    const timer = limit_ms === null ? undefined : setTimeout(() => late.abort(), limit_ms);
    try {
      return await call(late.signal);
    } catch (cause) {
      throw engineFailure(cause, act, this.endpoint, late.signal.aborted ? limit_ms : null);
    } finally {
      clearTimeout(timer);
    }
  }
}
