/** Makes one entry of an archive on disk: content first, then owner, then mode, then times. */
import { encodePath } from "../core/paths.ts";
import { DuckbackError } from "../core/errors.ts";
import { cBytes, EMPTY, NameBuffer } from "../posix/c_string.ts";
import { close, closeQuietly, fsync, openAt } from "../posix/files.ts";
import * as c from "../posix/libc.ts";
import { libc } from "../posix/libc.ts";
import { effectiveIds, timespecs } from "../posix/names.ts";
import { describeErrno, PosixError } from "../posix/posix_error.ts";
import { StatView } from "../posix/stat.ts";
import {
  ACL_ACCESS,
  ACL_DEFAULT,
  procPath,
  removeAcls,
  setXattr,
  setXattrOfPath,
} from "../posix/xattr.ts";
import type { NotRestored } from "./not_restored.ts";
import type { OwnerChoice } from "./owners.ts";
import type { TarEntry } from "./tar_parser.ts";
import type { Owner, Spot, Target } from "./target.ts";
import type { FileEnd } from "./write_batch.ts";

/** Made with: for the owner alone, until content, owner and mode are there. */
const NEW_FILE = c.O_WRONLY | c.O_CREAT | c.O_EXCL | c.O_NOFOLLOW | c.O_NOCTTY;
const SETUID_SETGID = 0o6000;
const NOT_OWNED = "it does not have its owner";

export interface RestoreRules {
  /** Sets owners; without it everything belongs to this user. */
  owners: boolean;
  owner?: OwnerChoice;
  /** Makes device nodes. */
  allowDevices: boolean;
  notRestored: NotRestored;
  flush?: boolean; // each file
}

/** A place on disk: which target, and where in it. */
export interface Place {
  target: Target;
  relative: string;
  /** Its path in the archive. */
  path: string;
  /** For messages. */
  shown: string;
}

/** What of an entry is set on what it became. */
export type Metadata = Pick<
  TarEntry,
  "path" | "type" | "mode" | "uid" | "gid" | "mtime_s" | "mtime_ns" | "xattrs"
>;

/** Who knows the directories of this restore. */
export interface Directories {
  /** Whether this restore itself made the directory at a place, or had an entry for it. */
  wasMade(place: Place): boolean;
  /** Entries for a directory at this place before now do not count: it is gone, or has a later one. */
  supersede(place: Place): void;
}

export class EntryMaker {
  readonly #stat = new StatView();
  readonly #name = new NameBuffer();
  readonly #ids = effectiveIds();

  constructor(
    readonly rules: RestoreRules,
    readonly directories: Directories,
    readonly corrupt: (state: string, entry: TarEntry) => DuckbackError,
  ) {}

