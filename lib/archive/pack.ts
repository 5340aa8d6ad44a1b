/** Turns entries into tar stream: headers and contents go into blocks, digests and changes are noted. */
import { createHash, type Hash, hash } from "node:crypto";
import { decodePath, encodePath } from "../core/paths.ts";
import { DuckbackError } from "../core/errors.ts";
import type { EntryType, ManifestEntry, Seen } from "../core/model.ts";
import { seekTo, tryRead } from "../posix/files.ts";
import { lastErrno } from "../posix/libc.ts";
import { describeErrno } from "../posix/posix_error.ts";
import { StatView } from "../posix/stat.ts";
import { NO_XATTRS, type Xattr } from "../posix/xattr.ts";
import type { BlockRef, BlockWriter } from "./block_writer.ts";
import { ColdReads } from "./cold_reads.ts";
import { type EntryHead, HeaderBuilder } from "./entry_header.ts";
import { groupNames, userNames } from "./owners.ts";
import type { Pulse } from "./pulse.ts";
import type { References } from "./references.ts";
import { hashZeros } from "./hash_zeros.ts";
import { MOST_HASHED_HOLES, type SparseMap } from "./sparse_map.ts";
import { RECIPES } from "./self_entries.ts";
import { BLOCK } from "./tar_header.ts";
import type { Quiet } from "./quiet.ts";
import type { Totals } from "./totals.ts";
import type { Walker } from "./walk.ts";
import type { Warnings } from "./warnings.ts";

/** A file that was not the same at the end of its reading as at the beginning. */
export interface Change {
  code: "FILE_CHANGED" | "FILE_VANISHED";
  message: string;
}

interface Pending {
  entry: ManifestEntry;
  ref: BlockRef;
  /** False for a file whose content is still to come. */
  whole: boolean;
}

const NOTHING = new Uint8Array(0);
/** Bytes read at once: few enough to still be in the processor's cache when they are hashed. */
const READ_BYTES = 1 << 20;

export class Packer {
  readonly #headers = new HeaderBuilder();
  readonly #users = userNames();
  readonly #groups = groupNames();
  readonly #after = new StatView();
  /** Entries whose block is not written yet, in the archive's order. */
  readonly #pending: Pending[] = [];
  /** What happened to the last file while it was read; null where nothing did. */
  changed: Change | null = null;
  /** Tells what can prove later that an entry has not changed; null where nobody will ask. */
  quiet: Quiet | null = null;
  /** Knows what earlier archives hold; null where there are none. */
  references: References | null = null;

  constructor(
    readonly writer: BlockWriter,
    public warnings: Warnings,
    readonly pulse: Pulse,
    readonly totals: Totals,
    readonly onEntry: (entry: ManifestEntry) => void,
  ) {}

  /** Hands over, in the archive's order, all entries whose block is written. */
  flushEntries(): void {
    let done = 0;
    while (done < this.#pending.length) {
      const { entry, ref, whole } = this.#pending[done];
      if (ref.offset < 0 || !whole) break;
      entry.block_offset = ref.offset;
      this.onEntry(entry);
      done++;
    }
    if (done > 0) this.#pending.splice(0, done);
  }

  /** Puts one of the archive's own entries, which are in no manifest and no total. */
  async addOwn(path: string, content: Uint8Array, mtime_s: number): Promise<void> {
    const head: EntryHead = {
      ...{ path: encodePath(path), type: "file", mode: 0o600, uid: 0, gid: 0 },
      ...{ size: content.length, mtime_s, mtime_ns: 0, link: NOTHING, uname: NOTHING },
      ...{ gname: NOTHING, rdev_major: 0, rdev_minor: 0, xattrs: NO_XATTRS, real_size: null },
    };
    await this.#putOwn(head, content);
  }

  async #putOwn(head: EntryHead, content: Uint8Array): Promise<void> {
    if (!this.writer.ready) await this.writer.wait();
    this.writer.put(this.#headers.build(head));
    for (let at = 0; at < content.length; at += READ_BYTES) {
      if (!this.writer.ready) await this.writer.wait();
      this.writer.put(content.subarray(at, at + READ_BYTES));
    }
    if (!this.writer.ready) await this.writer.wait();
    this.writer.zeros(padding(content.length));
  }

  /** Puts the walk's current entry; see `addEntry`. */
  addCurrent(walk: Walker, map: SparseMap | null = null): ManifestEntry {
    const { path, type, stat, link, xattrs, fd } = walk;
    return this.addEntry(path, type, stat, link, xattrs, map, fd);
  }

