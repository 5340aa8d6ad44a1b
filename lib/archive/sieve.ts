/**
 * Tells, block by block, what of an archive's tar stream is to be kept: entries that rows of a manifest
 * point to. All else (stale entries, the archive's own ones, the zeros at its end) is not.
 */
import type { ManifestEntry } from "../core/model.ts";
import { printable } from "../core/paths.ts";
import type { Chunk } from "./block_reader.ts";
import { corrupt } from "./corrupt.ts";
import type { ManifestRows } from "./manifest_rows.ts";
import type { Pulse } from "./pulse.ts";
import { isSelf, LAST_ENTRY } from "./self_entries.ts";
import { type TarEntry, type TarHandler, TarParser } from "./tar_parser.ts";

/** What of a row of a manifest finds its entry, and tells it from others. */
export type PlacedRow =
  & Pick<ManifestEntry, "type" | "size" | "mode" | "mtime_s" | "mtime_ns">
  & Pick<ManifestEntry, "block_offset" | "block_inner">
  & {
    /** Its number in the manifest, from 0 on. */
    row: number;
    /** It is put anew behind all others, not kept where it is. */
    late: boolean;
  };

/** A stretch of a block that is kept. */
export interface Kept {
  start: number;
  end: number;
  /** Of the entry that begins with it; null where it goes on with what the block before ended in. */
  row: PlacedRow | null;
}

/** Bytes parsed between two looks at the clock. */
const SLICE = 256 << 10;

export class Sieve implements TarHandler {
  /** Bytes of content of the entries that are kept, holes not counted. */
  bytes = 0;
  readonly #parser: TarParser;
  /** Where in the current block entries begin, and their rows; null for what is not kept. */
  #starts: { inner: number; row: PlacedRow | null }[] = [];
  /** The row of the entry that was begun last; null for none. */
  #row: PlacedRow | null = null;
  /** Where that entry begins. */
  #place: Position = { offset: -1, inner: 0 };
  #last = "";
  #block = 0;

  /**
   * `rows` are those that lie in the archive, in its order; `plain` is an archive that is not compressed:
   * there rows may go by other blocks than those it is read in.
   */
  constructor(
    readonly archive: string,
    readonly rows: ManifestRows<PlacedRow>,
    readonly plain: boolean,
  ) {
    this.#parser = new TarParser(archive, this);
  }

  /** What is kept of the next block, in order. Throws ARCHIVE_CORRUPT, INTERRUPTED, what `rows` throw. */
  async take({ bytes, offset }: Chunk, pulse: Pulse): Promise<Kept[]> {
    const before = this.#keeps();
    this.#starts = [];
    this.#block = offset;
    for (let at = 0; at < bytes.length;) {
      const wait = this.rows.prepare();
      if (wait !== undefined) await wait;
      at += this.#parser.feedSome(bytes.subarray(at, at + SLICE), offset, at);
      if (pulse.due()) await pulse.beat();
    }
    // Its header may end in the next block: whether it is kept is known by its place.
    const { begun } = this.#parser;
    if (begun !== null) this.#begin(begun.offset, begun.inner ?? 0);
    return this.#kept(before, bytes.length);
  }

  #kept(before: boolean, length: number): Kept[] {
    const kept: Kept[] = [];
    const starts = this.#starts;
    if (before) kept.push({ start: 0, end: starts[0]?.inner ?? length, row: null });
    for (const [i, { inner, row }] of starts.entries()) {
      if (row !== null) kept.push({ start: inner, end: starts[i + 1]?.inner ?? length, row });
    }
    return kept.filter(({ start, end }) => end > start);
  }

  #keeps(): boolean {
    return this.#row !== null && !this.#row.late;
  }

  #begin(offset: number, inner: number): void {
    const place = this.#position(offset, inner);
    if (isSame(place, this.#place)) return;
    this.#place = place;
    const head = this.rows.head;
    const wanted = head && this.#position(head.block_offset, head.block_inner);
    const here = wanted !== null && isSame(place, wanted);
    if (here) this.rows.next();
    else if (wanted !== null && isBefore(wanted, place)) {
      throw this.#corrupt(head!, "no entry begins where the manifest says");
    }
    this.#row = here ? head : null;
    this.#starts.push({ inner, row: this.#keeps() ? head : null });
  }

  #position(offset: number, inner: number): Position {
    return this.plain ? { offset: offset + inner, inner: 0 } : { offset, inner };
  }

  entry(entry: TarEntry): void {
    this.#begin(entry.block_offset, entry.block_inner);
    this.#last = entry.path;
    const row = this.#row;
    // Who puts it anew looks at it then.
    if (row === null || row.late) return;
    // A recipe makes sense in its own archive alone.
    const same = entry.type === row.type && entry.size === row.size && entry.mode === row.mode &&
      entry.mtime_s === row.mtime_s && entry.mtime_ns === row.mtime_ns && !isSelf(entry.path);
    if (same) return;
    const found = `the ${entry.type} "${printable(entry.path)}" of ${entry.size} bytes`;
    throw this.#corrupt(row, `${found} is where the manifest has another entry`);
  }

  data(bytes: Uint8Array): void {
    if (this.#keeps()) this.bytes += bytes.length;
  }

  hole(): void {}

  end(): void {}

  /** Behind the last block. Throws ARCHIVE_CORRUPT where the archive is not complete. */
  finish(): void {
    this.#parser.finish(this.#block);
    if (this.#last !== LAST_ENTRY) {
      throw corrupt(this.archive, `the archive is not complete: ${LAST_ENTRY} is missing`);
    }
    const { head } = this.rows;
    if (head === null) return;
    throw this.#corrupt(head, "the manifest names an entry that is not there");
  }

  #corrupt({ block_offset: offset, block_inner: inner }: PlacedRow, state: string) {
    return corrupt(this.archive, state, { offset, inner });
  }
}

interface Position {
  offset: number;
  inner: number;
}

function isSame(one: Position, other: Position): boolean {
  return one.offset === other.offset && one.inner === other.inner;
}

function isBefore(one: Position, other: Position): boolean {
  return one.offset === other.offset ? one.inner < other.inner : one.offset < other.offset;
}
