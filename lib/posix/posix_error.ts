/** A failed system call as an error: errno, its name, the call and the path. */
import { DuckbackError, type ErrorCode } from "../core/errors.ts";
import { printable } from "../core/paths.ts";
import { lastErrno } from "./libc.ts";

/** Numbers are those of x86-64 and aarch64, which are the same. */
const ERRNO: Record<number, [code: string, text: string]> = {
  1: ["EPERM", "operation not permitted"],
  2: ["ENOENT", "no such file or directory"],
  4: ["EINTR", "interrupted by a signal"],
  5: ["EIO", "input/output error"],
  6: ["ENXIO", "no such device"],
  9: ["EBADF", "bad file descriptor"],
  11: ["EAGAIN", "resource temporarily unavailable"],
  12: ["ENOMEM", "out of memory"],
  13: ["EACCES", "permission denied"],
  14: ["EFAULT", "bad address"],
  16: ["EBUSY", "device or resource busy"],
  17: ["EEXIST", "already exists"],
  18: ["EXDEV", "lies on another file system"],
  19: ["ENODEV", "no such device"],
  20: ["ENOTDIR", "not a directory"],
  21: ["EISDIR", "is a directory"],
  22: ["EINVAL", "invalid argument"],
  23: ["ENFILE", "too many open files in the system"],
  24: ["EMFILE", "too many open files"],
  26: ["ETXTBSY", "is being executed"],
  27: ["EFBIG", "file too large"],
  28: ["ENOSPC", "no space left on device"],
  29: ["ESPIPE", "cannot seek"],
  30: ["EROFS", "read-only file system"],
  31: ["EMLINK", "too many links"],
  32: ["EPIPE", "broken pipe"],
  34: ["ERANGE", "result too large"],
  36: ["ENAMETOOLONG", "file name too long"],
  38: ["ENOSYS", "not supported by this kernel"],
  39: ["ENOTEMPTY", "directory not empty"],
  40: ["ELOOP", "too many symbolic links"],
  61: ["ENODATA", "no data"],
  75: ["EOVERFLOW", "value too large"],
  95: ["EOPNOTSUPP", "not supported"],
  107: ["ENOTCONN", "not connected"],
  116: ["ESTALE", "stale file handle"],
  117: ["EUCLEAN", "file system structure needs cleaning"],
  121: ["EREMOTEIO", "remote input/output error"],
  122: ["EDQUOT", "disk quota exceeded"],
  123: ["ENOMEDIUM", "no medium found"],
};

/** "no space left on device (ENOSPC)" for 28. */
export function describeErrno(errno: number): string {
  const known = ERRNO[errno];
  return known ? `${known[1]} (${known[0]})` : `error ${errno}`;
}

/** A system call failed. `path` is "" where only a descriptor is known. */
export class PosixError extends Error {
  override readonly name = "PosixError";
  /** "ENOSPC" and so on; "E122" where the number has no name here. */
  readonly code: string;

  constructor(readonly errno: number, readonly syscall: string, readonly path: string) {
    super(
      path === ""
        ? `Cannot ${syscall}: ${describeErrno(errno)}`
        : `Cannot ${syscall} "${printable(path)}": ${describeErrno(errno)}`,
    );
    this.code = ERRNO[errno]?.[0] ?? `E${errno}`;
  }
}

/** The error of the call that has just failed. */
export function failed(syscall: string, path: string): PosixError {
  return new PosixError(lastErrno(), syscall, path);
}

/** What a failed system call means to a person: DISK_FULL, NOT_WRITABLE or IO, with a hint. */
export function asFileFailure(error: PosixError, act?: string): DuckbackError {
  const message = act === undefined
    ? error.message
    : `Cannot ${act} "${printable(error.path)}": ${describeErrno(error.errno)}`;
  let code: ErrorCode = "IO";
  let hint: string | undefined;
  if (error.code === "ENOSPC" || error.code === "EDQUOT") {
    code = "DISK_FULL";
    hint = "Free some space, or choose another directory.";
  } else if (["EACCES", "EPERM", "EROFS"].includes(error.code)) {
    code = "NOT_WRITABLE";
    hint = "Run as root, or choose a directory this user may write to.";
  }
  return new DuckbackError(code, message, { hint, cause: error });
}
