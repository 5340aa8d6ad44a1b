/**
 * Walks the sources of a backup by directory descriptors: names as bytes, sorted by bytes within a
 * directory, directories before what they hold, no path longer than one name ever given to the
 * kernel. One object is moved from entry to entry; nothing is allocated that a million entries feel.
 */
import { encodePath } from "../core/paths.ts";
import { type EntryType, SELF_DIR, type Source, UNDO_DIR } from "../core/model.ts";
import { cString } from "../posix/c_string.ts";
import { DirStack } from "../posix/dir_stack.ts";
import { DT, Listing } from "../posix/directory.ts";
import { closeQuietly, openAt } from "../posix/files.ts";
import * as c from "../posix/libc.ts";
import { readlinkAt } from "../posix/names.ts";
import { describeErrno } from "../posix/posix_error.ts";
import { StatView } from "../posix/stat.ts";
import { NO_XATTRS, procPath, type Xattr, xattrsAt, xattrsOf } from "../posix/xattr.ts";
import { CACHE_TAG, isCacheDirectory } from "./cache_dir.ts";
import type { Excluder } from "./exclude.ts";
import { FirstNames } from "./first_names.ts";
import type { SkipList } from "./skip_list.ts";
import { sourceFailure } from "./source_failure.ts";
import { storable } from "./storable_xattrs.ts";
import type { Warnings } from "./warnings.ts";

export interface WalkOptions {
  exclude: Excluder | null;
  skip: SkipList;
  warnings: Warnings;
  /** True to open files for reading, false to look at their size only. */
  openFiles: boolean;
  /** True to leave out what is mounted inside a source. */
  oneFileSystem: boolean;
  /** True to leave out what lies in directories that a CACHEDIR.TAG marks, but for the tag. */
  excludeCaches: boolean;
  /** Files that were stored earlier, as they are, are not opened. */
  earlier: StoredEarlier | null;
}

/** What was stored earlier. */
export interface StoredEarlier {
  /** Asked of every entry, in the walk's order, at least once: true where it was stored as it is. */
  isStored(path: string, stat: StatView): boolean;
  /** Behind that: whether it was stored as a hard link to `first`, or, for null, as no hard link. */
  isLink(first: string | null): boolean;
}

interface Level {
  listing: Listing;
  next: number;
  /** Archive path with "/" behind it, "" for the top of the working directory. */
  prefix: string;
  /** Path on this host with "/" behind it, for the skip list and messages. */
  hostPrefix: string;
  /** Path relative to the source with "/" behind it. */
  sourcePrefix: string;
  /** Nothing but the tag is taken of a cache. */
  cache: boolean;
}

const NO_LINK = new Uint8Array(0);
const DIRECTORY = c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW | c.O_NONBLOCK;
// O_NONBLOCK: a fifo or device put in a file's place meanwhile must not hold the walk up.
const FILE = c.O_RDONLY | c.O_NOFOLLOW | c.O_NONBLOCK | c.O_NOCTTY;

export class Walker implements Disposable {
  /** Archive path of the current entry. */
  path = "";
  type: EntryType = "file";
  /** Open for reading where the entry is a file and `openFiles` is set, else -1; close it. */
  fd = -1;
  /** Metadata of the current entry. A view: valid until `next`. */
  readonly stat = new StatView();
  /** Target of a symlink, archive path of a hard link, else empty. */
  link: Uint8Array = NO_LINK;
  /** Its extended attributes, ACLs among them; read where `openFiles` is set. */
  xattrs: readonly Xattr[] = NO_XATTRS;
  /** True where an earlier pass stored it as it is; but for a directory, `xattrs` are not read then. */
  stored = false;

  /** Where the current entry was found: an open directory and a name in it. */
  #dirfd = -1;
  #name: Uint8Array = NO_LINK;
  #source: Source | null = null;
  #dev = 0;
  readonly #dirs = new DirStack();
  readonly #levels: Level[] = [];
  /** A directory that was the current entry and is to be listed next; -1 for none. */
  #entered = -1;
  #hostPath = "";
  #sourcePath = "";
  readonly #again = new StatView();
  readonly #firsts = new FirstNames();
  #noatime = c.O_NOATIME;

