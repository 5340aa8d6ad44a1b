/**
 * What the first of two passes found, in the walk's order, in a file without a name: the second pass
 * walks the same way beside it and sees what changed. Memory stays bounded, whatever the tree's size.
 */
import { decodePath, encodePath } from "../core/paths.ts";
import { closeQuietly, open, readAt, write, writeAt } from "../posix/files.ts";
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } from "../posix/libc.ts";
import { unlink } from "../posix/names.ts";
import type { StatView } from "../posix/stat.ts";
import type { Totals } from "./totals.ts";

/** What lies where in the tar stream: from `start` up to `end`, headers and padding included. */
export interface Span {
  start: number;
  end: number;
}

/** Nothing was put. */
export const NO_SPAN: Span = { start: -1, end: -1 };

/** What a path was in the backup that an incremental one is made against. */
export type Was = "directory" | "file" | "hardlink" | "other";

/** What an earlier pass, or an earlier backup, has of a path. */
export interface Logged {
  path: string;
  /** Index of the source that it is of. */
  source: number;
  /** Where it was put; NO_SPAN for what was not. */
  span: Span;
  /** What it added to the totals. */
  counted: Totals;
  /** Number of its row in the earlier backup's manifest, and what it was there; -1 and null for none. */
  row: number;
  was: Was | null;
}

/** The records of an earlier pass over the same sources, in the walk's order. */
export interface PassLog extends Disposable {
  /** The path that comes next; null behind the last one. */
  readonly next: string | null;
  /** Index of the source that what comes next is of. */
  readonly source: number;
  /** True where what comes next is sure not to have changed by `stat`. */
  matches(stat: StatView): boolean;
  /** Gives what comes next, and goes on behind it. */
  take(): Logged;
  /** True where what was taken last was a hard link to `first`, or, for null, none. */
  linksTo(first: string | null): boolean;
}

/**
 * One record, little-endian: u32 length of the path, u8 flags, u8 what it was in an earlier backup, u16
 * index of the source, then doubles (size, mtime, ctime), u32s (nanoseconds of both times, links, type
 * and mode), u64 inode, double device, u32s (owners), doubles (start, end, stored bytes, row of the
 * earlier backup), u32 length of a hard link's target, at last the bytes of the path and of that.
 */
const HEAD = 108;
const SPAN = 72;
const WAS: readonly (Was | null)[] = [null, "directory", "file", "hardlink", "other"];
const SETTLED = 1;
const FILE = 2;
const BUFFER = 1 << 20;

export class WalkLog implements PassLog {
  readonly #buffer = new Uint8Array(BUFFER);
  readonly #view = new DataView(this.#buffer.buffer);
  #used = 0;
  #size = 0;
  /** Reading: where `#buffer` lies in the file, and the record that comes next. */
  #at = 0;
  #head: { offset: number; path: string } | null = null;
  /** Target of what was taken last; null for no hard link. */
  #linked: string | null = null;

  private constructor(readonly path: string, readonly fd: number) {}

  /** Makes the file at `path` and takes its name away: it is gone with this process. Throws PosixError. */
  static create(path: string): WalkLog {
    const fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    unlink(path);
    return new WalkLog(path, fd);
  }

  /**
   * Notes what was found at the path of `logged`, with the metadata it was stored with; null for what is
   * not there, or not stored. `settled` says that nothing can have changed it since without its change
   * time telling; `link` is the target of a hard link, else null. Returns where the record lies. Throws
   * PosixError (a full disk).
   */
  add(logged: Logged, stat: StatView | null, settled: boolean, link: Uint8Array | null): number {
    const name = encodePath(logged.path);
    const linked = link?.length ?? 0;
    if (this.#used + HEAD + name.length + linked > BUFFER) this.#flush();
    const at = this.#used;
    const view = this.#view;
    const { source, span, counted, row, was } = logged;
    view.setUint32(at, name.length, true);
    view.setUint8(at + 4, (settled && stat ? SETTLED : 0) | (counted.files > 0 ? FILE : 0));
    view.setUint8(at + 5, WAS.indexOf(was));
    view.setUint16(at + 6, source, true);
    if (stat !== null) putStat(view, at + 8, stat);
    putSpan(view, at + SPAN, span);
    view.setFloat64(at + 88, counted.bytes, true);
    view.setFloat64(at + 96, row, true);
    view.setUint32(at + 104, linked, true);
    this.#buffer.set(name, at + HEAD);
    if (link !== null) this.#buffer.set(link, at + HEAD + name.length);
    this.#used = at + HEAD + name.length + linked;
    return this.#size + at;
  }

  /** Changes where the entry of the record at `at` was put. Throws PosixError. */
  move(at: number, span: Span): void {
    const inBuffer = at - this.#size;
    if (inBuffer >= 0) return putSpan(this.#view, inBuffer + SPAN, span);
    const bytes = new Uint8Array(16);
    putSpan(new DataView(bytes.buffer), 0, span);
    writeAt(this.fd, bytes, at + SPAN, this.path);
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

  get next(): string | null {
    return this.#head?.path ?? null;
  }

  get source(): number {
    return this.#view.getUint16(this.#head!.offset + 6, true);
  }

  matches(stat: StatView): boolean {
    const at = this.#head!.offset;
    if ((this.#view.getUint8(at + 4) & SETTLED) === 0) return false;
    putStat(scratch, 0, stat);
    for (let i = 0; i < STAT_BYTES; i += 4) {
      if (scratch.getUint32(i, true) !== this.#view.getUint32(at + 8 + i, true)) return false;
    }
    return true;
  }

  take(): Logged {
    const { offset, path } = this.#head!;
    const view = this.#view;
    const flags = view.getUint8(offset + 4);
    const span = {
      start: view.getFloat64(offset + SPAN, true),
      end: view.getFloat64(offset + SPAN + 8, true),
    };
    const files = (flags & FILE) !== 0 ? 1 : 0;
    const entries = (flags & SETTLED) !== 0 || span.start >= 0 ? 1 : 0;
    const entry: Logged = {
      path,
      source: view.getUint16(offset + 6, true),
      span,
      counted: { files, entries, bytes: view.getFloat64(offset + 88, true) },
      row: view.getFloat64(offset + 96, true),
      was: WAS[view.getUint8(offset + 5)],
    };
    const start = offset + HEAD + view.getUint32(offset, true);
    const linked = view.getUint32(offset + 104, true);
    this.#linked = linked > 0 ? decodePath(this.#buffer.subarray(start, start + linked)) : null;
    this.#parse(start + linked);
    return entry;
  }

  linksTo(first: string | null): boolean {
    return this.#linked === first;
  }

  /** Makes the record at `offset` of the buffer the next one; loads more where it is not all there. */
  #parse(offset: number): void {
    if (this.#at + offset === this.#size) return void (this.#head = null);
    const there = () => this.#used - offset;
    const lengths = () =>
      this.#view.getUint32(offset, true) + this.#view.getUint32(offset + 104, true);
    if (there() < HEAD || there() < HEAD + lengths()) {
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

function putSpan(view: DataView, at: number, { start, end }: Span): void {
  view.setFloat64(at, start, true);
  view.setFloat64(at + 8, end, true);
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
