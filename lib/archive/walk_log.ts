/**
 * What the first of two passes found, in the walk's order, in a file without a name: the second pass
 * walks the same way beside it and sees what changed. Memory stays bounded, whatever the tree's size.
 */
import { decodePath, encodePath } from "../core/paths.ts";
import { closeQuietly, open, readAt, write } from "../posix/files.ts";
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } from "../posix/libc.ts";
import { unlink } from "../posix/names.ts";
import type { StatView } from "../posix/stat.ts";
import type { Totals } from "./pack.ts";

/** What lies where in the tar stream: from `start` up to `end`, headers and padding included. */
export interface Span {
  start: number;
  end: number;
}

/** An entry as the first pass put it. */
export interface Logged extends Span {
  path: string;
  /** What it added to the totals. */
  counted: Totals;
}

/**
 * One record, little-endian: u32 length of the path, u8 flags, u16 index of the source, then doubles (size, mtime, ctime,
 * start, end, stored bytes), u32s (nanoseconds of both times, links, type and mode), u64 inode, double
 * device, at last the path's bytes.
 */
const HEAD = 96;
const SETTLED = 1;
const FILE = 2;
const BUFFER = 1 << 20;

export class WalkLog implements Disposable {
  readonly #buffer = new Uint8Array(BUFFER);
  readonly #view = new DataView(this.#buffer.buffer);
  #used = 0;
  #size = 0;
  /** Reading: where `#buffer` lies in the file, and the record that comes next. */
  #at = 0;
  #head: { offset: number; path: string } | null = null;

  private constructor(readonly path: string, readonly fd: number) {}

  /** Makes the file at `path` and takes its name away: it is gone with this process. Throws PosixError. */
  static create(path: string): WalkLog {
    const fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    unlink(path);
    return new WalkLog(path, fd);
  }

  /**
   * Notes the entry at `path` with the metadata it was stored with. `settled` says that nothing can
   * have changed it since without its change time telling. Throws PosixError (a full disk).
   */
  add(
    source: number,
    path: string,
    stat: StatView,
    span: Span,
    counted: Totals,
    settled: boolean,
  ): void {
    const name = encodePath(path);
    if (this.#used + HEAD + name.length > BUFFER) this.#flush();
    const at = this.#used;
    const view = this.#view;
    view.setUint32(at, name.length, true);
    view.setUint8(at + 4, (settled ? SETTLED : 0) | (counted.files > 0 ? FILE : 0));
    view.setUint16(at + 6, source, true);
    putStat(view, at + 8, stat);
    view.setFloat64(at + 72, span.start, true);
    view.setFloat64(at + 80, span.end, true);
    view.setFloat64(at + 88, counted.bytes, true);
    this.#buffer.set(name, at + HEAD);
    this.#used = at + HEAD + name.length;
  }

  #flush(): void {
    for (let done = 0; done < this.#used;) {
      done += write(this.fd, this.#buffer.subarray(done, this.#used), this.path);
    }
    this.#size += this.#used;
    this.#used = 0;
  }

  /** Ends the writing: what was noted can now be read from its start. */
  rewind(): void {
    this.#flush();
    this.#load(0);
    this.#parse(0);
  }

  /** The path that comes next; null behind the last one. */
  get next(): string | null {
    return this.#head?.path ?? null;
  }

  /** Index of the source that what comes next is of. */
  get source(): number {
    return this.#view.getUint16(this.#head!.offset + 6, true);
  }

  /** True where what comes next was settled, and has not changed by `stat`. */
  matches(stat: StatView): boolean {
    const at = this.#head!.offset;
    if ((this.#view.getUint8(at + 4) & SETTLED) === 0) return false;
    putStat(scratch, 0, stat);
    for (let i = 0; i < STAT_BYTES; i += 4) {
      if (scratch.getUint32(i, true) !== this.#view.getUint32(at + 8 + i, true)) return false;
    }
    return true;
  }

  /** Gives what comes next, and goes on behind it. */
  take(): Logged {
    const { offset, path } = this.#head!;
    const view = this.#view;
    const files = (view.getUint8(offset + 4) & FILE) !== 0 ? 1 : 0;
    const entry: Logged = {
      path,
      start: view.getFloat64(offset + 72, true),
      end: view.getFloat64(offset + 80, true),
      counted: { files, entries: 1, bytes: view.getFloat64(offset + 88, true) },
    };
    this.#parse(offset + HEAD + view.getUint32(offset, true));
    return entry;
  }

  /** Makes the record at `offset` of the buffer the next one; loads more where it is not all there. */
  #parse(offset: number): void {
    if (this.#at + offset === this.#size) return void (this.#head = null);
    const there = () => this.#used - offset;
    if (there() < HEAD || there() < HEAD + this.#view.getUint32(offset, true)) {
      this.#load(this.#at + offset);
      offset = 0;
    }
    const start = offset + HEAD;
    const path = decodePath(
      this.#buffer.subarray(start, start + this.#view.getUint32(offset, true)),
    );
    this.#head = { offset, path };
  }

  #load(at: number): void {
    this.#at = at;
    this.#used = readAt(this.fd, this.#buffer, at, this.path);
  }

  [Symbol.dispose](): void {
    closeQuietly(this.fd);
  }
}

const STAT_BYTES = 64;
const scratch = new DataView(new ArrayBuffer(STAT_BYTES));

function putStat(view: DataView, at: number, stat: StatView): void {
  view.setFloat64(at, stat.size, true);
  view.setFloat64(at + 8, stat.mtime_s, true);
  view.setFloat64(at + 16, stat.ctime_s, true);
  view.setUint32(at + 24, stat.mtime_ns, true);
  view.setUint32(at + 28, stat.ctime_ns, true);
  view.setUint32(at + 32, stat.nlink, true);
  view.setUint32(at + 36, stat.type_and_mode, true);
  view.setBigUint64(at + 40, stat.ino, true);
  view.setFloat64(at + 48, stat.dev, true);
  view.setUint32(at + 56, stat.uid, true);
  view.setUint32(at + 60, stat.gid, true);
}

/** -1 where `a` comes before `b` in a walk, 1 where behind it: names by bytes, what is inside a directory behind it. */
export function walkOrder(a: string, b: string): number {
  if (a === b) return 0;
  // The top of the working directory holds everything else.
  if (a === "." || b === ".") return a === "." ? -1 : 1;
  const [x, y] = [encodePath(a), encodePath(b)];
  const end = Math.min(x.length, y.length);
  for (let i = 0; i < end; i++) {
    if (x[i] === y[i]) continue;
    if (x[i] === SLASH || y[i] === SLASH) return x[i] === SLASH ? -1 : 1;
    return x[i] - y[i];
  }
  return x.length - y.length;
}

const SLASH = 0x2f;
