/** Reads directories with getdents64: names as bytes, sorted by bytes, without an object a name. */
import * as c from "./libc.ts";
import { libc } from "./libc.ts";
import { decodePath } from "../core/paths.ts";
import { closeQuietly, open } from "./files.ts";
import { failed } from "./posix_error.ts";

/** Values of `d_type`; UNKNOWN where the file system does not say. */
export const DT = { UNKNOWN: 0, FIFO: 1, CHR: 2, DIR: 4, BLK: 6, REG: 8, LNK: 10, SOCK: 12 };

const dents = new Uint8Array(1 << 18);
const dentsView = new DataView(dents.buffer);
/** Offsets in `struct linux_dirent64`. */
const RECLEN = 16;
const TYPE = 18;
const NAME = 19;
const DOT = 0x2e;

/**
 * The names of one directory without `.` and `..`. All of them lie in one buffer, so that a
 * directory of a million entries costs little more than the bytes of its names.
 */
export class Listing {
  #bytes = new Uint8Array(1 << 10);
  #used = 0;
  #ends = new Uint32Array(16);
  #types = new Uint8Array(16);
  #inos = new Uint32Array(16);
  #count = 0;
  #order: Uint32Array = new Uint32Array(0);
  /** All bits of all bytes: below 128 where every name is ASCII; then `#text` is all of them. */
  #bits = 0;
  #text: string | null = null;

  get length(): number {
    return this.#count;
  }

  /** The `i`-th name in byte order, with the NUL that libc wants behind it. A view. */
  name(i: number): Uint8Array {
    const at = this.#order[i];
    return this.#bytes.subarray(at === 0 ? 0 : this.#ends[at - 1], this.#ends[at]);
  }

  /** The `i`-th name as a string, as in core/paths. */
  text(i: number): string {
    const at = this.#order[i];
    const start = at === 0 ? 0 : this.#ends[at - 1];
    const end = this.#ends[at] - 1;
    if (this.#bits >= 0x80) return decodePath(this.#bytes.subarray(start, end));
    // Decoded once for all: to be called for each name takes longer than its bytes.
    this.#text ??= decodePath(this.#bytes.subarray(0, this.#used));
    return this.#text.substring(start, end);
  }

  /** True where one of the names is `name`, NUL and all. */
  has(name: Uint8Array): boolean {
    let low = 0;
    for (let high = this.length; low < high;) {
      const middle = (low + high) >> 1;
      if (compare(this.name(middle), name) < 0) low = middle + 1;
      else high = middle;
    }
    return low < this.length && compare(this.name(low), name) === 0;
  }

  /** `d_type` of the `i`-th entry. */
  type(i: number): number {
    return this.#types[this.#order[i]];
  }

  /**
   * The low half of the `i`-th entry's inode number; of the directory beneath where one is mounted
   * over. A bigint for each of many names would cost more than reading them.
   */
  inoLow(i: number): number {
    return this.#inos[this.#order[i]];
  }

  /** Reads all names of the open directory `fd`; false with errno set where that fails. */
  read(fd: number): boolean {
    for (;;) {
      const got = libc.getdents64(c.SYS_GETDENTS64, fd, dents, dents.length);
      if (got < 0) {
        if (c.lastErrno() === c.EINTR) continue;
        return false;
      }
      if (got === 0) break;
      for (let at = 0; at < got; at += dentsView.getUint16(at + RECLEN, true)) this.#add(at);
    }
    this.#sort();
    return true;
  }

  #add(at: number): void {
    const start = at + NAME;
    let end = start;
    while (dents[end] !== 0) end++;
    if (dents[start] === DOT) {
      if (end === start + 1 || (end === start + 2 && dents[start + 1] === DOT)) return;
    }
    const length = end + 1 - start;
    if (this.#used + length > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    for (let i = 0; i < length; i++) {
      this.#bits |= this.#bytes[this.#used + i] = dents[start + i];
    }
    this.#used += length;
    if (this.#count === this.#ends.length) this.#growColumns();
    this.#ends[this.#count] = this.#used;
    this.#types[this.#count] = dents[at + TYPE];
    this.#inos[this.#count++] = dentsView.getUint32(at, true);
  }

  #growColumns(): void {
    const { length } = this.#ends;
    const [ends, types, inos] = [this.#ends, this.#types, this.#inos];
    this.#ends = new Uint32Array(length * 2);
    this.#ends.set(ends);
    this.#types = new Uint8Array(length * 2);
    this.#types.set(types);
    this.#inos = new Uint32Array(length * 2);
    this.#inos.set(inos);
  }

  #sort(): void {
    const bytes = this.#bytes;
    const ends = this.#ends;
    this.#order = new Uint32Array(this.#count);
    for (let i = 0; i < this.#count; i++) this.#order[i] = i;
    this.#order.sort((a, b) => {
      let x = a === 0 ? 0 : ends[a - 1];
      let y = b === 0 ? 0 : ends[b - 1];
      // Names end in NUL, the smallest byte, and no two are equal: this ends inside both.
      while (bytes[x] === bytes[y]) x++, y++;
      return bytes[x] - bytes[y];
    });
  }
}

/** The order of two NUL-ended names: the NUL ends the comparison. */
function compare(a: Uint8Array, b: Uint8Array): number {
  let i = 0;
  while (a[i] === b[i] && a[i] !== 0) i++;
  return a[i] - b[i];
}

/**
 * Names in a directory in byte order, without `.` and `..`; bytes that are not UTF-8 are escaped as
 * in core/paths. Throws PosixError.
 */
export function readdirNames(path: string): string[] {
  const fd = open(path, c.O_RDONLY | c.O_DIRECTORY);
  try {
    const listing = new Listing();
    if (!listing.read(fd)) throw failed("read directory", path);
    return Array.from({ length: listing.length }, (_, i) => listing.text(i));
  } finally {
    closeQuietly(fd);
  }
}
