/**
 * The directories of a restore, whose metadata is set once nothing is made in them any more. Each takes
 * forty bytes and what its path does not share with the one before: a million fit into 60 MB.
 */
import { decodePath, encodePath } from "../core/paths.ts";
import type { StoredXattr } from "./entry_xattrs.ts";
import { PathMarks } from "./path_marks.ts";
import type { Metadata } from "./restore_entry.ts";

/** Bytes that are taken at once, and that are decoded at once to be read from the end. */
const CHUNK = 64 << 10;
/** Length of what a record begins with: see `#write`. */
const FIXED = 40;
const ACL_UNKNOWN = 0xffffffff;

interface Chunk {
  bytes: Uint8Array<ArrayBuffer>;
  used: number;
  /** Number of its first record. */
  first: number;
}

export interface LoggedDirectory {
  /** Its place in the order of `add`. */
  number: number;
  entry: Metadata;
}

export class DirectoryLog {
  readonly #chunks: Chunk[] = [];
  #count = 0;
  #last: Uint8Array = new Uint8Array(0);
  /** Records before this number do not count any more, by the place they were about. */
  readonly #superseded = new PathMarks();

  add(entry: Metadata): void {
    const path = encodePath(entry.path);
    const names = entry.xattrs.map(({ name }) => Uint8Array.from(name, (c) => c.charCodeAt(0)));
    const room = entry.xattrs.reduce(
      (sum, { value }, i) => sum + 8 + names[i].length + (value?.length ?? 0),
      FIXED + path.length,
    );
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.bytes.length - chunk.used < room) {
      chunk = { bytes: new Uint8Array(Math.max(CHUNK, room)), used: 0, first: this.#count };
      this.#chunks.push(chunk);
      this.#last = new Uint8Array(0);
    }
    this.#write(chunk, entry, path, names);
    this.#last = path;
    this.#count++;
  }

  #write(chunk: Chunk, entry: Metadata, path: Uint8Array, names: Uint8Array[]): void {
    const shared = commonLength(this.#last, path);
    const { bytes } = chunk;
    const view = new DataView(bytes.buffer);
    let at = chunk.used;
    view.setUint32(at, shared);
    view.setUint32(at + 4, path.length - shared);
    view.setUint32(at + 8, entry.mode);
    view.setUint32(at + 12, entry.uid);
    view.setUint32(at + 16, entry.gid);
    view.setFloat64(at + 20, entry.mtime_s);
    view.setFloat64(at + 28, entry.mtime_ns);
    view.setUint32(at + 36, names.length);
    bytes.set(path.subarray(shared), at += FIXED);
    at += path.length - shared;
    for (const [i, { value }] of entry.xattrs.entries()) {
      view.setUint32(at, names[i].length);
      view.setUint32(at + 4, value?.length ?? ACL_UNKNOWN);
      bytes.set(names[i], at += 8);
      at += names[i].length;
      if (value === null) continue;
      bytes.set(value, at);
      at += value.length;
    }
    chunk.used = at;
  }

  /** What was added about `place` so far counts no longer. */
  supersede(place: string): void {
    if (this.#count > 0) this.#superseded.set(place, this.#count);
  }

  /** True where a record about `place` still counts. */
  counts({ number }: LoggedDirectory, place: string): boolean {
    return number >= this.#superseded.get(place);
  }

  /** All records, from the last one added to the first. */
  *newestFirst(): Generator<LoggedDirectory> {
    for (let i = this.#chunks.length - 1; i >= 0; i--) yield* decode(this.#chunks[i]).reverse();
  }
}

function decode({ bytes, used, first }: Chunk): LoggedDirectory[] {
  const found: LoggedDirectory[] = [];
  const view = new DataView(bytes.buffer);
  let path = new Uint8Array(0);
  for (let at = 0; at < used;) {
    const shared = view.getUint32(at);
    const rest = view.getUint32(at + 4);
    const record = at;
    const whole = new Uint8Array(shared + rest);
    whole.set(path.subarray(0, shared));
    whole.set(bytes.subarray(at += FIXED, at += rest), shared);
    path = whole;
    const xattrs: StoredXattr[] = [];
    for (let left = view.getUint32(record + 36); left > 0; left--) {
      const nameLength = view.getUint32(at);
      const length = view.getUint32(at + 4);
      const name = characters(bytes.subarray(at += 8, at += nameLength));
      const value = length === ACL_UNKNOWN ? null : bytes.slice(at, at += length);
      xattrs.push({ name, value });
    }
    found.push({
      number: first + found.length,
      entry: {
        path: decodePath(path),
        type: "directory",
        mode: view.getUint32(record + 8),
        uid: view.getUint32(record + 12),
        gid: view.getUint32(record + 16),
        mtime_s: view.getFloat64(record + 20),
        mtime_ns: view.getFloat64(record + 28),
        xattrs,
      },
    });
  }
  return found;
}

/** One character for each byte. */
function characters(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function commonLength(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
