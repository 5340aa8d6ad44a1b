/** Open files by descriptor: open, read, write, lock, make durable. Every call retries on EINTR. */
import * as c from "./libc.ts";
import { libc } from "./libc.ts";
import { cString } from "./c_string.ts";
import { failed, PosixError } from "./posix_error.ts";

/**
 * Opens `path` and returns the descriptor, which is not inherited by child processes. `mode` are the
 * permission bits of a file that is created, before umask. Throws PosixError.
 */
export function open(path: string, flags: number, mode = 0o600): number {
  const name = cString(path);
  for (;;) {
    const fd = libc.openat(c.AT_FDCWD, name, flags | c.O_CLOEXEC, mode);
    if (fd >= 0) return fd;
    if (c.lastErrno() !== c.EINTR) throw failed("open", path);
  }
}

/** Opens the NUL-ended `name` in directory `dirfd`; -1 with errno set where that fails. */
export function openAt(dirfd: number, name: Uint8Array, flags: number, mode = 0o600): number {
  for (;;) {
    const fd = libc.openat(dirfd, name, flags | c.O_CLOEXEC, mode);
    if (fd >= 0 || c.lastErrno() !== c.EINTR) return fd;
  }
}

/** Closes a descriptor. Throws PosixError where the file system reports a lost write only now. */
export function close(fd: number, path = ""): void {
  // After EINTR the descriptor is closed all the same on Linux: never close it again.
  if (libc.close(fd) !== 0 && c.lastErrno() !== c.EINTR) throw failed("close", path);
}

/** Closes a descriptor that nothing was written to; errors say nothing then. */
export function closeQuietly(fd: number): void {
  libc.close(fd);
}

/** Reads up to `into.length` bytes; 0 at the end of the file, -1 with errno set on failure. */
export function tryRead(fd: number, into: Uint8Array): number {
  for (;;) {
    const n = libc.read(fd, into, BigInt(into.length));
    if (n >= 0 || c.lastErrno() !== c.EINTR) return n;
  }
}

/** Reads up to `into.length` bytes; 0 at the end of the file. Throws PosixError. */
export function read(fd: number, into: Uint8Array, path = ""): number {
  const n = tryRead(fd, into);
  if (n < 0) throw failed("read", path);
  return n;
}

/** Reads at `offset` until `into` is full or the file ends; returns the bytes read. Throws PosixError. */
export function readAt(fd: number, into: Uint8Array, offset: number, path = ""): number {
  let done = 0;
  while (done < into.length) {
    const rest = done === 0 ? into : into.subarray(done);
    const n = libc.pread(fd, rest, rest.length, offset + done);
    if (n === 0) break;
    if (n > 0) done += n;
    else if (c.lastErrno() !== c.EINTR) throw failed("read", path);
  }
  return done;
}

/** Writes some of `bytes` and returns how many. Throws PosixError. */
export function write(fd: number, bytes: Uint8Array, path = ""): number {
  for (;;) {
    const n = libc.write(fd, bytes, bytes.length);
    if (n >= 0) return n;
    if (c.lastErrno() !== c.EINTR) throw failed("write", path);
  }
}

/** Writes all of `bytes`. Throws PosixError. */
export function writeAll(fd: number, bytes: Uint8Array, path = ""): void {
  let done = write(fd, bytes, path);
  while (done < bytes.length) done += write(fd, bytes.subarray(done), path);
}

/** Writes all of `bytes` at `offset`; where the next write goes stays. Throws PosixError. */
export function writeAt(fd: number, bytes: Uint8Array, offset: number, path = ""): void {
  for (let done = 0; done < bytes.length;) {
    const rest = done === 0 ? bytes : bytes.subarray(done);
    const n = libc.pwrite(fd, rest, rest.length, offset + done);
    if (n >= 0) done += n;
    else if (c.lastErrno() !== c.EINTR) throw failed("write", path);
  }
}

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Moves to byte `offset` of an open file; false with errno set where that cannot be. */
export function seekTo(fd: number, offset: number): boolean {
  return Number(libc.lseek(fd, offset, SEEK_SET)) >= 0;
}

/** Moves `count` bytes onwards, leaving a hole where nothing was. Throws PosixError. */
export function skip(fd: number, count: number, path = ""): void {
  if (Number(libc.lseek(fd, count, SEEK_CUR)) < 0) throw failed("seek in", path);
}

/** Where, from `offset` on, data begins; -1 with errno set (ENXIO: nothing but a hole is left). */
export function seekData(fd: number, offset: number): number {
  return Number(libc.lseek(fd, offset, SEEK_DATA));
}

/** Where, from `offset` on, a hole begins (a file ends in one); -1 with errno set. */
export function seekHole(fd: number, offset: number): number {
  return Number(libc.lseek(fd, offset, SEEK_HOLE));
}

/** Sets the length of an open file. Throws PosixError. */
export function truncate(fd: number, size: number, path = ""): void {
  if (libc.ftruncate(fd, size) !== 0) throw failed("truncate", path);
}

/** Makes an open file durable. Throws PosixError, which means that the data may be lost. */
export function fsync(fd: number, path = ""): void {
  while (libc.fsync(fd) !== 0) {
    if (c.lastErrno() !== c.EINTR) throw failed("fsync", path);
  }
}

/** Makes a file or a directory (its names) durable. Throws PosixError. */
export function fsyncPath(path: string): void {
  const fd = open(path, c.O_RDONLY | c.O_NONBLOCK);
  try {
    fsync(fd, path);
  } finally {
    closeQuietly(fd);
  }
}

/** Makes everything on the file system of an open file durable. Throws PosixError (always EIO). */
export async function syncFileSystem(fd: number, path = ""): Promise<void> {
  if (await libc.syncfs(fd) !== 0) throw new PosixError(c.EIO, "sync", path);
}

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * Takes the exclusive lock of an open file, without waiting; false where another holds it. The
 * kernel drops it when the descriptor is closed, so a dead process never leaves one behind. Throws
 * PosixError.
 */
export function flockTry(fd: number): boolean {
  for (;;) {
    if (libc.flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
    const errno = c.lastErrno();
    if (errno === c.EAGAIN) return false;
    if (errno !== c.EINTR) throw failed("lock", "");
  }
}

/** Gives the lock of an open file back. */
export function funlock(fd: number): void {
  libc.flock(fd, LOCK_UN);
}