  /**
   * Puts `path` with the metadata of `stat`; for a file its header alone, and its content must be
   * put next from the open file `fd`. The writer must be ready. Returns the manifest's entry.
   */
  addEntry(
    path: string,
    type: EntryType,
    stat: StatView,
    link: Uint8Array,
    xattrs: readonly Xattr[],
    map: SparseMap | null = null,
    fd = -1,
  ): ManifestEntry {
    const size = type === "file" ? stat.size : 0;
    const stored = map === null ? size : map.header.length + map.data;
    const head = this.#headOf(path, type, stat, stored, link, xattrs, map === null ? null : size);
    return this.#putHead(path, head, this.quiet?.seen(stat, fd) ?? null);
  }

  #headOf(
    path: string,
    type: EntryType,
    stat: StatView,
    size: number,
    link: Uint8Array,
    xattrs: readonly Xattr[],
    real_size: number | null,
  ): EntryHead {
    const { uid, gid } = stat;
    const isDevice = type === "char" || type === "block";
    return {
      path: encodePath(path),
      type,
      mode: stat.mode,
      uid,
      gid,
      size,
      mtime_s: stat.mtime_s,
      mtime_ns: stat.mtime_ns,
      link,
      uname: this.#users(uid),
      gname: this.#groups(gid),
      rdev_major: isDevice ? stat.rdev_major : 0,
      rdev_minor: isDevice ? stat.rdev_minor : 0,
      xattrs,
      real_size,
    };
  }

  #putHead(path: string, head: EntryHead, seen: Seen | null): ManifestEntry {
    const { type } = head;
    // Field by field, here and above: to spread objects takes longer.
    const entry: ManifestEntry = {
      path,
      type,
      size: head.real_size ?? head.size,
      mode: head.mode,
      uid: head.uid,
      gid: head.gid,
      mtime_s: head.mtime_s,
      mtime_ns: head.mtime_ns,
      link: head.link.length === 0 ? null : decodePath(head.link),
      sha256: null,
      block_offset: -1,
      block_inner: this.writer.used,
      seen,
    };
    const { ref } = this.writer;
    this.#pending.push({ entry, ref, whole: type !== "file" });
    this.writer.put(this.#headers.build(head));
    this.totals.entries++;
    return entry;
  }

  /** Puts one of the archive's own entries and tells where. */
  async addData(path: string, content: Uint8Array): Promise<{ ref: BlockRef; inner: number }> {
    if (!this.writer.ready) await this.writer.wait();
    const place = { ref: this.writer.ref, inner: this.writer.used };
    await this.addOwn(path, content, 0);
    return place;
  }

  /**
   * Puts the recipe of the file at `entry.path`, which was counted before, with that file's metadata. The
   * manifest's row for it is `entry`.
   */
  async addRecipe(
    entry: ManifestEntry,
    stat: StatView,
    xattrs: readonly Xattr[],
    text: Uint8Array,
  ): Promise<void> {
    const path = RECIPES + entry.path;
    const head = this.#headOf(path, "file", stat, text.length, NOTHING, xattrs, null);
    if (!this.writer.ready) await this.writer.wait();
    const { ref } = this.writer;
    entry.block_inner = this.writer.used;
    this.#pending.push({ entry, ref, whole: true });
    await this.#putOwn(head, text);
  }

  /** A file that is put without its content being read here is counted as if it were. */
  count(size: number): void {
    this.totals.files++;
    this.totals.entries++;
    this.totals.bytes += size;
    this.changed = null;
  }

  /**
   * Puts the content of the walk's current file in one go; false where it does not fit into the
   * block being filled: then `addContent` must put it.
   */
  addSmallContent(walk: Walker, entry: ManifestEntry): boolean {
    const { writer } = this;
    const { size } = entry;
    if (size + BLOCK >= writer.space) return false;
    const cold = ColdReads.of(walk.fd, size);
    let done = 0;
    let errno = 0;
    while (done < size) {
      const at = writer.used + done;
      const n = tryRead(walk.fd, writer.buffer.subarray(at, writer.used + size));
      if (n <= 0) {
        errno = n < 0 ? lastErrno() : 0;
        break;
      }
      done += n;
    }
    cold?.passed(size);
    const end = writer.used + size;
    writer.buffer.fill(0, writer.used + done, end + padding(size));
    // At once, while it is in the processor's cache.
    entry.sha256 = hash("sha256", writer.buffer.subarray(writer.used, end), "hex");
    writer.advance(size + padding(size));
    this.#ended(walk, entry, size, done, errno);
    return true;
  }

  /** Puts the content of the walk's current file, however long. */
  async addContent(walk: Walker, entry: ManifestEntry): Promise<void> {
    const digest = createHash("sha256");
    const cold = ColdReads.of(walk.fd, entry.size);
    const found = await this.#copy(walk, entry.size, digest, cold);
    const sha256 = digest.digest("hex");
    await this.#pad(entry.size);
    entry.sha256 = sha256;
    this.#ended(walk, entry, entry.size, found.got, found.errno);
  }

  /** Puts the map and the data of the walk's current file, whose entry was put with `map`. */
  async addSparse(walk: Walker, entry: ManifestEntry, map: SparseMap): Promise<void> {
    const { writer, pulse } = this;
    for (let at = 0; at < map.header.length; at += READ_BYTES) {
      if (!writer.ready) await writer.wait();
      writer.put(map.header.subarray(at, at + READ_BYTES));
    }
    const hashed = entry.size - map.data <= MOST_HASHED_HOLES;
    const digest = hashed ? createHash("sha256") : null;
    let end = 0;
    let missing = -1;
    let errno = 0;
    for (let i = 0; i < map.segments.length; i += 2) {
      const [start, length] = [map.segments[i], map.segments[i + 1]];
      if (digest !== null) await hashZeros(digest, start - end, pulse);
      seekTo(walk.fd, start);
      const found = await this.#copy(walk, length, digest);
      if (found.got < length && missing < 0) missing = start + found.got;
      errno ||= found.errno;
      end = start + length;
    }
    if (digest !== null) await hashZeros(digest, entry.size - end, pulse);
    await this.#pad(map.data);
    entry.sha256 = digest?.digest("hex") ?? null;
    this.#ended(walk, entry, map.data, missing < 0 ? entry.size : missing, errno);
  }

  /**
   * Puts `size` bytes from where the file stands. What it does not have is filled up with zeros: the
   * header promised this much. Tells how many bytes were got, and the errno that ended the reading.
   */
  async #copy(walk: Walker, size: number, digest: Hash | null, cold: ColdReads | null = null) {
    const { writer, pulse } = this;
    let got = size;
    let errno = 0;
    for (let done = 0; done < size;) {
      if (pulse.due()) await pulse.beat();
      if (!writer.ready) await writer.wait();
      const want = Math.min(writer.space, size - done, READ_BYTES);
      const room = writer.buffer.subarray(writer.used, writer.used + want);
      let n = want;
      if (got === size) {
        n = tryRead(walk.fd, room);
        if (n <= 0) {
          errno = n < 0 ? lastErrno() : 0;
          got = done;
          continue;
        }
      } else room.fill(0);
      digest?.update(n === want ? room : room.subarray(0, n));
      writer.advance(n);
      done += n;
      cold?.passed(done);
      this.totals.bytes += n;
    }
    this.totals.bytes -= size; // `#ended` counts the whole file.
    return { got, errno };
  }

  async #pad(size: number): Promise<void> {
    if (!this.writer.ready) await this.writer.wait();
    this.writer.zeros(padding(size));
  }

  /**
   * Counts a file whose content is put, and looks what happened to it meanwhile. Where something
   * did, the caller must `keep` or `supersede` it.
   */
  #ended(walk: Walker, entry: ManifestEntry, stored: number, got: number, errno: number): void {
    this.totals.files++;
    this.totals.bytes += stored;
    this.changed = this.#change(walk, entry, got, errno);
    if (this.changed === null) this.keep();
  }

  #change(walk: Walker, entry: ManifestEntry, got: number, errno: number): Change | null {
    const before = walk.stat;
    const after = this.#after;
    if (errno !== 0) {
      const message = `cannot be read beyond byte ${got}: ${
        describeErrno(errno)
      }; zeros are stored`;
      this.warnings.add("UNREADABLE", entry.path, message, true);
      return null;
    }
    if (!after.of(walk.fd)) return null;
    if (after.nlink === 0 && before.nlink > 0) {
      return { code: "FILE_VANISHED", message: "vanished while it was read" };
    } else if (after.size !== entry.size || got !== entry.size) {
      const message = `changed from ${entry.size} to ${after.size} bytes while it was read`;
      return { code: "FILE_CHANGED", message };
    } else if (
      after.mtime_ns !== before.mtime_ns || after.mtime_s !== before.mtime_s ||
      after.ctime_ns !== before.ctime_ns || after.ctime_s !== before.ctime_s
    ) {
      return { code: "FILE_CHANGED", message: "was written to while it was read" };
    }
    return null;
  }

  /** Lets the last file, `changed` or not, into the manifest. */
  keep(): void {
    this.#pending[this.#pending.length - 1].whole = true;
  }

  /**
   * Takes the last file, which is about to be put once more under the same path, out of the manifest
   * and the totals: of several entries of one path the last one counts. It must have `changed`.
   */
  supersede(entry: ManifestEntry, map: SparseMap | null): void {
    const last = this.#pending.pop();
    if (last?.entry !== entry) throw new DuckbackError("INTERNAL", "The entry is written already");
    this.totals.entries--;
    this.totals.files--;
    this.totals.bytes -= map?.data ?? entry.size;
  }
}

/** Zeros behind content of `size` bytes, up to the next multiple of 512. */
export function padding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}
