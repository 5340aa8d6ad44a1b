/** Gathers what a stack keeps on disk, from its compose files and from its containers' mounts. */
import type { Role, SkippedMount } from "../core/model.ts";
import type { ComposeProject } from "./compose.ts";
import { isNamedVolume } from "./compose.ts";
import type { ServiceDef } from "./compose_model.ts";
import type { Container, Engine, Volume } from "./engine.ts";
import { LABEL } from "./engine.ts";
import { labelsOf, serviceOf, type StackLabels } from "./labels.ts";
import type { Candidate } from "./layout.ts";
import { realPath } from "./real_path.ts";
import { isWithin, systemPathReason } from "./system_paths.ts";
import { isAnonymous, volumePlace } from "./volume_place.ts";

export interface CollectOptions {
  /** Free of symbolic links. */
  work_dir: string;
  engine: Engine | null;
  anonymous_volumes: boolean;
  labels: StackLabels;
}

/** Where a service's mount lies on this host, and by which name the engine knows it. */
export interface ServiceMount {
  service: string;
  /** Free of symbolic links. */
  path: string;
  /** Volume name; null for bind mounts. */
  volume: string | null;
}

export class Collector {
  readonly candidates: Candidate[] = [];
  /** Of all services, found in compose files and containers; doubles are possible. */
  readonly mounts: ServiceMount[] = [];
  readonly #skipped = new Map<string, SkippedMount>();
  readonly #volumes = new Map<string, Volume | null>();

  private constructor(readonly options: CollectOptions, readonly engine_dir: string) {}

  static async create(options: CollectOptions): Promise<Collector> {
    const info = await options.engine?.info();
    return new Collector(options, info?.root_dir ?? "/var/lib/docker");
  }

  /** Those among the candidates, as the engine knows them. */
  get volumes(): Volume[] {
    const taken = new Set(this.candidates.map(({ volume }) => volume));
    return [...this.#volumes.values()].filter((volume) => volume !== null && taken.has(volume.name))
      .sort((a, b) => a!.name < b!.name ? -1 : 1) as Volume[];
  }

  get skipped(): SkippedMount[] {
    return [...this.#skipped.values()];
  }

  /** A path that must be backed up, wherever its symbolic links lead. */
  path(path: string, role: Role, origin: string) {
    const { real, links } = realPath(path);
    this.candidates.push({ kind: "path", role, path: real, volume: null, origin });
    for (const link of links) {
      if (link !== path && !isWithin(link, this.options.work_dir)) continue;
      const text = `symbolic link to ${real}`;
      this.candidates.push({ kind: "path", role: "app", path: link, volume: null, origin: text });
    }
  }

  async compose(project: ComposeProject, containers: Container[]) {
    for (const file of project.all_files) this.path(file, "app", "compose file");
    for (const file of project.env_files) this.path(file, "app", "env file");
    for (const service of project.services) {
      const started = containers.some((container) => container.service === service.name);
      this.#service(service, started);
    }
    for (const kind of ["configs", "secrets"] as const) {
      const used = new Set(project.services.flatMap((service) => service[kind]));
      for (const [key, { file }] of Object.entries(project[kind])) {
        if (file === null || !used.has(key) && realPath(file).type === "missing") continue;
        this.path(file, "app", `${kind.slice(0, -1)} ${key}`);
      }
    }
    for (const volume of Object.values(project.volumes)) {
      const users = project.services.filter((service) =>
        service.mounts.some((mount) =>
          isNamedVolume(mount) && project.volumes[mount.source!] === volume
        )
      ).map((service) => service.name);
      if (this.options.engine) {
        await this.#volume(volume.name, users, volume.external);
      } else {
        const place = volumePlace({
          driver: volume.driver ?? "local",
          options: volume.driver_opts,
          mountpoint: "",
        });
        this.#place(
          volume.name,
          users,
          "path" in place && place.path === ""
            ? { reason: "Docker is not reachable, which alone knows where it lies" }
            : place,
        );
      }
    }
  }

  /** Volumes that carry the project's label, used or not. */
  async labelled(project: string) {
    for (
      const volume of await this.options.engine?.listVolumes({ [LABEL.project]: project }) ?? []
    ) {
      this.#volumes.set(volume.name, volume);
      if (!this.#known(volume.name)) await this.#volume(volume.name, [], false);
    }
  }

  async container(container: Container) {
    const user = serviceOf(container);
    for (const mount of container.mounts) {
      if (mount.type === "bind") {
        this.#bind(mount.source, mount.read_only, user, false);
      } else if (mount.type === "volume" && mount.name !== null) {
        await this.#volume(mount.name, [user], false);
      } else {
        this.#skip(
          mount.destination,
          user,
          mount.type === "tmpfs" ? "in memory (tmpfs)" : mount.type,
        );
      }
    }
  }

  #service(service: ServiceDef, started: boolean) {
    for (const file of service.env_files) {
      if (!file.required && realPath(file.path).type === "missing") continue;
      this.path(file.path, "app", `env file of ${service.name}`);
    }
    for (const mount of service.mounts) {
      if (mount.type === "bind") {
        // A profile that nobody ever used has not made its directories yet.
        const unused = service.profiles.length > 0 && !started && this.options.engine !== null;
        this.#bind(mount.source!, mount.read_only, service.name, unused);
      } else if (mount.type === "tmpfs") {
        this.#skip(mount.target, service.name, "in memory (tmpfs)");
      } else if (mount.type !== "volume") {
        this.#skip(mount.target, service.name, `a mount of type ${mount.type}`);
      } else if (mount.source === null && !started) {
        this.#skip(mount.target, service.name, "an anonymous volume");
      }
    }
  }

