/** Where each block of an archive in the making lies: in the file, and in the tar stream. */
import { DuckbackError } from "../core/errors.ts";
import type { Span } from "./walk_log.ts";

export interface BlockPlace {
  /** Offset of its content in the tar stream as it was put, and its length there. */
  start: number;
  content: number;
  /** Offset and length in the archive file. */
  offset: number;
  length: number;
}

const COLUMNS = 3;

export class BlockTable {
  /** Content, offset and length of block after block: flat, since there may be a million. */
  readonly #numbers: number[] = [];

  add(content: number, offset: number, length: number): void {
    this.#numbers.push(content, offset, length);
  }

  *[Symbol.iterator](): Generator<BlockPlace> {
    const numbers = this.#numbers;
    let start = 0;
    for (let i = 0; i < numbers.length; i += COLUMNS) {
      const [content, offset, length] = [numbers[i], numbers[i + 1], numbers[i + 2]];
      yield { start, content, offset, length };
      start += content;
    }
  }
}

/** Sorted spans that do not touch, out of spans in any order. */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const { start, end } of [...spans].sort((a, b) => a.start - b.start)) {
    const last = merged[merged.length - 1];
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** Bytes that `spans` cover. */
export function spanBytes(spans: readonly Span[]): number {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0);
}

/**
 * Where the manifest's rows point to once spans were cut out of the tar stream. Rows must be asked for
 * in the archive's order.
 */
export class Amendments {
  readonly #before: Iterator<BlockPlace>;
  readonly #after: Iterator<BlockPlace>;
  #block: BlockPlace | null = null;
  /** Offset of the block's successor. */
  #offset = 0;
  /** Spans that end before the block, and the bytes they cover. */
  #passed = 0;
  #gone = 0;

  /** `spans` as `mergeSpans` gives them; `plain` is the length of blocks that are not compressed. */
  constructor(
    before: BlockTable,
    after: BlockTable,
    readonly spans: readonly Span[],
    readonly plain: number | null,
  ) {
    this.#before = before[Symbol.iterator]();
    this.#after = after[Symbol.iterator]();
  }

  /** The new place of an entry's header; null for an entry that was cut out. Throws INTERNAL. */
  place(block_offset: number, block_inner: number): { offset: number; inner: number } | null {
    while (this.#block === null || this.#block.offset < block_offset) {
      const { value, done } = this.#before.next();
      if (done) throw new DuckbackError("INTERNAL", `No block begins at ${block_offset}`);
      this.#block = value;
      this.#offset = this.#after.next().value?.offset ?? 0;
    }
    const { spans, plain } = this;
    const { start } = this.#block;
    while (this.#passed < spans.length && spans[this.#passed].end <= start) {
      this.#gone += spans[this.#passed].end - spans[this.#passed].start;
      this.#passed++;
    }
    const at = start + block_inner;
    let inBlock = 0;
    let all = this.#gone;
    for (let i = this.#passed; i < spans.length && spans[i].start <= at; i++) {
      if (at < spans[i].end) return null;
      all += spans[i].end - spans[i].start;
      inBlock += spans[i].end - Math.max(spans[i].start, start);
    }
    if (plain === null) return { offset: this.#offset, inner: block_inner - inBlock };
    const inner = (at - all) % plain;
    return { offset: at - all - inner, inner };
  }
}
