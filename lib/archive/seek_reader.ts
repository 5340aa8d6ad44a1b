/**
 * Reads single entries of an archive: straight out of their blocks where duckback made it, else from
 * the start to where they lie. Each must be what the caller's row says, its content's SHA-256 included.
 */
import { createHash, type Hash } from "node:crypto";
import { throwIfAborted } from "../core/errors.ts";
import type { ManifestEntry } from "../core/model.ts";
import { printable } from "../core/paths.ts";
import { ArchiveFile } from "./archive_file.ts";
import { type Block, BlockWindow, type SharedPool } from "./block_window.ts";
import { corrupt } from "./corrupt.ts";
import { addZeros } from "./hash_zeros.ts";
import { openSource } from "./open_source.ts";
import { LONGEST_RECIPE } from "./recipe.ts";
import { RECIPES } from "./self_entries.ts";
import { BLOCK } from "./tar_header.ts";
import { type TarEntry, type TarHandler, TarParser } from "./tar_parser.ts";

/** Bytes handed over between two calls of `pause`. */
const SLICE = 256 << 10;
/** Zeros that are hashed at once: 50 ms. */
const HOLE_STEP = 64 << 20;

/** Awaited between pieces: what they were handed on to may take its time, signals be seen. */
export type Pause = () => Promise<void> | undefined;

/** Entries are best read in the archive's order: a block is decompressed once for all in it. */
export class SeekReader implements Disposable {
  readonly file: ArchiveFile;
  readonly window: BlockWindow;

  /** `shared`: see BlockWindow. Throws ARCHIVE_MISSING, ARCHIVE_CORRUPT. */
  constructor(
    readonly path: string,
    readonly signal?: AbortSignal,
    shared: SharedPool | null = null,
  ) {
    this.file = new ArchiveFile(path);
    this.window = new BlockWindow(this.file, signal, shared);
  }

  /** Where the block that is held begins; -1 for none. */
  get position(): number {
    return this.window.position;
  }

  /** True where an entry can be read without what lies before it. */
  get seeks(): boolean {
    return this.file.blocks;
  }

  /**
   * Hands the entry that `row` is about to `handler`, and no other. Throws ARCHIVE_CORRUPT where it is
   * not there, is another one or its content has another SHA-256 than `row` (if that has one) says; the
   * content was handed over then. IO, INTERRUPTED, and whatever `handler` and `pause` throw. Where a
   * recipe stands for it, that is returned and nothing handed over.
   */
  async read(
    row: ManifestEntry,
    handler: TarHandler,
    pause: Pause = () => undefined,
  ): Promise<{ entry: TarEntry; text: string } | null> {
    const follow = new Follow(this.path, row, handler);
    const parser = new TarParser(this.path, follow);
    if (this.seeks) await this.#seek(row, parser, follow, pause);
    else await this.#readTo(parser, follow, pause);
    if (!follow.done) throw follow.corrupt("the archive is cut short: the entry is not complete");
    return follow.recipe;
  }

  async #seek(row: ManifestEntry, parser: TarParser, follow: Follow, pause: Pause) {
    let inner = row.block_inner;
    let block: Block | null = await this.window.at(row.block_offset);
    if (block !== null && inner >= block.bytes.length) {
      throw follow.corrupt("no entry begins where the manifest says");
    }
    for (; block !== null && !follow.done; block = await this.window.next()) {
      for (; inner < block.bytes.length && !follow.done;) {
        // Exactly to the entry's end: what lies behind it is nobody's business here.
        const most = Math.max(BLOCK, Math.min(SLICE, follow.left));
        const piece = block.bytes.subarray(inner, inner + most);
        const took = parser.feedSome(piece, block.offset, inner);
        follow.passed(took);
        inner += took;
        const wait = pause();
        if (wait !== undefined) await wait;
        throwIfAborted(this.signal);
      }
      if (follow.done) return;
      inner = 0;
      this.window.want(follow.left);
    }
  }

  async #readTo(parser: TarParser, follow: Follow, pause: Pause) {
    using source = openSource(this.file, { signal: this.signal });
    for (let chunk = await source.next(); chunk !== null; chunk = await source.next()) {
      for (let at = 0; at < chunk.bytes.length && !follow.done;) {
        const piece = chunk.bytes.subarray(at, at + SLICE);
        at += parser.feedSome(piece, chunk.offset, chunk.inner + at);
        const wait = pause();
        if (wait !== undefined) await wait;
      }
      if (follow.done) return;
    }
  }

  [Symbol.dispose](): void {
    this.window[Symbol.dispose]();
    this.file[Symbol.dispose]();
  }
}

/** Passes one entry on, and checks that it is the one of the row. */
class Follow implements TarHandler {
  done = false;
  /** Bytes of its content in the archive that are still to come; 0 until its header was read. */
  left = 0;
  readonly holeStep: number;
  #within = false;
  #fresh = false;
  #digest: Hash | null;
  /** Where a recipe stands for the entry. */
  recipe: { entry: TarEntry; text: string } | null = null;
  #pieces: Uint8Array[] = [];

  constructor(
    readonly archive: string,
    readonly row: ManifestEntry,
    readonly handler: TarHandler,
  ) {
    this.#digest = row.type === "file" && row.sha256 !== null ? createHash("sha256") : null;
    this.holeStep = Math.min(handler.holeStep ?? Infinity, this.#digest ? HOLE_STEP : Infinity);
  }

  /** Tells that so many bytes of the tar stream were taken. */
  passed(bytes: number): void {
    if (this.#fresh) this.#fresh = false; // the header's own
    else this.left = Math.max(0, this.left - bytes);
  }

  entry(entry: TarEntry): void {
    const { row } = this;
    if (this.done) return;
    const here = entry.block_offset === row.block_offset && entry.block_inner === row.block_inner;
    if (!here) return;
    if (row.type === "file" && entry.type === "file" && entry.path === RECIPES + row.path) {
      if (entry.stored > LONGEST_RECIPE) throw this.corrupt("its recipe is too long");
      this.recipe = { entry, text: "" };
      this.#digest = null;
    } else if (entry.path !== row.path || entry.type !== row.type || entry.size !== row.size) {
      const found = `the ${entry.type} "${printable(entry.path)}" of ${entry.size} bytes`;
      throw this.corrupt(`${found} is where the manifest says it is`);
    }
    this.left = entry.stored;
    this.#fresh = true;
    if (this.recipe === null) this.handler.entry(entry);
    if (entry.type === "file") this.#within = true;
    else this.done = true;
  }

  leftOut(names: number): void {
    if (!this.done) this.handler.leftOut?.(names);
  }

  data(bytes: Uint8Array): void {
    if (!this.#within) return;
    if (this.recipe !== null) return void this.#pieces.push(bytes.slice());
    this.#digest?.update(bytes);
    this.handler.data(bytes);
  }

  hole(length: number): void {
    if (!this.#within) return;
    if (this.#digest !== null) addZeros(this.#digest, length);
    this.handler.hole(length);
  }

  end(): void {
    if (!this.#within) return;
    this.#within = false;
    if (this.#digest !== null && this.#digest.digest("hex") !== this.row.sha256) {
      throw this.corrupt("its content is not what was backed up: the SHA-256 differs");
    }
    this.done = true;
    if (this.recipe === null) return this.handler.end();
    const decoder = new TextDecoder();
    this.recipe.text = this.#pieces.map((piece) => decoder.decode(piece, { stream: true })).join(
      "",
    );
  }

  corrupt(state: string) {
    const { path, block_offset: offset, block_inner: inner } = this.row;
    return corrupt(this.archive, state, { entry: path, offset, inner });
  }
}
