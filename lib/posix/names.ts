/** Names in directories: rename, exchange, make, remove, link, and what can be set on them. */
import * as c from "./libc.ts";
import { AT_FDCWD, libc } from "./libc.ts";
import { decodePath } from "../core/paths.ts";
import { cString } from "./c_string.ts";
import { failed } from "./posix_error.ts";

/** Renames, replacing what is there, atomically. Throws PosixError. */
export function rename(oldPath: string, newPath: string): void {
  if (libc.renameat2(AT_FDCWD, cString(oldPath), AT_FDCWD, cString(newPath), 0) !== 0) {
    throw failed("rename", oldPath);
  }
}

/**
 * Renames unless something has the new name already (then false). Throws PosixError; its code is
 * EINVAL or ENOSYS where the file system cannot promise that.
 */
export function renameNoReplace(oldPath: string, newPath: string): boolean {
  const result = libc.renameat2(
    ...[AT_FDCWD, cString(oldPath), AT_FDCWD, cString(newPath), c.RENAME_NOREPLACE] as const,
  );
  if (result === 0) return true;
  if (c.lastErrno() === c.EEXIST) return false;
  throw failed("rename", oldPath);
}

/**
 * Swaps two names atomically. False where this cannot be done there: the file system does not
 * support it, or the two lie on different ones. Throws PosixError for anything else.
 */
export function renameExchange(oldPath: string, newPath: string): boolean {
  const result = libc.renameat2(
    ...[AT_FDCWD, cString(oldPath), AT_FDCWD, cString(newPath), c.RENAME_EXCHANGE] as const,
  );
  if (result === 0) return true;
  if ([c.EINVAL, c.ENOSYS, c.EOPNOTSUPP, c.EXDEV].includes(c.lastErrno())) return false;
  throw failed("exchange", oldPath);
}

/** Makes a directory. `mode` is before umask. Throws PosixError. */
export function mkdir(path: string, mode = 0o700): void {
  if (libc.mkdirat(AT_FDCWD, cString(path), mode) !== 0) throw failed("make directory", path);
}

/** Makes a directory and whatever is missing above it; returns the paths made. Throws PosixError. */
export function mkdirAll(path: string, mode = 0o700): string[] {
  const made: string[] = [];
  for (let end = path.indexOf("/", 1);; end = path.indexOf("/", end + 1)) {
    const prefix = end === -1 ? path : path.slice(0, end);
    if (libc.mkdirat(AT_FDCWD, cString(prefix), mode) === 0) made.push(prefix);
    else if (c.lastErrno() !== c.EEXIST) throw failed("make directory", prefix);
    if (end === -1) return made;
  }
}

/** Removes a name that is not a directory. Throws PosixError. */
export function unlink(path: string): void {
  if (libc.unlinkat(AT_FDCWD, cString(path), 0) !== 0) throw failed("remove", path);
}

/** Removes an empty directory. Throws PosixError. */
export function rmdir(path: string): void {
  if (libc.unlinkat(AT_FDCWD, cString(path), c.AT_REMOVEDIR) !== 0) throw failed("remove", path);
}

/** Makes a symbolic link at `path` that holds `target`. Throws PosixError. */
export function symlink(target: string, path: string): void {
  if (libc.symlinkat(cString(target), AT_FDCWD, cString(path)) !== 0) throw failed("link", path);
}

/** Makes `path` a hard link to `existing` (a symlink itself, never its target). Throws PosixError. */
export function link(existing: string, path: string): void {
  const result = libc.linkat(AT_FDCWD, cString(existing), AT_FDCWD, cString(path), 0);
  if (result !== 0) throw failed("link", path);
}

// PATH_MAX is the longest target that can exist; some file systems report st_size 0 for symlinks.
const linkTarget = new Uint8Array(4096);

/** Bytes of a symlink's target, given its directory and NUL-ended name; null with errno set. */
export function readlinkAt(dirfd: number, name: Uint8Array): Uint8Array | null {
  const n = libc.readlinkat(dirfd, name, linkTarget, linkTarget.length);
  return n < 0 ? null : linkTarget.slice(0, n);
}

/** What a symbolic link holds. Throws PosixError. */
export function readlink(path: string): string {
  const target = readlinkAt(AT_FDCWD, cString(path));
  if (target === null) throw failed("read link", path);
  return decodePath(target);
}

/** Sets owner and group; of a symlink itself, never of its target. Throws PosixError. */
export function lchown(path: string, uid: number, gid: number): void {
  const result = libc.fchownat(AT_FDCWD, cString(path), uid, gid, c.AT_SYMLINK_NOFOLLOW);
  if (result !== 0) throw failed("change owner of", path);
}

/** Sets permission bits (07777); follows symlinks, which have none. Throws PosixError. */
export function chmod(path: string, mode: number): void {
  if (libc.fchmodat(AT_FDCWD, cString(path), mode, 0) !== 0) throw failed("change mode of", path);
}

/** `struct timespec[2]`: seconds and nanoseconds, 64 bits each, of access and modification. */
const times = new Uint8Array(32);
const timesView = new DataView(times.buffer);
const UTIME_OMIT = 0x3ffffffe;

/** Both times of a file: the access time is left, the modification time set; reused. */
export function timespecs(mtime_s: number, mtime_ns: number): Uint8Array {
  timesView.setUint32(8, UTIME_OMIT, true);
  // In halves: for a million files no BigInt is made.
  timesView.setUint32(16, mtime_s % 2 ** 32, true);
  timesView.setInt32(20, Math.floor(mtime_s / 2 ** 32), true);
  timesView.setUint32(24, mtime_ns, true);
  return times;
}

/** Sets the modification time; of a symlink itself, never of its target. Throws PosixError. */
export function lutimes(path: string, mtime_s: number, mtime_ns: number): void {
  const spec = timespecs(mtime_s, mtime_ns);
  if (libc.utimensat(AT_FDCWD, cString(path), spec, c.AT_SYMLINK_NOFOLLOW) !== 0) {
    throw failed("set times of", path);
  }
}

const vfs = new Uint8Array(256);
const vfsView = new DataView(vfs.buffer);

/** Bytes that this user may still write on the file system of `path`. Throws PosixError. */
export function freeSpace(path: string): number {
  if (libc.statvfs(cString(path), vfs) !== 0) throw failed("stat file system of", path);
  return available();
}

/** The same for the file system of an open file. Throws PosixError. */
export function fdFreeSpace(fd: number): number {
  if (libc.fstatvfs(fd, vfs) !== 0) throw failed("stat file system", "");
  return available();
}

/** How full the file system of `path` is, in percent, as df(1) says it. Throws PosixError. */
export function usedPercent(path: string): number {
  if (libc.statvfs(cString(path), vfs) !== 0) throw failed("stat file system of", path);
  const blocks = (offset: number) => Number(vfsView.getBigUint64(offset, true));
  const used = blocks(16) - blocks(24); // f_blocks, f_bfree
  return Math.ceil(100 * used / Math.max(1, used + blocks(32))); // f_bavail
}

function available(): number {
  const fragment = Number(vfsView.getBigUint64(8, true)); // f_frsize
  return fragment * Number(vfsView.getBigUint64(32, true)); // f_bavail
}

/** Effective user and group of this process. */
export function effectiveIds(): { uid: number; gid: number } {
  return { uid: libc.geteuid(), gid: libc.getegid() };
}
