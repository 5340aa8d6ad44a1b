/**
 * Reads single entries of a backup, wherever in its chain of archives they lie: each archive is opened
 * once it is needed, and no block is read that holds nothing that is asked for.
 */
import { createHash } from "node:crypto";
import type { ManifestEntry } from "../core/model.ts";
import { SharedPool } from "./block_window.ts";
import { type Blocks, Content, type Part, type Sink } from "./content.ts";
import { corrupt } from "./corrupt.ts";
import { addZeros } from "./hash_zeros.ts";
import { type EntryPlace, readRecipe, type Recipe } from "./recipe.ts";
import { type Pause, SeekReader } from "./seek_reader.ts";
import type { TarEntry, TarHandler } from "./tar_parser.ts";

/** The archives of a backup. */
export interface Archives {
  /** Path of its own. */
  own: string;
  /** Paths of those that it was made against, by the names of their backups; empty but for incremental ones. */
  earlier: ReadonlyMap<string, string>;
}

/** Gets, of what a recipe stands for, whole blocks too, where it wants them. */
export type ContentHandler = TarHandler & Pick<Sink, "block">;

/** Archives of a backup that stands alone. */
export function alone(archive: string): Archives {
  return { own: archive, earlier: new Map() };
}

/** Blocks that are held at the same time: one for each place in an archive that is being read. */
const MOST_OPEN = 12;
/** Entries of which it is known where their content lies. */
const MOST_CONTENTS = 1000;
/** Zeros that are hashed at once: 50 ms. */
const HOLE_STEP = 64 << 20;
/** Places in one archive: what two passes wrote is read as two streams, side by side. */
const MOST_OF_ONE = 3;

export class ChainReader implements Disposable {
  /** The one used last comes last. */
  #open: SeekReader[] = [];
  readonly #pool: SharedPool | null;
  readonly #contents = new Map<string, Content>();

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

  /** As SeekReader's, but that what recipes stand for is handed over too. Throws ARCHIVE_MISSING too. */
  async read(row: ManifestEntry, handler: ContentHandler, pause: Pause = () => undefined) {
    const archive = this.archiveOf(row);
    const found = await this.#at(archive, row.block_offset).read(row, handler, pause);
    if (found === null) return;
    const recipe = readRecipe(found.text);
    if (recipe === null || recipe.size !== row.size) {
      throw this.#corrupt(row, "its recipe makes no sense");
    }
    await this.#assemble(row, found.entry, recipe, handler, pause);
  }

  /** Puts together what a recipe says, and checks that it is what the row is about. */
  async #assemble(
    row: ManifestEntry,
    entry: TarEntry,
    { ranges }: Recipe,
    handler: ContentHandler,
    pause: Pause,
  ): Promise<void> {
    const { path, size } = row;
    const archive = this.archiveOf(row);
    const digest = row.sha256 === null ? null : createHash("sha256");
    handler.entry({ ...entry, path, size, stored: size });
    const { block } = handler;
    const sink: Sink = {
      data: (bytes: Uint8Array) => {
        digest?.update(bytes);
        handler.data(bytes);
      },
      block: block && ((whole) => {
        digest?.update(whole.bytes);
        block.call(handler, whole);
      }),
      hole: (length: number) => {
        const step = Math.min(HOLE_STEP, handler.holeStep ?? Infinity);
        for (let left = length; left > 0; left -= step) {
          if (digest !== null) addZeros(digest, Math.min(left, step));
          handler.hole(Math.min(left, step));
        }
      },
    };
    for (const { length, from } of ranges) {
      if (from === null) sink.hole(length);
      else {
        const content = await this.content(this.named(from.backup, archive), from);
        await content.copy(from.at, length, sink, pause);
      }
      const wait = pause();
      if (wait !== undefined) await wait;
    }
    if (digest !== null && digest.digest("hex") !== row.sha256) {
      throw this.#corrupt(row, "its content is not what was backed up: the SHA-256 differs");
    }
    handler.end();
  }

  /** Where the file that a recipe stands for has data, and where holes: nothing of the data is read. */
  async *layout(row: ManifestEntry): AsyncGenerator<Part> {
    const { block_offset: offset, block_inner: inner, size } = row;
    const content = await this.content(this.archiveOf(row), { backup: null, offset, inner });
    yield* content.layout(0, size);
  }

  #corrupt(row: ManifestEntry, state: string) {
    const { path: entry, block_offset: offset, block_inner: inner } = row;
    return corrupt(this.archiveOf(row), state, { entry, offset, inner });
  }

  /** The archive of a backup; `asking` for null. */
  named(backup: string | null, asking: string): string {
    return backup === null ? asking : this.archiveOf({ stored_in: backup });
  }

  /** Blocks of an archive, near to `offset`. */
  blocks(archive: string, offset: number): Blocks {
    return this.#at(archive, offset);
  }

  /** The content of the file entry at a place. */
  async content(archive: string, place: EntryPlace): Promise<Content> {
    const key = `${place.offset} ${place.inner} ${archive}`;
    const known = this.#contents.get(key);
    if (known !== undefined) return known;
    const content = await Content.open(this, archive, place);
    if (this.#contents.size >= MOST_CONTENTS) this.#contents.clear();
    this.#contents.set(key, content);
    return content;
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
