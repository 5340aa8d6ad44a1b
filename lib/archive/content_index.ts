/** Which content earlier archives hold, by size and SHA-256: so that it is not stored again. */
import type { RowLog } from "./row_log.ts";

/** Shorter files are stored again: a reference takes as much. */
export const SHORTEST = 4096;

/** One of those rows. */
export interface Held {
  /** Number of the row in the parent's manifest. */
  row: number;
}

export class ContentIndex {
  /** Of the files, by size: size, both halves of the digest's beginning, inode and row, in turn. */
  readonly #sizes: Float64Array;
  readonly #rows: Float64Array;
  readonly #high: Float64Array;
  readonly #low: Float64Array;
  readonly #inodes = new Map<number, number>();

  /** `large` is the size from which on files are also found by their inode. */
  constructor(rows: RowLog, large: number) {
    const found: number[] = [];
    for (; rows.next !== null; rows.take()) {
      const { size, row, high, low, ino } = rows.content;
      if (size < SHORTEST || (high === 0 && low === 0)) continue;
      found.push(size, high, low, row);
      if (size >= large) this.#inodes.set(ino, row);
    }
    const count = found.length / 4;
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    order.sort((a, b) => found[a * 4] - found[b * 4] || a - b);
    const column = (at: number) => Float64Array.from(order, (i) => found[i * 4 + at]);
    this.#sizes = column(0);
    this.#high = column(1);
    this.#low = column(2);
    this.#rows = column(3);
  }

  /** True where there is a file of this size at all. */
  hasSize(size: number): boolean {
    return this.#sizes[this.#first(size)] === size;
  }

  /** The row of a file with this content; -1 where there is none. */
  find(size: number, sha256: string): number {
    const [high, low] = halves(sha256);
    for (let i = this.#first(size); this.#sizes[i] === size; i++) {
      if (this.#high[i] === high && this.#low[i] === low) return this.#rows[i];
    }
    return -1;
  }

  /** The row of a large file that had this inode; -1 where there is none. */
  ofInode(ino: bigint): number {
    return this.#inodes.get(Number(BigInt.asUintN(53, ino))) ?? -1;
  }

  #first(size: number): number {
    let [from, to] = [0, this.#sizes.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#sizes[middle] < size) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** The first 104 bits of a digest in hex, as two numbers of 52. */
export function halves(sha256: string): [number, number] {
  return [parseInt(sha256.slice(0, 13), 16), parseInt(sha256.slice(13, 26), 16)];
}
