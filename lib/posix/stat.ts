/** statx: everything about a file, times in nanoseconds, without losing inode numbers over 2^53. */
import { AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, libc } from "./libc.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from "./libc.ts";
import { cString, EMPTY } from "./c_string.ts";
import { failed } from "./posix_error.ts";

export type FileType =
  | "file"
  | "directory"
  | "symlink"
  | "fifo"
  | "socket"
  | "char"
  | "block"
  | "unknown";

export interface Stat {
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970 (negative before), and 0..999,999,999 nanoseconds on top. */
  readonly mtime_s: number;
  readonly mtime_ns: number;
  readonly ctime_s: number;
  readonly ctime_ns: number;
  readonly ino: bigint;
  /** Opaque number of the file system; only good for comparing. */
  readonly dev: number;
  readonly nlink: number;
  /** Major and minor number of a device node. */
  readonly rdev_major: number;
  readonly rdev_minor: number;
  /** Units of 512 bytes that the file takes on disk. */
  readonly blocks: number;
}

/** By the four bits that say it. */
const TYPES: FileType[] = new Array(16).fill("unknown");
for (
  const [bits, type] of [
    [S_IFREG, "file"],
    [S_IFDIR, "directory"],
    [S_IFLNK, "symlink"],
    [S_IFIFO, "fifo"],
    [S_IFSOCK, "socket"],
    [S_IFCHR, "char"],
    [S_IFBLK, "block"],
  ] as const
) TYPES[bits >> 12] = type;

const BASIC_STATS = 0x7ff;
const BTIME = 0x800;

/**
 * A statx buffer that is read in place, for loops over many files: a later call overwrites what the
 * getters give. Offsets are those of `struct statx`, the same on every architecture.
 */
export class StatView implements Stat {
  readonly bytes = new Uint8Array(256);
  readonly #view = new DataView(this.bytes.buffer);

  /** Fills the view from the entry `name` (NUL-ended) of directory `dirfd`; false with errno set. */
  at(dirfd: number, name: Uint8Array, follow = false): boolean {
    const flags = AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
    return libc.statx(dirfd, name, flags, BASIC_STATS | BTIME, this.bytes) === 0;
  }

  /** Fills the view from an open descriptor; false with errno set. */
  of(fd: number): boolean {
    return libc.statx(fd, EMPTY, AT_EMPTY_PATH, BASIC_STATS | BTIME, this.bytes) === 0;
  }

  get type(): FileType {
    return TYPES[(this.#view.getUint16(28, true) & S_IFMT) >> 12];
  }
  get mode(): number {
    return this.#view.getUint16(28, true) & 0o7777;
  }
  /** `st_mode` as the kernel gives it. */
  get type_and_mode(): number {
    return this.#view.getUint16(28, true);
  }
  get uid(): number {
    return this.#view.getUint32(20, true);
  }
  get gid(): number {
    return this.#view.getUint32(24, true);
  }
  get size(): number {
    return this.#wide(40);
  }
  get mtime_s(): number {
    return this.#wide(112);
  }
  get mtime_ns(): number {
    return this.#view.getUint32(120, true);
  }
  get ctime_s(): number {
    return this.#wide(96);
  }
  get ctime_ns(): number {
    return this.#view.getUint32(104, true);
  }
  get ino(): bigint {
    return this.#view.getBigUint64(32, true);
  }
  get dev(): number {
    return this.#view.getUint32(136, true) * 0x1_0000_0000 + this.#view.getUint32(140, true);
  }
  get nlink(): number {
    return this.#view.getUint32(16, true);
  }
  get rdev_major(): number {
    return this.#view.getUint32(128, true);
  }
  get rdev_minor(): number {
    return this.#view.getUint32(132, true);
  }
  get blocks(): number {
    return this.#wide(48);
  }

  /** When the inode was made, as text for comparing; "" where the file system does not know. */
  get birth(): string {
    if ((this.#view.getUint32(0, true) & BTIME) === 0) return "";
    return `${this.#wide(80)}.${this.#view.getUint32(88, true)}`;
  }

  /** A view of its own of what this one shows now. */
  copy(): StatView {
    const copy = new StatView();
    copy.bytes.set(this.bytes);
    return copy;
  }

  /** The values as they are now, independent of later calls. */
  snapshot(): Stat {
    const { type, mode, uid, gid, size, mtime_s, mtime_ns, ctime_s, ctime_ns } = this;
    const { ino, dev, nlink, rdev_major, rdev_minor, blocks } = this;
    return {
      ...{ type, mode, uid, gid, size, mtime_s, mtime_ns, ctime_s, ctime_ns },
      ...{ ino, dev, nlink, rdev_major, rdev_minor, blocks },
    };
  }

  /** A signed 64-bit number as a double; exact below 2^53, which sizes and times are. */
  #wide(at: number): number {
    return this.#view.getInt32(at + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at, true);
  }
}

/** Everything about `path`; a symlink itself unless `follow`. Throws PosixError. */
export function statx(path: string, options: { follow?: boolean } = {}): Stat {
  const view = new StatView();
  if (!view.at(AT_FDCWD, cString(path), options.follow)) throw failed("stat", path);
  return view.snapshot();
}

/** Like `statx`, but null where there is nothing of that name (ENOENT, ENOTDIR). */
export function statxIfExists(path: string, options: { follow?: boolean } = {}): Stat | null {
  const view = new StatView();
  if (view.at(AT_FDCWD, cString(path), options.follow)) return view.snapshot();
  const error = failed("stat", path);
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
  throw error;
}

/**
 * Which file or directory lies at `path`, as text for comparing, whatever changes in it: its inode with the
 * time at which that was made, since the number alone is soon another's. Throws PosixError.
 */
export function identity(path: string): string {
  const view = new StatView();
  if (!view.at(AT_FDCWD, cString(path))) throw failed("stat", path);
  return `${view.ino}:${view.birth}`;
}

/** Everything about an open file. Throws PosixError. */
export function fstat(fd: number): Stat {
  const view = new StatView();
  if (!view.of(fd)) throw failed("stat", "");
  return view.snapshot();
}
