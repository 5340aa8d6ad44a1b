/**
 * The part of dockerode that the engine uses. @types/dockerode would bring @types/node 18 with it,
 * whose older node:zlib and node:crypto then hide Deno's own for the whole program.
 */
interface Cancel {
  abortSignal?: AbortSignal;
}

interface VolumeJson {
  Name: string;
  Driver: string;
  Mountpoint: string;
  CreatedAt?: string;
  Labels?: Record<string, string> | null;
  Options?: Record<string, string> | null;
}

declare namespace Docker {
  interface DockerOptions {
    socketPath?: string;
    host?: string;
    port?: number;
    pathPrefix?: string;
    protocol?: "http" | "https";
    ca?: string;
    cert?: string;
    key?: string;
    timeout?: number;
  }
  interface Container {
    inspect(options: Cancel): Promise<unknown>;
    start(options: Cancel): Promise<unknown>;
    stop(options: Cancel & { t?: number }): Promise<unknown>;
    restart(options: Cancel): Promise<unknown>;
    pause(options: Cancel): Promise<unknown>;
    unpause(options: Cancel): Promise<unknown>;
    remove(options: Cancel & { force: boolean; v: boolean }): Promise<unknown>;
    exec(
      options: Cancel & {
        Cmd: string[];
        Env: string[];
        AttachStdin: boolean;
        AttachStdout: true;
        AttachStderr: true;
        Tty: false;
      },
    ): Promise<Exec>;
    logs(
      options: Cancel & { stdout: boolean; stderr: boolean; follow: false; tail: number },
    ): Promise<unknown>;
  }
  interface Network {
    readonly id: string;
    remove(options: Cancel): Promise<unknown>;
  }
  interface Exec {
    readonly id: string;
    inspect(options: Cancel): Promise<{ Running: boolean; ExitCode: number | null }>;
  }
  interface Volume {
    inspect(options: Cancel): Promise<VolumeJson>;
    remove(options: Cancel): Promise<unknown>;
  }
  interface Image {
    inspect(options: Cancel): Promise<{
      Id: string;
      RepoTags: string[] | null;
      RepoDigests: string[] | null;
      Config?: { Env?: string[] | null } | null;
    }>;
    tag(options: Cancel & { repo: string; tag?: string }): Promise<unknown>;
  }
}

declare class Docker {
  constructor(options: Docker.DockerOptions);
  readonly modem: unknown;
  ping(options: Cancel): Promise<unknown>;
  version(options: Cancel): Promise<{ Version: string; ApiVersion: string }>;
  info(options: Cancel): Promise<{ DockerRootDir?: string }>;
  listContainers(
    options: Cancel & { all: boolean; filters: Record<string, string[]> },
  ): Promise<{ Id: string }[]>;
  listVolumes(options: Cancel & { filters: string }): Promise<{ Volumes: VolumeJson[] | null }>;
  createVolume(
    options: Cancel & { Name: string; Driver: string; Labels: Record<string, string> },
  ): Promise<unknown>;
  /** What is not in `_body` would be in the request's path. */
  createContainer(
    options: Cancel & { _query: { name: string }; _body: unknown },
  ): Promise<{ readonly id: string }>;
  createNetwork(options: Cancel & { _query: unknown; _body: unknown }): Promise<Docker.Network>;
  listNetworks(options: Cancel & { filters: string }): Promise<{ Id: string }[]>;
  getNetwork(id: string): Docker.Network;
  getContainer(id: string): Docker.Container;
  getExec(id: string): Docker.Exec;
  getVolume(name: string): Docker.Volume;
  getImage(name: string): Docker.Image;
  getEvents(options: Cancel & { since: number; until: number }): Promise<unknown>;
}

export default Docker;
