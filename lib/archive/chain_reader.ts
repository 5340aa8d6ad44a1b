/**
 * Reads single entries of a backup, wherever in its chain of archives they lie: each archive is opened
 * once it is needed, and no block is read that holds nothing that is asked for.
 */
import type { ManifestEntry } from "../core/model.ts";
import { SharedPool } from "./block_window.ts";
import { type Pause, SeekReader } from "./seek_reader.ts";
import type { TarHandler } from "./tar_reader.ts";

/** The archives of a backup. */
export interface Archives {
  /** Path of its own. */
  own: string;
  /** Paths of those that it was made against, by the names of their backups; empty but for incremental ones. */
  earlier: ReadonlyMap<string, string>;
}

/** Archives of a backup that stands alone. */
export function alone(archive: string): Archives {
  return { own: archive, earlier: new Map() };
}

/** Blocks that are held at the same time: one for each place in an archive that is being read. */
const MOST_OPEN = 12;
/** Places in one archive: what two passes wrote is read as two streams, side by side. */
const MOST_OF_ONE = 3;

export class ChainReader implements Disposable {
  /** The one used last comes last. */
  #open: SeekReader[] = [];
  readonly #pool: SharedPool | null;

  /** `much`: most of the archives will be read, so blocks are decompressed ahead, on all cores. */
  constructor(readonly archives: Archives, readonly signal?: AbortSignal, much = false) {
    this.#pool = much ? new SharedPool() : null;
  }

  /** Path of the archive in which the entry of a row lies. */
  archiveOf({ stored_in }: Pick<ManifestEntry, "stored_in">): string {
    return (stored_in && this.archives.earlier.get(stored_in)) || this.archives.own;
  }

  /** True where the entries of the own archive can be read without what lies before them. */
  get seeks(): boolean {
    return this.#at(this.archives.own, 0).seeks;
  }

  /** As SeekReader's. Throws ARCHIVE_MISSING too. */
  async read(row: ManifestEntry, handler: TarHandler, pause?: Pause): Promise<void> {
    await this.#at(this.archiveOf(row), row.block_offset).read(row, handler, pause);
  }

  /** The reader that is nearest to a block. */
  #at(archive: string, offset: number): SeekReader {
    const those = this.#open.filter(({ path }) => path === archive);
    const before = those.filter(({ position }) => position >= 0 && position <= offset);
    const best = before.sort((a, b) => b.position - a.position)[0] ??
      (those.length >= MOST_OF_ONE ? those[0] : undefined);
    const reader = best ?? new SeekReader(archive, this.signal, this.#pool);
    this.#open = this.#open.filter((other) => other !== reader);
    if (best === undefined && this.#open.length >= MOST_OPEN) this.#open.shift()![Symbol.dispose]();
    this.#open.push(reader);
    return reader;
  }

  [Symbol.dispose](): void {
    for (const reader of this.#open) reader[Symbol.dispose]();
    this.#pool?.[Symbol.dispose]();
  }
}
