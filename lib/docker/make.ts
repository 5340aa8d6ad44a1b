/** Containers and networks that duckback makes in the engine for itself, and removes again. */

/** A mount of a container to be made. A bind mount's source must exist. */
export interface MountBody {
  Type: "bind" | "volume" | "tmpfs";
  /** Host path or volume name; left out for tmpfs and for a volume without a name. */
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
}

/** Of a healthcheck, what the image does not say or says otherwise; times in nanoseconds. */
export interface HealthcheckBody {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  Retries?: number;
}

/** The body of `POST /containers/create`, as far as it is used: what is left out is the image's. */
export interface ContainerBody {
  /** Id of the image. */
  Image: string;
  Cmd?: string[];
  Entrypoint?: string[];
  /** "NAME=value"; may hold secrets: never kept. */
  Env: string[];
  Labels: Record<string, string>;
  User?: string;
  WorkingDir?: string;
  Hostname?: string;
  Domainname?: string;
  StopSignal?: string;
  Tty?: boolean;
  OpenStdin?: boolean;
  Healthcheck?: HealthcheckBody;
  HostConfig: {
    /** A network's name, "none" or "container:ID". */
    NetworkMode: string;
    RestartPolicy: { Name: "no" };
    Mounts: MountBody[];
    VolumesFrom?: string[];
    CapAdd?: string[];
    CapDrop?: string[];
    GroupAdd?: string[];
    SecurityOpt?: string[];
    Sysctls?: Record<string, string>;
    Ulimits?: { Name: string; Soft: number; Hard: number }[];
    ExtraHosts?: string[];
    Dns?: string[];
    PidMode?: string;
    IpcMode?: string;
    Init?: boolean;
    ReadonlyRootfs?: boolean;
    /** Bytes. */
    ShmSize?: number;
    Memory?: number;
  };
  NetworkingConfig?: { EndpointsConfig: Record<string, { Aliases: string[] }> };
}

/** Every method raises what the Engine's do. */
export interface Make {
  /** Makes a container, which does not run yet; returns its id. */
  container(name: string, body: ContainerBody): Promise<string>;
  /** Ends it at once and removes it with its anonymous volumes; harmless where there is none. */
  removeContainer(id: string): Promise<void>;
  /**
   * Makes a network from which nothing leads out: not to other networks, and as the host has no address
   * in it, not to the host either. Returns its id.
   */
  innerNetwork(name: string, labels: Record<string, string>): Promise<string>;
  /** Ids of the networks that carry all these labels. */
  listNetworks(labels: Record<string, string>): Promise<string[]>;
  /** Harmless where there is none. */
  removeNetwork(id: string): Promise<void>;
}