  constructor(readonly options: WalkOptions) {}

  /**
   * Begins with the top of `source`, which becomes the current entry. False where nothing of it is
   * to be stored. Throws SOURCE_MISSING and SOURCE_UNREADABLE.
   */
  begin(source: Source): boolean {
    const { exclude } = this.options;
    this.#source = source;
    this.#hostPath = source.path;
    this.#sourcePath = "";
    this.path = source.archive_path;
    const path = cString(source.path);
    if (!this.stat.at(c.AT_FDCWD, path)) throw sourceFailure(source, c.lastErrno());
    let follow = false;
    if (this.stat.type === "symlink") follow = this.#isDirectoryLink(source, path);
    const isDirectory = this.stat.type === "directory";
    if (exclude !== null && source.archive_path !== ".") {
      if (exclude("", source.archive_path, isDirectory)) return false;
    }
    this.#dev = this.stat.dev;
    if (!this.#take(c.AT_FDCWD, path, isDirectory ? DT.DIR : DT.UNKNOWN, follow, source)) {
      return false;
    }
    if (this.#entered >= 0) this.#enter(source);
    return true;
  }

  /** Docker follows a link at the top of a bind mount, so its directory is what the source means. */
  #isDirectoryLink(source: Source, path: Uint8Array): boolean {
    const { warnings } = this.options;
    const target = new StatView();
    if (target.at(c.AT_FDCWD, path, true) && target.type === "directory") {
      this.stat.at(c.AT_FDCWD, path, true);
      if (source.archive_path !== ".") {
        const message = "is a symbolic link to a directory; the directory is stored in its place";
        warnings.add("SYMLINK_FOLLOWED", source.archive_path, message, false);
      }
      return true;
    }
    const message = "is a symbolic link; the link is stored, not what it leads to";
    warnings.add("SYMLINK_STORED", source.archive_path, message, false);
    return false;
  }

