/**
 * A directory that an archive is restored into. Everything is made relative to descriptors that were
 * opened without following a symlink, so no entry, in whatever order, can reach outside.
 */
import { encodePath } from "../core/paths.ts";
import { openDirBeneath } from "../posix/beneath.ts";
import { closeQuietly, open, openAt } from "../posix/files.ts";
import * as c from "../posix/libc.ts";
import { libc } from "../posix/libc.ts";
import { cBytes, cString, type NameBuffer } from "../posix/c_string.ts";
import { PosixError } from "../posix/posix_error.ts";
import { StatView } from "../posix/stat.ts";
import { hasDefaultAcl } from "../posix/xattr.ts";

/** Directories kept open: those above and around the one that is filled. */
const CACHED = 64;
/** Mode of directories that the archive has no entry for, before umask. */
const IMPLIED_MODE = 0o755;
const DIRECTORY = c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW;

/** A name in an open directory; NUL-ended, one component. */
export interface Spot {
  dirfd: number;
  name: Uint8Array;
}

/** A directory that is kept open. */
interface Kept {
  fd: number;
  /** Whose files are that are made in it; null until one was made. */
  owner: Owner | null;
  /** Whether they get an ACL from it; null until that was asked. */
  passesAcl: boolean | null;
}

const NOTHING = { path: "", kept: undefined };

export interface Owner {
  uid: number;
  gid: number;
}

export class Target implements Disposable {
  /** The directory that holds `to`, which everything is relative to. */
  readonly rootFd: number;
  readonly #root: string;
  /** Name of `to` in it; "" where `to` is the file system's root. */
  readonly #base: string;
  readonly #open = new Map<string, Kept>();
  #last: { path: string; kept: Kept | undefined } = NOTHING;
  readonly #stat = new StatView();
  /** Whether `to` was there before: else all that is in it comes from the archive. */
  readonly existed: boolean;
  /** Whether what is made here may get an ACL that the archive does not know, from a default ACL. */
  readonly inherits: boolean;

  /** `to` is absolute; the directory it lies in must exist. Throws PosixError. */
  constructor(readonly to: string) {
    const path = to.replace(/\/+$/, "");
    this.#base = path.slice(path.lastIndexOf("/") + 1);
    this.#root = path === "" ? "/" : path.slice(0, path.lastIndexOf("/")) || "/";
    if (!to.startsWith("/") || this.#base === "." || this.#base === "..") {
      throw new PosixError(c.EINVAL, "restore into", to);
    }
    this.rootFd = open(this.#root, c.O_RDONLY | c.O_DIRECTORY);
    this.existed = new StatView().at(c.AT_FDCWD, cBytes(encodePath(to), to));
    this.inherits = this.existed || hasDefaultAcl(this.rootFd);
  }

  /** Path for messages of what lies at `rest` below `to`. */
  shown(rest: string): string {
    return rest === "" ? this.to : `${this.to === "/" ? "" : this.to}/${rest}`;
  }

  /** Path relative to `rootFd` of what lies at `rest` ("" for `to` itself) below `to`. */
  relative(rest: string): string {
    return this.#base === "" ? rest : rest === "" ? this.#base : `${this.#base}/${rest}`;
  }

  /**
   * The open directory and name of what lies at `relative`. Missing directories above it are made
   * where `make` is set. The name is put into `buffer` if there is one. Throws PosixError: ENOTDIR or
   * ELOOP where a file or symlink is in the way.
   */
  spot(relative: string, make: boolean, buffer?: NameBuffer): Spot {
    const slash = relative.lastIndexOf("/");
    const dirfd = slash === -1
      ? this.rootFd
      : this.#above(relative)?.fd ?? this.directory(relative.slice(0, slash), make);
    const name = relative.slice(slash + 1);
    return { dirfd, name: buffer === undefined ? cString(name) : buffer.cString(name) };
  }

  /** The directory at `relative`, opened; it stays the target's. Throws PosixError. */
  directory(relative: string, make = false): number {
    if (relative === "") return this.rootFd;
    const known = this.#open.get(relative);
    if (known !== undefined) return known.fd;
    let fd = this.#find(relative);
    if (fd < 0 && c.lastErrno() === c.ENOENT && make) fd = this.#make(relative);
    if (fd < 0) throw new PosixError(c.lastErrno(), "open", `${this.#root}/${relative}`);
    this.#remember(relative, fd);
    return fd;
  }

  /**
   * Who owns a file that was just made at `relative`, open as `fd`: asked of the first one in each
   * directory, since what decides it (setgid, mount options, a file server) is the directory's.
   */
  ownerOf(relative: string, fd: number): Owner | null {
    const kept = this.#above(relative);
    if (kept?.owner) return kept.owner;
    if (!this.#stat.of(fd)) return null;
    const { uid, gid } = this.#stat;
    if (kept) kept.owner = { uid, gid };
    return { uid, gid };
  }

  /** Whether a file that was just made at `relative` may have an ACL from the directory it is in. */
  passesAcl(relative: string): boolean {
    if (!this.inherits) return false;
    const kept = this.#above(relative);
    return kept === undefined || (kept.passesAcl ??= hasDefaultAcl(kept.fd));
  }

  /** The open directory that holds what lies at `relative`: most often the one of the last question. */
  #above(relative: string): Kept | undefined {
    const slash = relative.lastIndexOf("/");
    const { path, kept } = this.#last;
    if (kept !== undefined && slash === path.length && relative.startsWith(path)) return kept;
    const above = relative.slice(0, Math.max(0, slash));
    this.#last = { path: above, kept: this.#open.get(above) };
    return this.#last.kept;
  }

  #find(relative: string): number {
    const slash = relative.lastIndexOf("/");
    const above = slash === -1 ? this.rootFd : this.#open.get(relative.slice(0, slash))?.fd;
    if (above === undefined) return openDirBeneath(this.rootFd, encodePath(relative));
    return openAt(above, cString(relative.slice(slash + 1)), DIRECTORY);
  }

  #make(relative: string): number {
    const { dirfd, name } = this.spot(relative, true);
    if (libc.mkdirat(dirfd, name, IMPLIED_MODE) !== 0 && c.lastErrno() !== c.EEXIST) return -1;
    return openAt(dirfd, name, DIRECTORY);
  }

  #remember(relative: string, fd: number): void {
    if (this.#open.size >= CACHED) {
      const [oldest, kept] = this.#open.entries().next().value!;
      closeQuietly(kept.fd);
      this.#open.delete(oldest);
      this.#last = NOTHING;
    }
    this.#open.set(relative, { fd, owner: null, passesAcl: null });
  }

  /** Forgets all open directories, since one of them was removed. */
  forget(): void {
    for (const { fd } of this.#open.values()) closeQuietly(fd);
    this.#open.clear();
    this.#last = NOTHING;
  }

  [Symbol.dispose](): void {
    this.forget();
    closeQuietly(this.rootFd);
  }
}
