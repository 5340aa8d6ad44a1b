/** What Deno has no API for, through libc: names as bytes, nanoseconds, locks, exchange, durability. */
export {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "./libc.ts";
export { asFileFailure, describeErrno, PosixError } from "./posix_error.ts";
export { type FileType, fstat, identity, type Stat, statx, statxIfExists } from "./stat.ts";
export {
  close,
  closeQuietly,
  flockTry,
  fsync,
  fsyncPath,
  funlock,
  open,
  read,
  readAt,
  seekTo,
  syncFileSystem,
  truncate,
  write,
  writeAll,
  writeAt,
} from "./files.ts";
export {
  chmod,
  effectiveIds,
  freeSpace,
  lchown,
  link,
  lutimes,
  mkdir,
  mkdirAll,
  readlink,
  rename,
  renameExchange,
  renameNoReplace,
  rmdir,
  symlink,
  unlink,
  usedPercent,
} from "./names.ts";
export { beginWriting, forget } from "./page_cache.ts";
export { lowerPriority } from "./priority.ts";
export { readdirNames } from "./directory.ts";
export { removeTree } from "./remove_tree.ts";
export { readXattrs, writeXattrs } from "./xattr.ts";
