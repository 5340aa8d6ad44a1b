/** Opens paths that can never lead out of a directory, symlinks included: openat2, or step by step. */
import * as c from "./libc.ts";
import { libc } from "./libc.ts";
import { closeQuietly, openAt } from "./files.ts";
import { EMPTY } from "./c_string.ts";

const how = new BigUint64Array(3);
const howBytes = new Uint8Array(how.buffer);
/** A path given to the kernel ends below PATH_MAX (4,096 with its NUL). */
const LONGEST = 4000;
const SLASH = 0x2f;

let openat2Works: boolean | undefined;

/** For tests: false makes everything take the way of kernels without openat2 (before 5.6). */
export function useOpenat2(use: boolean | undefined): void {
  openat2Works = use;
}

/**
 * Opens directory `path` (relative bytes, without NUL, "" is `rootFd` itself) so that no component
 * may be a symlink, `..` or a mount of magic links. Returns a descriptor good for *at calls and
 * reading, or -1 with errno set (ELOOP or ENOTDIR for a symlink, EXDEV for a way out).
 */
export function openDirBeneath(rootFd: number, path: Uint8Array): number {
  const flags = c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW;
  if (path.length === 0) return openAt(rootFd, DOT, flags);
  let from = rootFd;
  for (let at = 0; at < path.length;) {
    let end = path.length;
    if (openat2Works === false) {
      end = path.indexOf(SLASH, at);
      if (end === -1) end = path.length;
    } else if (end - at > LONGEST) {
      end = path.lastIndexOf(SLASH, at + LONGEST);
      if (end <= at) end = path.length; // one absurd component: the kernel says ENAMETOOLONG
    }
    const part = new Uint8Array(end - at + 1);
    part.set(path.subarray(at, end));
    const fd = openat2Works === false ? step(from, part, flags) : resolve(from, part, flags);
    if (fd === UNSUPPORTED) {
      openat2Works = false;
      continue; // the same part again, now component by component
    }
    if (from !== rootFd) keepErrno(() => closeQuietly(from));
    if (fd < 0) return -1;
    from = fd;
    at = end + 1;
  }
  return from;
}

const DOT = new Uint8Array([0x2e, 0]);
const UNSUPPORTED = -2;

function resolve(dirfd: number, path: Uint8Array, flags: number): number {
  how[0] = BigInt(flags | c.O_CLOEXEC);
  how[1] = 0n;
  how[2] = BigInt(c.RESOLVE_BENEATH | c.RESOLVE_NO_MAGICLINKS | c.RESOLVE_NO_SYMLINKS);
  for (;;) {
    const fd = libc.openat2(c.SYS_OPENAT2, dirfd, path, howBytes, howBytes.length);
    if (fd >= 0) {
      openat2Works = true;
      return fd;
    }
    const errno = c.lastErrno();
    // EAGAIN: a rename raced with the walk. EPERM: old seccomp profiles for unknown calls.
    if (errno === c.EINTR || errno === c.EAGAIN) continue;
    if (openat2Works === undefined && (errno === c.ENOSYS || errno === c.EPERM)) return UNSUPPORTED;
    return -1;
  }
}

/** One component without openat2: O_NOFOLLOW refuses symlinks, and `..` is refused here. */
function step(dirfd: number, name: Uint8Array, flags: number): number {
  if (name.length === 3 && name[0] === 0x2e && name[1] === 0x2e) {
    // Sets EXDEV as openat2 does: there is no call that fails so, hence the plain store.
    c.setErrno(c.EXDEV);
    return -1;
  }
  return openAt(dirfd, name.length === 1 ? EMPTY : name, flags);
}

function keepErrno(action: () => void): void {
  const errno = c.lastErrno();
  action();
  c.setErrno(errno);
}