  /** Makes an empty file and returns it open for writing. Throws PosixError. */
  openFile(entry: TarEntry, place: Place): number {
    const spot = place.target.spot(place.relative, true, this.#name);
    let fd = -1;
    this.#making(entry, place, spot, () => {
      fd = openAt(spot.dirfd, spot.name, NEW_FILE, 0o600);
      return fd >= 0;
    });
    return fd;
  }

  /** Gives a file that has its content its metadata, and closes it. Throws PosixError. */
  closeFile(entry: TarEntry, place: Place, fd: number): void {
    this.setMetadata(entry, place, fd, place.target.ownerOf(place.relative, fd));
    if (this.rules.flush) fsync(fd, place.shown);
    close(fd, place.shown);
  }

  /** True where `plainEnd` says all that is to be done with a file once it has its content. */
  endsPlainly(entry: TarEntry, place: Place): boolean {
    return !this.rules.flush && entry.xattrs.length === 0 && (entry.mode & SETUID_SETGID) === 0 &&
      !place.target.passesAcl(place.relative);
  }

  /** What is left to be done with a file that has its content, which may end in a hole. */
  plainEnd(entry: TarEntry, place: Place, fd: number, hole: boolean): FileEnd {
    const { size, mode, mtime_s, mtime_ns } = entry;
    const is = place.target.ownerOf(place.relative, fd);
    const to = this.#ownerFor(entry);
    const owner = to?.uid === is?.uid && to?.gid === is?.gid ? null : to;
    return { owner, mode, mtime_s, mtime_ns, size: hole ? size : null };
  }

  /** Makes a directory that only this user can enter until `setMetadata`. Throws PosixError. */
  directory(entry: TarEntry, place: Place): void {
    if (place.relative === "") return this.directories.supersede(place);
    const spot = place.target.spot(place.relative, true);
    if (libc.mkdirat(spot.dirfd, spot.name, 0o700) === 0) return;
    if (c.lastErrno() !== c.EEXIST) throw failure(place);
    if (this.#stat.at(spot.dirfd, spot.name) && this.#stat.type === "directory") {
      return this.directories.supersede(place);
    }
    this.#making(entry, place, spot, () => libc.mkdirat(spot.dirfd, spot.name, 0o700) === 0);
  }

  /** Makes a symlink, which may hold anything, with its own owner and time. Throws PosixError. */
  symlink(entry: TarEntry, place: Place): void {
    const spot = place.target.spot(place.relative, true);
    const link = cBytes(encodePath(entry.link!), entry.link!);
    this.#making(entry, place, spot, () => libc.symlinkat(link, spot.dirfd, spot.name) === 0);
    this.#setOf(entry, place, spot);
  }

  /** Makes a fifo or a device node. Throws PosixError. */
  special(entry: TarEntry, place: Place): void {
    const { notRestored, allowDevices } = this.rules;
    if (entry.type !== "fifo" && !allowDevices) {
      notRestored.add("the device node", entry.path, "device nodes were not asked for");
      return;
    }
    const kind = { fifo: c.S_IFIFO, char: c.S_IFCHR, block: c.S_IFBLK }[entry.type as "fifo"];
    const spot = place.target.spot(place.relative, true);
    const device = makedev(entry.rdev_major, entry.rdev_minor);
    let denied = false;
    this.#making(entry, place, spot, () => {
      if (libc.mknodat(spot.dirfd, spot.name, kind | 0o600, device) === 0) return true;
      denied = c.lastErrno() === c.EPERM && entry.type !== "fifo";
      return denied;
    });
    if (denied) notRestored.add("the device node", entry.path, describeErrno(c.EPERM));
    else this.#setOf(entry, place, spot);
  }

  /**
   * Makes a hard link to what lies at `to` already. False where that cannot be: it is not there, on
   * another file system, or has too many names already. Throws PosixError.
   */
  hardlink(entry: TarEntry, place: Place, to: Place): boolean {
    let from: Spot;
    try {
      from = to.target.spot(to.relative, false);
    } catch (error) {
      if (error instanceof PosixError && error.errno === c.ENOENT) return false;
      throw error;
    }
    if (!this.#stat.at(from.dirfd, from.name) || this.#stat.type === "directory") return false;
    const spot = place.target.spot(place.relative, true);
    let linked = true;
    this.#making(entry, place, spot, () => {
      if (libc.linkat(from.dirfd, from.name, spot.dirfd, spot.name, 0) === 0) return true;
      linked = ![c.ENOENT, c.EXDEV, c.EMLINK, c.EPERM, c.EOPNOTSUPP].includes(c.lastErrno());
      return !linked;
    });
    return linked;
  }

  /**
   * Owner, attributes, mode, ACLs and times of an open file or directory, in this order: chown clears
   * capabilities and setuid, the mode may forbid this user to set attributes, and some tars write a
   * mode that is not the ACL's mask. `owner` is whose it is already, where that is known.
   */
  setMetadata(entry: Metadata, place: Place, fd: number, owner: Owner | null = null): void {
    const owned = this.#chown(
      entry,
      (uid, gid) => (owner?.uid === uid && owner.gid === gid) || libc.fchown(fd, uid, gid) === 0,
    );
    const directory = entry.type === "directory";
    const { inherits } = place.target;
    if (directory ? inherits : place.target.passesAcl(place.relative)) {
      removeAcls(fd, false, directory);
    }
    const set: SetXattr = (name, value) => setXattr(fd, name, value);
    if (entry.xattrs.length > 0) this.#setXattrs(entry, owned, set);
    if (libc.fchmod(fd, this.#mode(entry, owned)) !== 0) this.#missed("the mode of", entry);
    if (entry.xattrs.length > 0) this.#setAcls(entry, set);
    if (libc.futimens(fd, timespecs(entry.mtime_s, entry.mtime_ns)) !== 0) {
      this.#missed("the time of", entry);
    }
  }

  /** The same for what cannot be opened: symlinks, fifos, devices. Never follows a symlink. */
  #setOf(entry: TarEntry, place: Place, { dirfd, name }: Spot): void {
    const fd = openAt(dirfd, name, c.O_PATH | c.O_NOFOLLOW);
    if (fd < 0) throw failure(place);
    try {
      const owned = this.#chown(
        entry,
        (uid, gid) => libc.fchownat(fd, EMPTY, uid, gid, c.AT_EMPTY_PATH) === 0,
      );
      if (place.target.inherits && entry.type !== "symlink") removeAcls(fd, true, false);
      const set: SetXattr = (name, value) => setXattrOfPath(fd, name, value);
      if (entry.xattrs.length > 0) this.#setXattrs(entry, owned, set);
      // chmod has no form for such a descriptor but this path.
      if (entry.type !== "symlink") {
        if (libc.fchmodat(c.AT_FDCWD, procPath(fd), this.#mode(entry, owned), 0) !== 0) {
          this.#missed("the mode of", entry);
        }
      }
      if (entry.xattrs.length > 0) this.#setAcls(entry, set);
      const times = timespecs(entry.mtime_s, entry.mtime_ns);
      if (libc.utimensat(dirfd, name, times, c.AT_SYMLINK_NOFOLLOW) !== 0) {
        this.#missed("the time of", entry);
      }
    } finally {
      closeQuietly(fd);
    }
  }

  /** True where the entry now has its recorded owner. */
  #chown(entry: Metadata, change: (uid: number, gid: number) => boolean): boolean {
    const owner = this.#ownerFor(entry);
    if (owner !== null && !change(owner.uid, owner.gid)) {
      this.#missed("the owner of", entry);
      return false;
    }
    const { uid, gid } = owner ?? this.#ids;
    return uid === entry.uid && gid === entry.gid;
  }

  /** Whose an entry becomes; null where it stays this user's. */
  #ownerFor(entry: Metadata): Owner | null {
    const { owner, owners, notRestored } = this.rules;
    if (typeof owner === "object" || (owners && owner === undefined)) {
      return { uid: owner?.uid ?? entry.uid, gid: owner?.gid ?? entry.gid };
    }
    const own = entry.uid === this.#ids.uid && entry.gid === this.#ids.gid;
    if (!own && owner === undefined) {
      notRestored.add("the owner of", entry.path, "only root may set owners");
    }
    return null;
  }

  /** All attributes but ACLs. */
  #setXattrs(entry: Metadata, owned: boolean, set: SetXattr): void {
    for (const { name, value } of entry.xattrs) {
      if (ACLS[name] !== undefined || value === null) continue;
      const what = name === CAPABILITY ? "the capabilities of" : `the attribute ${kindOf(name)} of`;
      if (name === CAPABILITY && !owned) {
        this.rules.notRestored.add(what, entry.path, NOT_OWNED);
      } else if (!set(name, value)) this.#missed(what, entry);
    }
  }

  #setAcls(entry: Metadata, set: SetXattr): void {
    for (const { name, value } of entry.xattrs) {
      const what = ACLS[name];
      if (what === undefined) continue;
      if (value === null) {
        const why = "it names users or groups that this host does not have";
        this.rules.notRestored.add(what, entry.path, why);
      } else if (!set(name, value)) this.#missed(what, entry);
    }
  }

  /** Never setuid or setgid for another owner than the recorded one. */
  #mode(entry: Metadata, owned: boolean): number {
    if (owned) return entry.mode;
    if (this.rules.owner !== undefined && (entry.mode & SETUID_SETGID) !== 0) {
      this.rules.notRestored.add("the setuid or setgid bit of", entry.path, NOT_OWNED);
    }
    return entry.mode & ~SETUID_SETGID;
  }

  #missed(what: string, entry: Metadata): void {
    this.rules.notRestored.add(what, entry.path, describeErrno(c.lastErrno()));
  }

  /** Runs `make`, once more after removing what has the name already: the later entry wins. */
  #making(entry: TarEntry, place: Place, spot: Spot, make: () => boolean): void {
    if (make()) return;
    if (c.lastErrno() !== c.EEXIST) throw failure(place);
    if (libc.unlinkat(spot.dirfd, spot.name, 0) !== 0) {
      if (c.lastErrno() !== c.EISDIR) throw failure(place);
      if (libc.unlinkat(spot.dirfd, spot.name, c.AT_REMOVEDIR) !== 0) {
        if (c.lastErrno() !== c.ENOTEMPTY && c.lastErrno() !== c.EEXIST) throw failure(place);
        throw this.#inTheWay(entry, place);
      }
      this.directories.supersede(place);
      place.target.forget();
      // The directory's descriptors are gone: find the place again.
      const again = place.target.spot(place.relative, false);
      spot.dirfd = again.dirfd;
    }
    if (!make()) throw failure(place);
  }

  #inTheWay(entry: TarEntry, place: Place): Error {
    if (!place.target.existed || this.directories.wasMade(place)) {
      return this.corrupt(`a ${entry.type} replaces a directory that is not empty`, entry);
    }
    const state = "a directory that is not empty is in its place";
    return new DuckbackError("RESTORE_FAILED", `Cannot restore "${place.shown}": ${state}`, {
      hint: "Move it away, or choose another target.",
    });
  }
}

const CAPABILITY = "security.capability";
const ACLS: Record<string, string> = {
  [ACL_ACCESS]: "the ACL of",
  [ACL_DEFAULT]: "the default ACL of",
};
/** Sets an attribute of one open entry; false with errno set. */
type SetXattr = (name: string, value: Uint8Array) => boolean;

/** "user.*": there are few namespaces and any number of names. */
function kindOf(name: string): string {
  const namespace = /^(user|trusted|security|system)\./.exec(name)?.[1];
  return namespace === undefined ? "of an unknown kind" : `${namespace}.*`;
}

function failure(place: Place): PosixError {
  return new PosixError(c.lastErrno(), "restore", place.shown);
}

/** Linux's encoding of a device number for mknod. */
function makedev(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + Math.floor(minor / 0x100) * 0x100000;
}