  #bind(path: string, read_only: boolean, service: string, may_be_missing: boolean) {
    const { work_dir } = this.options;
    const found = realPath(path);
    const reason = systemPathReason(path, work_dir, this.engine_dir) ??
      systemPathReason(found.real, work_dir, this.engine_dir) ??
      (found.type === "socket" ? "a socket" : null) ??
      (found.type === "device" ? "a device" : null) ??
      (found.type === "missing" && may_be_missing
        ? "not there: its profile was never started"
        : null);
    if (reason) {
      this.#skip(path, service, path.endsWith("/docker.sock") ? "a socket" : reason);
      return;
    }
    const role = this.#role(service, read_only ? "app" : "data");
    this.path(path, role, `bind mount of ${service}`);
    this.mounts.push({ service, path: found.real, volume: null });
  }

  /** What the service's label says of its mounts, else what they look like. */
  #role(service: string, found: Role): Role {
    return labelsOf(this.options.labels, service).role ?? found;
  }

  async #volume(name: string, users: string[], external: boolean) {
    const volume = await this.#inspect(name);
    if (!volume) {
      const reason = external ? "an external volume that does not exist" : "not created yet";
      return this.#place(name, users, { reason });
    }
    if (isAnonymous(name, volume.labels) && !this.options.anonymous_volumes) {
      return this.#place(name, users, {
        reason: "an anonymous volume (--anonymous-volumes takes it)",
      });
    }
    this.#place(name, users, volumePlace(volume));
  }

  #place(name: string, users: string[], place: ReturnType<typeof volumePlace>) {
    if ("reason" in place) {
      for (const user of users.length > 0 ? users : [null]) this.#skip(name, user, place.reason);
      return;
    }
    const { real } = realPath(place.path);
    const add = (role: Role, origin: string) => {
      this.candidates.push({ kind: "volume", role, path: real, volume: name, origin });
    };
    if (users.length === 0) add("data", "volume");
    for (const user of users) {
      add(this.#role(user, "data"), `volume of ${user}`);
      this.mounts.push({ service: user, path: real, volume: name });
    }
  }

  #known(volume: string): boolean {
    return this.candidates.some((candidate) => candidate.volume === volume) ||
      this.skipped.some((mount) => mount.name === volume);
  }

  async #inspect(name: string): Promise<Volume | null> {
    if (!this.#volumes.has(name)) {
      this.#volumes.set(name, await this.options.engine?.inspectVolume(name) ?? null);
    }
    return this.#volumes.get(name)!;
  }

  #skip(name: string, service: string | null, reason: string) {
    const key = `${name}\n${service}`;
    if (!this.#skipped.has(key)) this.#skipped.set(key, { name, service, reason });
  }
}
