/** Copies a file or a tree as it is: types, owners, modes, times, attributes, holes, hard links. */
import { join } from "node:path";
import { throwIfAborted } from "../core/errors.ts";
import { Slice } from "../core/turn.ts";
import { cString } from "../posix/c_string.ts";
import { seekData, seekHole } from "../posix/files.ts";
import { AT_FDCWD, libc, S_IFBLK, S_IFCHR, S_IFIFO } from "../posix/libc.ts";
import * as posix from "../posix/mod.ts";
import { failed } from "../posix/posix_error.ts";

const CHUNK = 1 << 20;

/** Copies one tree after the other; hard links among them are hard links again. */
export class TreeCopier {
  entries = 0;
  /** Bytes of content written; holes are not. */
  bytes = 0;
  readonly #links = new Map<string, string>();
  readonly #buffer = new Uint8Array(CHUNK);
  readonly #slice = new Slice();

  constructor(readonly signal: AbortSignal) {}

  /** `to` must not exist, its parent must. Sockets are left out. Throws PosixError, INTERRUPTED. */
  async copy(from: string, to: string): Promise<void> {
    await this.#turn();
    const stat = posix.statx(from);
    if (stat.type === "socket" || stat.type === "unknown") return;
    this.entries++;
    if (stat.type !== "directory" && stat.nlink > 1 && this.#isLinked(stat, to)) return;
    switch (stat.type) {
      case "file":
        await this.#file(from, to, stat.size);
        break;
      case "symlink":
        posix.symlink(posix.readlink(from), to);
        break;
      case "directory":
        posix.mkdir(to, 0o700);
        for (const name of posix.readdirNames(from)) {
          await this.copy(join(from, name), join(to, name));
        }
        break;
      default:
        makeNode(to, stat);
    }
    setMetadata(from, to, stat);
  }

  #isLinked(stat: posix.Stat, to: string): boolean {
    const inode = `${stat.dev} ${stat.ino}`;
    const first = this.#links.get(inode);
    if (first === undefined) this.#links.set(inode, to);
    else posix.link(first, to);
    return first !== undefined;
  }

  async #file(from: string, to: string, size: number): Promise<void> {
    const input = posix.open(from, posix.O_RDONLY | posix.O_NOFOLLOW);
    try {
      const flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW;
      const output = posix.open(to, flags, 0o600);
      try {
        for (let at = 0; at < size;) {
          const [start, end] = nextData(input, at, size);
          for (at = start; at < end;) at += await this.#chunk(input, output, at, end, from);
          if (start === size || at < end) break;
        }
        posix.truncate(output, size, to);
      } finally {
        posix.close(output, to);
      }
    } finally {
      posix.closeQuietly(input);
    }
  }

  async #chunk(input: number, output: number, at: number, end: number, from: string) {
    await this.#turn();
    const part = this.#buffer.subarray(0, Math.min(CHUNK, end - at));
    const n = posix.readAt(input, part, at, from);
    posix.writeAt(output, part.subarray(0, n), at, from);
    this.bytes += n;
    // A file that got shorter meanwhile ends here.
    return n === 0 ? Infinity : n;
  }

  async #turn(): Promise<void> {
    if (!this.#slice.over()) return;
    await this.#slice.turn();
    throwIfAborted(this.signal);
  }
}

/** Where the next stretch of data begins and ends; all of the rest where the file system cannot say. */
function nextData(fd: number, at: number, size: number): [number, number] {
  const start = seekData(fd, at);
  if (start < 0) return hasHole(fd, at) ? [size, size] : [at, size];
  const end = seekHole(fd, start);
  return [Math.min(start, size), end <= start ? size : Math.min(end, size)];
}

/** ENXIO of SEEK_DATA means that nothing but a hole is left; SEEK_HOLE then finds it right there. */
function hasHole(fd: number, at: number): boolean {
  return seekHole(fd, at) === at;
}

function makeNode(path: string, stat: posix.Stat): void {
  const { rdev_major: major, rdev_minor: minor } = stat;
  const kind = { fifo: S_IFIFO, char: S_IFCHR, block: S_IFBLK }[stat.type as "fifo"];
  const device = (minor & 0xff) + (major & 0xfff) * 0x100 + Math.floor(minor / 0x100) * 0x100000;
  if (libc.mknodat(AT_FDCWD, cString(path), kind | 0o600, device) !== 0) {
    throw failed("make", path);
  }
}

/** Owner first: a change of it takes setuid and capabilities away. */
function setMetadata(from: string, to: string, stat: posix.Stat): void {
  posix.lchown(to, stat.uid, stat.gid);
  if (stat.type !== "symlink") {
    posix.writeXattrs(to, posix.readXattrs(from));
    posix.chmod(to, stat.mode);
  }
  posix.lutimes(to, stat.mtime_s, stat.mtime_ns);
}
