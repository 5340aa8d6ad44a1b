/** Removes a tree by descriptors: never follows a symlink, takes any name, any depth. */
import * as c from "./libc.ts";
import { libc } from "./libc.ts";
import { decodePath } from "../core/paths.ts";
import { Slice } from "../core/turn.ts";
import { cString } from "./c_string.ts";
import { DT, Listing } from "./directory.ts";
import { DirStack } from "./dir_stack.ts";
import { closeQuietly, openAt } from "./files.ts";
import { failed, PosixError } from "./posix_error.ts";
import { StatView } from "./stat.ts";

const DIRECTORY = c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW;

interface Level {
  listing: Listing;
  next: number;
  /** Name in the level above. */
  name: Uint8Array;
}

/**
 * Removes `path` and everything in it; nothing happens where it does not exist. It does not descend
 * into another file system mounted there (EBUSY then). The event loop gets turns. Throws PosixError.
 */
export async function removeTree(path: string): Promise<void> {
  const name = cString(path);
  const stat = new StatView();
  if (!stat.at(c.AT_FDCWD, name)) {
    if (c.lastErrno() === c.ENOENT || c.lastErrno() === c.ENOTDIR) return;
    throw failed("remove", path);
  }
  if (stat.type !== "directory") return removeName(c.AT_FDCWD, name, 0, path);
  await removeDirectory(name, stat.dev, path);
}

async function removeDirectory(name: Uint8Array, dev: number, path: string): Promise<void> {
  using dirs = new DirStack();
  const levels: Level[] = [enter(dirs, c.AT_FDCWD, name, dev, path)];
  const slice = new Slice();
  while (levels.length > 0) {
    if (slice.over()) await slice.turn();
    const level = levels[levels.length - 1];
    if (level.next === level.listing.length) {
      levels.pop();
      if (!dirs.pop()) throw new PosixError(c.ENOENT, "remove", path);
      const above = levels.length === 0 ? c.AT_FDCWD : dirs.fd;
      removeName(above, level.name, c.AT_REMOVEDIR, shown(path, levels, level.name));
      continue;
    }
    const i = level.next++;
    const entry = level.listing.name(i);
    if (isDirectory(dirs.fd, entry, level.listing.type(i))) {
      levels.push(enter(dirs, dirs.fd, entry, dev, shown(path, levels, entry)));
    } else {
      removeName(dirs.fd, entry, 0, shown(path, levels, entry));
    }
  }
}

function isDirectory(dirfd: number, name: Uint8Array, type: number): boolean {
  if (type !== DT.UNKNOWN) return type === DT.DIR;
  const stat = new StatView();
  return stat.at(dirfd, name) && stat.type === "directory";
}

function enter(
  dirs: DirStack,
  dirfd: number,
  name: Uint8Array,
  dev: number,
  path: string,
): Level {
  let fd = openAt(dirfd, name, DIRECTORY);
  if (fd < 0 && c.lastErrno() === c.EACCES) {
    // A directory without r or x for its owner: the owner may give himself both.
    libc.fchmodat(dirfd, name, 0o700, 0);
    fd = openAt(dirfd, name, DIRECTORY);
  }
  if (fd < 0) throw failed("remove", path);
  const stat = new StatView();
  if (stat.of(fd) && stat.dev !== dev) {
    closeQuietly(fd);
    throw new PosixError(c.EBUSY, "remove", path); // a mount point
  }
  const listing = new Listing();
  if (!listing.read(fd)) {
    const error = failed("read directory", path);
    closeQuietly(fd);
    throw error;
  }
  if (!dirs.push(fd)) throw failed("remove", path);
  return { listing, next: 0, name };
}

function removeName(dirfd: number, name: Uint8Array, flags: number, path: string): void {
  if (libc.unlinkat(dirfd, name, flags) === 0 || c.lastErrno() === c.ENOENT) return;
  const errno = c.lastErrno();
  if (errno === c.EACCES && dirfd !== c.AT_FDCWD && libc.fchmod(dirfd, 0o700) === 0) {
    if (libc.unlinkat(dirfd, name, flags) === 0) return;
  }
  throw new PosixError(errno, "remove", path);
}

/** The path an error names; only put together when one is thrown or about to be. */
function shown(path: string, levels: Level[], name: Uint8Array): string {
  if (levels.length === 0) return path;
  const inner = levels.slice(1).map((level) => text(level.name));
  return [path, ...inner, text(name)].join("/");
}

function text(name: Uint8Array): string {
  return decodePath(name.subarray(0, -1));
}