  /** Moves to the next entry of the source; false at its end. */
  next(): boolean {
    if (this.#entered >= 0) this.#enter(null);
    for (;;) {
      const level = this.#levels[this.#levels.length - 1];
      if (level === undefined) return false;
      if (level.next === level.listing.length) {
        this.#leave();
        continue;
      }
      const i = level.next++;
      const name = level.listing.name(i);
      const type = level.listing.type(i);
      const text = level.listing.text(i);
      if (this.#isOurs(text)) continue;
      if (level.cache && text !== CACHE_TAG) continue;
      this.path = level.prefix + text;
      this.#hostPath = level.hostPrefix + text;
      this.#sourcePath = level.sourcePrefix + text;
      if (this.options.skip.mayHold(text, level.listing.inoLow(i)) && this.#isSkipped(name)) {
        continue;
      }
      if (type !== DT.UNKNOWN && this.#isExcluded(type === DT.DIR)) continue;
      if (this.#take(this.#dirs.fd, name, type, false, null)) return true;
    }
  }

  /** True for duckback's own files inside sources. */
  #isOurs(name: string): boolean {
    if (!name.startsWith(SELF_DIR)) return false;
    if (name.startsWith(UNDO_DIR)) return true;
    return name === SELF_DIR && this.#levels.length === 1 && this.#source!.archive_path === ".";
  }

  #isExcluded(isDirectory: boolean): boolean {
    const { exclude } = this.options;
    return exclude !== null && exclude(this.#sourcePath, this.path, isDirectory);
  }

  #isSkipped(name: Uint8Array): boolean {
    const { skip } = this.options;
    // A symlink that leads to such a place is not the place: it is stored like any other.
    if (!this.stat.at(this.#dirs.fd, name) || this.stat.type === "symlink") return false;
    return skip.hasPath(this.#hostPath) || skip.hasFile(this.stat.dev, this.stat.ino);
  }

  /**
   * Makes the entry `name` of `dirfd` the current one. False where it is not to be stored; why not
   * is among the warnings. `top` is set for the top of a source, whose failure ends the backup.
   */
  #take(
    dirfd: number,
    name: Uint8Array,
    dtype: number,
    follow: boolean,
    top: Source | null,
  ): boolean {
    this.link = NO_LINK;
    this.xattrs = NO_XATTRS;
    this.fd = -1;
    this.stored = false;
    this.#dirfd = dirfd;
    this.#name = name;
    if (dtype === DT.DIR) return this.#takeDirectory(dirfd, name, follow, top);
    if (dtype === DT.REG && this.options.openFiles) {
      if (this.options.earlier !== null && this.stat.at(dirfd, name)) {
        this.stored = this.stat.type === "file" && this.#isStored();
        if (this.stored && this.#takeFile(-1)) return true;
      }
      const fd = this.#open(dirfd, name, FILE);
      if (fd >= 0) {
        this.stat.of(fd);
        if (this.stat.type === "file") return this.#takeFile(fd);
        closeQuietly(fd); // something else by now
      } else if (c.lastErrno() !== c.ELOOP) {
        return this.#failed(c.lastErrno(), top);
      }
    }
    if (!this.stat.at(dirfd, name)) return this.#failed(c.lastErrno(), top);
    const type = this.stat.type;
    if (dtype === DT.UNKNOWN && top === null && this.#isExcluded(type === "directory")) {
      return false;
    }
    if (type === "directory") return this.#takeDirectory(dirfd, name, follow, top);
    if (type === "file") {
      if (!this.options.openFiles && top === null) return this.#takeFile(-1);
      this.stored = this.#isStored();
      if (this.stored && this.#takeFile(-1)) return true;
      const fd = this.#open(dirfd, name, FILE);
      if (fd < 0) return this.#failed(c.lastErrno(), top);
      this.stat.of(fd);
      if (this.options.openFiles) return this.#takeFile(fd);
      closeQuietly(fd);
      return this.#takeFile(-1);
    }
    if (type === "socket" || type === "unknown") {
      const message = "is a socket; programs make theirs again when they start";
      this.options.warnings.add("SOCKET_SKIPPED", this.path, message, false);
      return false;
    }
    this.stored = this.#isStored();
    if (this.#isSecondName()) return true;
    this.type = type;
    if (this.stored) return true;
    if (type === "symlink") {
      const target = readlinkAt(dirfd, name);
      if (target === null) return this.#failed(c.lastErrno(), top);
      this.link = target;
    }
    if (this.options.openFiles) {
      const path = dirfd === c.AT_FDCWD ? name : procPath(dirfd, name);
      this.xattrs = storable(xattrsAt(path), this.path, this.options.warnings);
    }
    return true;
  }

  /**
   * Opens the current file once more by its name, for a second reading: `stat`, `fd` and `xattrs`
   * are then those of what has the name now. False where that is no file any more.
   */
  reopen(): boolean {
    const fd = this.#open(this.#dirfd, this.#name, FILE);
    if (fd < 0) return false;
    if (!this.#again.of(fd) || this.#again.type !== "file") {
      closeQuietly(fd);
      return false;
    }
    closeQuietly(this.fd);
    this.fd = fd;
    // Other names of what was here before are no links to what is here now.
    const replaced = !this.#firsts.isSame(this.#again, this.stat);
    if (replaced) this.#firsts.forget(this.stat);
    this.stat.of(fd);
    if (replaced && this.stat.nlink > 1 && this.#firsts.find(this.stat) === null) {
      this.#firsts.add(this.stat, { path: this.path, stored: false });
    }
    this.xattrs = storable(xattrsOf(fd), this.path, this.options.warnings);
    return true;
  }

  #isStored(): boolean {
    return this.options.earlier?.isStored(this.path, this.stat) ?? false;
  }

  /** False for what is stored, but as something else: it must be opened after all. */
  #takeFile(fd: number): boolean {
    const stored = this.stored;
    if (this.#isSecondName()) {
      if (fd >= 0) closeQuietly(fd);
      return true;
    }
    if (stored && !this.stored) {
      this.#firsts.forget(this.stat);
      return false;
    }
    this.type = "file";
    this.fd = fd;
    if (fd >= 0) this.xattrs = storable(xattrsOf(fd), this.path, this.options.warnings);
    return true;
  }

  /** True where another name of the same inode is stored already: the entry is a hard link to it. */
  #isSecondName(): boolean {
    if (this.stat.nlink < 2) return false;
    const first = this.#firsts.find(this.stat);
    this.stored &&= this.options.earlier!.isLink(first?.path ?? null);
    if (first === null) {
      this.#firsts.add(this.stat, { path: this.path, stored: this.stored });
      return false;
    }
    this.#firsts.count(this.stat);
    // A link to what is stored anew must itself be stored behind it.
    this.stored &&= first.stored;
    this.type = "hardlink";
    this.link = encodePath(first.path);
    return true;
  }

  #takeDirectory(dirfd: number, name: Uint8Array, follow: boolean, top: Source | null): boolean {
    const flags = follow ? DIRECTORY & ~c.O_NOFOLLOW : DIRECTORY;
    const fd = this.#open(dirfd, name, flags);
    if (fd < 0) {
      const errno = c.lastErrno();
      if (errno === c.ENOTDIR || errno === c.ELOOP) {
        return this.#take(dirfd, name, DT.UNKNOWN, follow, top);
      }
      this.#failed(errno, top);
      // The directory itself can still be stored; what it holds cannot.
      this.type = "directory";
      return errno !== c.ENOENT && this.stat.at(dirfd, name) && this.stat.type === "directory";
    }
    this.stat.of(fd);
    const otherFileSystem = this.options.oneFileSystem && this.stat.dev !== this.#dev;
    if (this.options.skip.hasFile(this.stat.dev, this.stat.ino)) {
      closeQuietly(fd);
      return false;
    }
    this.type = "directory";
    this.stored = this.#isStored();
    if (this.options.openFiles) {
      this.xattrs = storable(xattrsOf(fd), this.path, this.options.warnings);
    }
    if (otherFileSystem) closeQuietly(fd);
    else this.#entered = fd;
    return true;
  }

  #open(dirfd: number, name: Uint8Array, flags: number): number {
    const fd = openAt(dirfd, name, flags | this.#noatime);
    if (fd >= 0 || c.lastErrno() !== c.EPERM || this.#noatime === 0) return fd;
    this.#noatime = 0; // Only the owner and root may leave the access time alone.
    return openAt(dirfd, name, flags);
  }

  #enter(top: Source | null): void {
    const fd = this.#entered;
    this.#entered = -1;
    const listing = new Listing();
    if (!listing.read(fd)) {
      this.#failed(c.lastErrno(), top);
      closeQuietly(fd);
      return;
    }
    const cache = this.options.excludeCaches && isCacheDirectory(fd, listing);
    if (!this.#dirs.push(fd)) return void this.#failed(c.lastErrno(), top);
    const slash = (path: string) => path === "" || path.endsWith("/") ? path : `${path}/`;
    this.#levels.push({
      listing,
      next: 0,
      prefix: this.path === "." ? "" : `${this.path}/`,
      hostPrefix: slash(this.#hostPath),
      sourcePrefix: slash(this.#sourcePath),
      cache,
    });
  }

  #leave(): void {
    const left = this.#levels.pop()!;
    if (this.#dirs.pop()) return;
    // Somebody moved a directory out of the tree while the walk was deep below it.
    const path = left.prefix.slice(0, -1);
    const message = "was moved while it was read; what lies beside it is missing";
    this.options.warnings.add("UNREADABLE", path, message, true);
    this.#levels.length = 0;
    this.#dirs[Symbol.dispose]();
  }

  /** Notes why the current entry is not stored; throws for the top of a source. Always false. */
  #failed(errno: number, top: Source | null): boolean {
    if (top !== null) throw sourceFailure(top, errno);
    const { warnings } = this.options;
    if (errno === c.ENOENT) {
      warnings.add("FILE_VANISHED", this.path, "vanished while the backup was made", true);
    } else {
      warnings.add("UNREADABLE", this.path, `cannot be read: ${describeErrno(errno)}`, true);
    }
    return false;
  }

  [Symbol.dispose](): void {
    if (this.#entered >= 0) closeQuietly(this.#entered);
    if (this.fd >= 0) closeQuietly(this.fd);
    this.#entered = this.fd = -1;
    this.#levels.length = 0;
    this.#dirs[Symbol.dispose]();
  }
}
