/** Turns entries into tar stream: headers and contents go into blocks, digests and changes are noted. */
import { createHash, hash as hashOnce } from "node:crypto";
import { decodePath, encodePath } from "../core/paths.ts";
import type { EntryType, ManifestEntry } from "../core/model.ts";
import { tryRead } from "../posix/files.ts";
import { lastErrno } from "../posix/libc.ts";
import { describeErrno } from "../posix/posix_error.ts";
import { StatView } from "../posix/stat.ts";
import type { BlockRef, BlockWriter } from "./block_writer.ts";
import { type EntryHead, HeaderBuilder } from "./entry_header.ts";
import { groupNames, userNames } from "./owners.ts";
import type { Pulse } from "./pulse.ts";
import { BLOCK } from "./tar_header.ts";
import type { Walker } from "./walk.ts";
import type { Warnings } from "./warnings.ts";

export interface Totals {
  /** Regular files; further names of the same inode are not counted. */
  files: number;
  /** All entries but the archive's own. */
  entries: number;
  /** Bytes of content stored. */
  bytes: number;
}

interface Pending {
  entry: ManifestEntry;
  ref: BlockRef;
}

const NOTHING = new Uint8Array(0);
const EMPTY_SHA256 = createHash("sha256").digest("hex");
/** Bytes read at once: few enough to still be in the processor's cache when they are hashed. */
const READ_BYTES = 1 << 20;

export class Packer {
  readonly #headers = new HeaderBuilder();
  readonly #users = userNames();
  readonly #groups = groupNames();
  readonly #after = new StatView();
  /** Entries whose block is not written yet, in the archive's order. */
  readonly #pending: Pending[] = [];

  constructor(
    readonly writer: BlockWriter,
    readonly warnings: Warnings,
    readonly pulse: Pulse,
    readonly totals: Totals,
    readonly onEntry: (entry: ManifestEntry) => void,
  ) {}

  /** Hands over, in the archive's order, all entries whose block is written. */
  flushEntries(): void {
    let done = 0;
    while (done < this.#pending.length && this.#pending[done].ref.offset >= 0) {
      const { entry, ref } = this.#pending[done];
      // A file that is still being packed has no digest yet.
      if (entry.type === "file" && entry.sha256 === null) break;
      entry.block_offset = ref.offset;
      this.onEntry(entry);
      done++;
    }
    if (done > 0) this.#pending.splice(0, done);
  }

