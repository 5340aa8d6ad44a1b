/** The C library through Deno.dlopen: symbols, errno and constants; everything else is built on it. */

const AARCH64 = Deno.build.arch === "aarch64";

const library = Deno.dlopen("libc.so.6", {
  __errno_location: { parameters: [], result: "pointer" },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  // Counts stay below 2 GiB, so the 32 low bits of a ssize_t say everything and no BigInt is made.
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fsync: { parameters: ["i32"], result: "i32" },
  // Takes seconds: off this thread, whose errno it then does not set.
  syncfs: { parameters: ["i32"], result: "i32", nonblocking: true },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  statvfs: { parameters: ["buffer", "buffer"], result: "i32" },
  fstatvfs: { parameters: ["i32", "buffer"], result: "i32" },
  renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  mknodat: { parameters: ["i32", "buffer", "u32", "u64"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  fchownat: { parameters: ["i32", "buffer", "u32", "u32", "i32"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  fchmodat: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  flistxattr: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  llistxattr: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
  fgetxattr: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  lgetxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "i32" },
  fsetxattr: { parameters: ["i32", "buffer", "buffer", "usize", "i32"], result: "i32" },
  setxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  fremovexattr: { parameters: ["i32", "buffer"], result: "i32" },
  removexattr: { parameters: ["buffer", "buffer"], result: "i32" },
  mallopt: { parameters: ["i32", "i32"], result: "i32" },
  geteuid: { parameters: [], result: "u32" },
  getegid: { parameters: [], result: "u32" },
  // glibc has no wrapper for openat2, and one for getdents64 only since 2.30: both go through
  // syscall(number, ...). It is variadic; on x86-64 and aarch64 integers and pointers are passed to a
  // variadic function the same way as to a fixed one.
  openat2: {
    name: "syscall",
    parameters: ["i64", "i64", "buffer", "buffer", "usize"],
    result: "i32",
  },
  posix_fadvise: { parameters: ["i32", "i64", "i64", "i32"], result: "i32" },
  sync_file_range: { parameters: ["i32", "i64", "i64", "u32"], result: "i32" },
  cachestat: {
    name: "syscall",
    parameters: ["i64", "i64", "buffer", "buffer", "u32"],
    result: "i32",
  },
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  ioprio_set: { name: "syscall", parameters: ["i64", "i64", "i64", "i64"], result: "i32" },
  getdents64: { name: "syscall", parameters: ["i64", "i64", "buffer", "usize"], result: "i32" },
});

// Deno's own types ask for BigInt where it takes numbers too, and for buffers that cannot be shared.
type Argument<T> = [T] extends [BufferSource | null] ? Uint8Array
  : [T] extends [bigint] ? number | bigint
  : T;
type Loose<F> = F extends (...args: infer A) => infer R
  ? (...args: { [I in keyof A]: Argument<A[I]> }) => R
  : never;

/**
 * The symbols above. Numbers for 64-bit parameters must be whole and below 2^53. A call with a BigInt in
 * their place is half a microsecond faster: only then does V8 call the library straight from its code.
 */
export const libc = library.symbols as unknown as {
  [S in keyof typeof library.symbols]: Loose<(typeof library.symbols)[S]>;
};

// Buffers of blocks go back to the system as soon as they are freed. Else glibc, after the first large
// one, keeps those up to 32 MiB in its heaps, one a thread, and they fall apart: verifying a million
// entries took 410 MB instead of 300, in the same time.
const M_MMAP_THRESHOLD = -3;
libc.mallopt(M_MMAP_THRESHOLD, 512 << 10);

// errno lies at an address that is fixed for a thread, and JavaScript stays on its thread: reading
// through this view costs no call, so nothing can change errno before it is read.
const errnoView = new Int32Array(
  Deno.UnsafePointerView.getArrayBuffer(libc.__errno_location()!, 4),
);

/** The error number the last failing call left. */
export function lastErrno(): number {
  return errnoView[0];
}

/** Makes `lastErrno` give `errno`, for functions that fail the way a call does. */
export function setErrno(errno: number): void {
  errnoView[0] = errno;
}

export const SYS_GETDENTS64 = AARCH64 ? 61 : 217;
export const SYS_OPENAT2 = 437;
export const SYS_CACHESTAT = 451;
export const SYS_IOPRIO_SET = AARCH64 ? 30 : 251;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DIRECTORY = AARCH64 ? 0o40000 : 0o200000;
export const O_NOFOLLOW = AARCH64 ? 0o100000 : 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENOSPC = 28;
export const EROFS = 30;
export const EMLINK = 31;
export const ENAMETOOLONG = 36;
export const ENXIO = 6;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENODATA = 61;
export const EOPNOTSUPP = 95;
export const EDQUOT = 122;
