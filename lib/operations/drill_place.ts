/**
 * The scratch places of a drill: a directory, volumes and a network of its own. All of it carries the
 * drill's name, which is in the journal before anything is made, and goes with it, whatever happens.
 */
import { basename, join } from "node:path";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, Source } from "../core/model.ts";
import type { Engine } from "../docker/engine.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import type { JournalFile, PendingDrill } from "../repository/journal.ts";
import type { Context } from "./context.ts";
import { note } from "./context.ts";
import { ScratchPaths } from "./scratch_paths.ts";

/** On all that a drill makes in the engine; its value is the drill's name. */
export const DRILL_LABEL = "duckback.drill.run";
/** On a container, the service it stands for. */
export const DRILL_SERVICE_LABEL = "duckback.drill.service";
const PREFIX = "duckback-drill-";

export class DrillPlace implements AsyncDisposable {
  /** Scratch volumes by the name of the live stack's. */
  readonly #volumes = new Map<string, string>();
  readonly #at = new Map<string, string>();
  #network: string | null = null;

  private constructor(
    readonly ctx: Context,
    readonly engine: Engine | null,
    readonly name: string,
    readonly dir: string,
    readonly metadata: BackupMetadata,
    readonly journal: JournalFile,
  ) {}

  /** `engine` may be missing only where the backup holds no volume. Raises NOT_WRITABLE, DISK_FULL. */
  static async begin(
    ctx: Context,
    engine: Engine | null,
    parent: string,
    metadata: BackupMetadata,
    journal: JournalFile,
  ): Promise<DrillPlace> {
    const name = `${PREFIX}${crypto.randomUUID().slice(0, 8)}`;
    const dir = join(parent, name);
    journal.save({ drill: { name, dir, engine: engine !== null } });
    const place = new DrillPlace(ctx, engine, name, dir, metadata, journal);
    try {
      posix.mkdirAll(parent, 0o700);
      posix.mkdir(dir, 0o700);
      posix.mkdir(place.tree, 0o755);
      for (const source of metadata.sources.filter(({ kind }) => kind === "volume")) {
        place.#at.set(source.archive_path, await place.#makeVolume(source.name));
      }
      return place;
    } catch (cause) {
      await place[Symbol.asyncDispose]();
      throw cause instanceof DuckbackError
        ? cause
        : diskError(`Cannot make the scratch directory "${dir}"`, cause);
    }
  }

  /** What lies in the archive, but for volumes, lies here at its place there. */
  get tree(): string {
    return join(this.dir, "tree");
  }

  get labels(): Record<string, string> {
    return { [DRILL_LABEL]: this.name };
  }

  get paths(): ScratchPaths {
    const { work_dir, sources } = this.metadata;
    return new ScratchPaths(this.tree, work_dir, sources, this.#at);
  }

  /** For `extractBackup`. */
  get routes(): { from: string; to: string }[] {
    const volumes = [...this.#at].map(([from, to]) => ({ from, to }));
    return [{ from: "", to: this.tree }, ...volumes];
  }

  /** Where a source is restored to. */
  placeOf(source: Source): string {
    return this.paths.extracted(source.archive_path);
  }

  /** The scratch volume of that name, empty where the backup holds none. */
  async volume(name: string): Promise<string> {
    if (!this.#volumes.has(name)) await this.#makeVolume(name);
    return this.#volumes.get(name)!;
  }

  holdsVolume(name: string): boolean {
    return this.#volumes.has(name);
  }

  /** Made when it is first asked for. */
  async network(): Promise<string> {
    if (this.#network === null) {
      await this.engine!.make.innerNetwork(this.name, this.labels);
      this.#network = this.name;
    }
    return this.#network;
  }

  /** Returns its mountpoint. */
  async #makeVolume(name: string): Promise<string> {
    const own = `${this.name}-${this.#volumes.size + 1}`;
    const { mountpoint } = await this.engine!.createVolume(own, this.labels);
    this.#volumes.set(name, own);
    return mountpoint;
  }

  /** What cannot be removed stays in the journal for `recover`, and is told; raises nothing. */
  async [Symbol.asyncDispose]() {
    try {
      await removeDrill(this.engine, this.journal.data.drill!);
      this.journal.save({ drill: null });
    } catch (cause) {
      note(
        this.ctx,
        `Not all of drill ${this.name} could be removed: ${asDuckbackError(cause).message}. ` +
          "Once that is mended: duckback recover",
        "warning",
      );
    }
  }
}

/** Removes what a drill made, also where it is half gone. Raises what the engine and the disk raise. */
export async function removeDrill(engine: Engine | null, drill: PendingDrill): Promise<void> {
  // Both were read back from a file: nothing else may be removed by them.
  if (!drill.name.startsWith(PREFIX) || basename(drill.dir) !== drill.name) return;
  if (engine !== null) {
    const labels = { [DRILL_LABEL]: drill.name };
    for (const { id } of await engine.listContainers(labels)) await engine.make.removeContainer(id);
    for (const id of await engine.make.listNetworks(labels)) await engine.make.removeNetwork(id);
    for (const { name } of await engine.listVolumes(labels)) await engine.removeVolume(name);
  }
  try {
    await posix.removeTree(drill.dir);
  } catch (cause) {
    throw diskError(`Cannot remove "${drill.dir}"`, cause);
  }
}