  /** Puts one of the archive's own entries, which are in no manifest and no total. */
  async addOwn(path: string, content: Uint8Array, mtime_s: number): Promise<void> {
    const head = newHead(encodePath(path), "file");
    head.mode = 0o600;
    head.size = content.length;
    head.mtime_s = mtime_s;
    if (!this.writer.ready) await this.writer.wait();
    this.writer.put(this.#headers.build(head));
    for (let at = 0; at < content.length; at += READ_BYTES) {
      if (!this.writer.ready) await this.writer.wait();
      this.writer.put(content.subarray(at, at + READ_BYTES));
    }
    if (!this.writer.ready) await this.writer.wait();
    this.writer.zeros(padding(content.length));
  }

  /**
   * Puts `path` with the metadata of `stat`; for a file its header alone, and its content must be
   * put next. The writer must be ready. Returns the manifest's entry.
   */
  addEntry(path: string, type: EntryType, stat: StatView, link: Uint8Array): ManifestEntry {
    const head = newHead(encodePath(path), type);
    head.mode = stat.mode;
    head.uid = stat.uid;
    head.gid = stat.gid;
    head.size = type === "file" ? stat.size : 0;
    head.mtime_s = stat.mtime_s;
    head.mtime_ns = stat.mtime_ns;
    head.link = link;
    head.uname = this.#users(head.uid);
    head.gname = this.#groups(head.gid);
    if (type === "char" || type === "block") {
      head.rdev_major = stat.rdev_major;
      head.rdev_minor = stat.rdev_minor;
    }
    return this.#putHead(path, head);
  }

  #putHead(path: string, head: EntryHead): ManifestEntry {
    const { type, size, mode, uid, gid, mtime_s, mtime_ns } = head;
    const entry: ManifestEntry = {
      ...{ path, type, size, mode, uid, gid, mtime_s, mtime_ns },
      link: head.link.length === 0 ? null : decodePath(head.link),
      sha256: null,
      block_offset: -1,
      block_inner: this.writer.used,
    };
    this.#pending.push({ entry, ref: this.writer.ref });
    this.writer.put(this.#headers.build(head));
    this.totals.entries++;
    return entry;
  }

  /**
   * Puts the content of the walk's current file in one go; false where it does not fit into the
   * block being filled: then `addContent` must put it.
   */
  addSmallContent(walk: Walker, entry: ManifestEntry): boolean {
    const { writer } = this;
    const { size } = entry;
    if (size + BLOCK >= writer.space) return false;
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
    const end = writer.used + size;
    writer.buffer.fill(0, writer.used + done, end + padding(size));
    const content = writer.buffer.subarray(writer.used, end);
    entry.sha256 = size === 0 ? EMPTY_SHA256 : hashOnce("sha256", content, "hex");
    writer.advance(size + padding(size));
    this.#ended(walk, entry, done, errno);
    return true;
  }

  /** Puts the content of the walk's current file, however long. */
  async addContent(walk: Walker, entry: ManifestEntry): Promise<void> {
    const { writer, pulse } = this;
    const digest = createHash("sha256");
    let done = 0;
    let errno = 0;
    let read = true;
    let got = 0;
    while (done < entry.size) {
      if (pulse.due()) await pulse.beat();
      if (!writer.ready) await writer.wait();
      const want = Math.min(writer.space, entry.size - done, READ_BYTES);
      const room = writer.buffer.subarray(writer.used, writer.used + want);
      let n = want;
      if (read) {
        n = tryRead(walk.fd, room);
        if (n <= 0) {
          errno = n < 0 ? lastErrno() : 0;
          read = false;
          got = done;
          continue;
        }
      } else {
        room.fill(0); // The header promised this much: what is missing is filled up.
      }
      digest.update(n === want ? room : room.subarray(0, n));
      writer.advance(n);
      done += n;
      this.totals.bytes += n;
    }
    entry.sha256 = digest.digest("hex");
    if (!writer.ready) await writer.wait();
    writer.zeros(padding(entry.size));
    this.totals.bytes -= entry.size;
    this.#ended(walk, entry, read ? done : got, errno);
  }

  /** Counts a file whose content is put, and notes what happened to it meanwhile. */
  #ended(walk: Walker, entry: ManifestEntry, got: number, errno: number): void {
    this.totals.files++;
    this.totals.bytes += entry.size;
    const before = walk.stat;
    const after = this.#after;
    if (errno !== 0) {
      const message = `cannot be read beyond byte ${got}: ${
        describeErrno(errno)
      }; zeros are stored`;
      this.warnings.add("UNREADABLE", entry.path, message, true);
      return;
    }
    if (!after.of(walk.fd)) return;
    if (after.nlink === 0 && before.nlink > 0) {
      this.warnings.add("FILE_VANISHED", entry.path, "vanished while it was read", true);
    } else if (after.size !== entry.size || got !== entry.size) {
      const message = `changed from ${entry.size} to ${after.size} bytes while it was read`;
      this.warnings.add("FILE_CHANGED", entry.path, message, true);
    } else if (
      after.mtime_ns !== before.mtime_ns || after.mtime_s !== before.mtime_s ||
      after.ctime_ns !== before.ctime_ns || after.ctime_s !== before.ctime_s
    ) {
      this.warnings.add("FILE_CHANGED", entry.path, "was written to while it was read", true);
    }
  }
}

function newHead(path: Uint8Array, type: EntryType): EntryHead {
  return {
    ...{ path, type, mode: 0, uid: 0, gid: 0, size: 0, mtime_s: 0, mtime_ns: 0 },
    ...{ link: NOTHING, uname: NOTHING, gname: NOTHING, rdev_major: 0, rdev_minor: 0 },
  };
}

/** Zeros behind content of `size` bytes, up to the next multiple of 512. */
export function padding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}
