/**
 * Reads a tar stream that comes in pieces of any length: v7, ustar, pax and GNU's long names. Every
 * header is untrusted; whatever is not plainly right ends in ARCHIVE_CORRUPT with entry and offset.
 */
import { decodePath } from "../core/paths.ts";
import type { EntryType, ManifestEntry } from "../core/model.ts";
import { corrupt, type Place } from "./corrupt.ts";
import { padding } from "./pack.ts";
import { cleanPath, PathError } from "./entry_path.ts";
import { entryXattrs, type StoredXattr } from "./entry_xattrs.ts";
import { MAX_PAX, parseTime, PaxError, readPax } from "./pax.ts";
import { continueMap, type HeaderMap, headerMap } from "./gnu_sparse.ts";
import { Dumpdir, DUMPDIR_KEY, REFUSED } from "./gnu_types.ts";
import { mapOfRecords, SparseError, SparseReader } from "./sparse_reader.ts";
import { BLOCK, HeaderError, isZero, type ReadHeader, readHeader } from "./tar_header.ts";

/** An entry as its headers describe it: `sha256` is always null, paths are clean and relative. */
export interface TarEntry extends ManifestEntry {
  rdev_major: number;
  rdev_minor: number;
  /** Extended attributes, ACLs in the kernel's form; null where an ACL cannot be understood here. */
  xattrs: readonly StoredXattr[];
  /** Bytes of content in the archive, for a sparse file with its map: less than `size` then. */
  stored: number;
}

/**
 * Gets what is in the archive: `entry`, then for a file's content `data` and `hole` (zeros that a
 * sparse file does not store) any number of times, then `end`.
 */
export interface TarHandler {
  /** Longest hole to be told of at once, by those whom zeros keep busy. */
  readonly holeStep?: number;
  entry(entry: TarEntry): void;
  /** Behind `entry` of a directory that had this many names more than an incremental archive holds. */
  leftOut?(names: number): void;
  data(bytes: Uint8Array): void;
  hole(length: number): void;
  end(): void;
}

const TYPES: Record<string, EntryType> = {
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "D": "directory", // with a listing, in GNU's own format
  "7": "file", // contiguous files, which nothing makes any more
  "S": "file", // sparse, in GNU's own format
};
const NO_BYTES = new Uint8Array(0);
const NONE: readonly StoredXattr[] = [];

/** What comes next in the stream. */
type State = "header" | "meta" | "map" | "content" | "padding" | "ending" | "ended";

export class TarParser {
  #state: State = "header";
  /** Bytes left of the content, the meta entry's body or the padding. */
  #left = 0;
  #header = new Uint8Array(BLOCK);
  #headerUsed = 0;
  /** Zeros behind the content. */
  #pad = 0;
  /** Body of an extended header with its padding, and how long it is without. */
  #meta = new Uint8Array(0);
  #metaUsed = 0;
  #metaSize = 0;
  #metaType = "";
  /** Records of pax headers: for all entries behind it, and for the next one. */
  readonly #global = new Map<string, Uint8Array>();
  readonly #local = new Map<string, Uint8Array>();
  #longName: Uint8Array | null = null;
  #longLink: Uint8Array | null = null;
  /** Where the entry's first header begins; null between entries. */
  #place: Place | null = null;
  #hasContent = false;
  /** Sorts a sparse file's content out; null for any other. */
  #sparse: SparseReader | null = null;
  /** Takes the listing in a directory's content; null for any other entry. */
  #listing: Dumpdir | null = null;
  /** A header of GNU's own sparse format, its map, and whether that goes on in the next block. */
  #begun: ReadHeader | null = null;
  #map: HeaderMap | null = null;

  constructor(readonly archive: string, readonly handler: TarHandler) {}

  /** True once the two zero blocks that end an archive were read. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /** True while the content of a sparse file is read. */
  get sparse(): boolean {
    return this.#sparse !== null;
  }

  /** Where the entry begins whose headers or content are being read; null between two. */
  get begun(): Readonly<Place> | null {
    return this.#place;
  }

  /** Takes all of `bytes`; `offset` and `inner` say where they lie. Throws ARCHIVE_CORRUPT. */
  feed(bytes: Uint8Array, offset: number, inner: number): void {
    for (let at = 0; at < bytes.length;) {
      at += this.feedSome(bytes.subarray(at), offset, inner + at);
    }
  }

  /**
   * Takes some of `bytes` and returns how many: 0 at times, where a part of a long hole was handed
   * on and the same bytes are to be given again. Throws ARCHIVE_CORRUPT.
   */
  feedSome(bytes: Uint8Array, offset: number, inner: number): number {
    for (let at = 0; at < bytes.length;) {
      switch (this.#state) {
        case "content": {
          if (this.#sparse !== null && this.#sparse.hole > 0) {
            this.#handOnHole(this.#sparse);
            return at;
          }
          const most = this.#sparse?.most ?? this.#left;
          const count = Math.min(most, this.#left, bytes.length - at);
          const part = bytes.subarray(at, at + count);
          if (this.#listing !== null) this.#listing.take(part);
          else if (this.#sparse === null) this.handler.data(part);
          else this.#feedSparse(this.#sparse, part);
          at += count;
          if ((this.#left -= count) === 0) this.#contentEnded();
          break;
        }
        case "padding": {
          const count = Math.min(this.#left, bytes.length - at);
          at += count;
          if ((this.#left -= count) === 0) this.#state = "header";
          break;
        }
        case "meta": {
          const count = Math.min(this.#left, bytes.length - at);
          this.#meta.set(bytes.subarray(at, at + count), this.#metaUsed);
          this.#metaUsed += count;
          at += count;
          if ((this.#left -= count) === 0) this.#metaEnded();
          break;
        }
        case "ended":
          for (; at < bytes.length; at++) {
            if (bytes[at] !== 0) {
              const place = { offset, inner: inner + at };
              throw corrupt(this.archive, "there is more behind the archive's end", place);
            }
          }
          break;
        default:
          at = this.#feedHeader(bytes, at, offset, inner);
      }
    }
    return bytes.length;
  }

  #handOnHole(sparse: SparseReader): void {
    const length = Math.min(sparse.hole, this.handler.holeStep ?? Infinity);
    this.handler.hole(length);
    sparse.hole -= length;
    if (this.#left === 0 && sparse.hole === 0) this.#contentEnded();
  }

  #feedSparse(sparse: SparseReader, part: Uint8Array): void {
    const inMap = sparse.inMap;
    this.#checked(() => sparse.take(part));
    if (!inMap) this.handler.data(part);
  }

  #checked<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      const known = error instanceof HeaderError || error instanceof PaxError ||
        error instanceof SparseError;
      throw known ? this.#corrupt(error.message) : error;
    }
  }

  /** Ends the stream. Throws ARCHIVE_CORRUPT where it is not complete. */
  finish(offset: number): void {
    if (this.#state === "ended") return;
    const place = this.#place ?? { offset };
    throw corrupt(this.archive, "the archive is cut short: its end is missing", place);
  }

  #feedHeader(bytes: Uint8Array, at: number, offset: number, inner: number): number {
    if (this.#headerUsed === 0) {
      this.#place ??= { offset, inner: inner + at };
      if (bytes.length - at >= BLOCK) {
        this.#takeHeader(bytes, at);
        return at + BLOCK;
      }
    }
    const count = Math.min(BLOCK - this.#headerUsed, bytes.length - at);
    this.#header.set(bytes.subarray(at, at + count), this.#headerUsed);
    this.#headerUsed += count;
    if (this.#headerUsed === BLOCK) {
      this.#headerUsed = 0;
      this.#takeHeader(this.#header, 0);
    }
    return at + count;
  }

  #takeHeader(bytes: Uint8Array, at: number): void {
    if (this.#begun !== null) return this.#continueMap(this.#begun, bytes, at);
    if (isZero(bytes, at)) {
      if (this.#local.size > 0 || this.#longName !== null) {
        throw this.#corrupt("an extended header has no entry");
      }
      this.#state = this.#state === "ending" ? "ended" : "ending";
      this.#place = null;
      return;
    }
    if (this.#state === "ending") throw this.#corrupt("there is more behind the archive's end");
    const header = this.#checked(() => readHeader(bytes, at));
    const { typeflag } = header;
    if (typeflag === "x" || typeflag === "g" || typeflag === "L" || typeflag === "K") {
      this.#beginMeta(typeflag, header.size);
    } else if (typeflag === "V") {
      this.#place = null; // a volume's label: no file
    } else {
      this.#map = typeflag === "S" ? this.#checked(() => headerMap(bytes, at)) : null;
      if (this.#map?.more) this.#begun = header;
      else this.#beginEntry(header);
    }
  }

  /** A further block of the map of a sparse file in GNU's own format. */
  #continueMap(header: ReadHeader, bytes: Uint8Array, at: number): void {
    this.#checked(() => continueMap(this.#map!, bytes, at));
    if (this.#map!.more) return;
    this.#begun = null;
    this.#beginEntry(header);
  }

  #beginMeta(type: string, size: number): void {
    if (size > MAX_PAX) throw this.#corrupt(`an extended header claims to hold ${size} bytes`);
    this.#metaType = type;
    this.#metaUsed = 0;
    this.#metaSize = size;
    this.#left = size + padding(size);
    if (this.#left > this.#meta.length) this.#meta = new Uint8Array(this.#left);
    if (this.#left === 0) this.#metaEnded();
    else this.#state = "meta";
  }

  #metaEnded(): void {
    const body = this.#meta.subarray(0, this.#metaSize);
    this.#state = "header";
    if (this.#metaType === "L") this.#longName = untilNul(body);
    else if (this.#metaType === "K") this.#longLink = untilNul(body);
    else {
      this.#checked(() => readPax(body, this.#metaType === "g" ? this.#global : this.#local));
    }
    // A global header stands alone; the others belong to the entry behind them.
    if (this.#metaType === "g") this.#place = null;
  }

  #beginEntry(header: ReadHeader): void {
    const type = TYPES[header.typeflag];
    const rawName = this.#local.get("GNU.sparse.name") ?? this.#record("path") ??
      this.#longName ?? header.name;
    if (type === undefined) {
      const why = REFUSED[header.typeflag] ??
        `entries of type "${header.typeflag}" are not supported`;
      throw this.#corrupt(why, decodePath(rawName));
    }
    const entry = this.#entry(header, type, rawName);
    if (entry.type === "directory") {
      this.#listing = new Dumpdir();
      this.#listing.take(this.#local.get(DUMPDIR_KEY) ?? NO_BYTES);
    }
    this.#local.clear();
    this.#longName = this.#longLink = null;
    this.#place!.entry = entry.path;
    this.#left = entry.stored;
    this.#pad = padding(entry.stored);
    this.#state = "content";
    this.#hasContent = type === "file";
    this.handler.entry(entry);
    if (this.#left === 0) this.#contentEnded();
  }

  #contentEnded(): void {
    if (this.#sparse !== null) {
      if (this.#sparse.inMap) throw this.#corrupt("the map of a sparse file is not complete");
      // The file may end in a hole, which is handed on with what follows in the archive.
      if (this.#sparse.hole > 0) return;
      this.#sparse = null;
    }
    if (this.#hasContent) this.handler.end();
    if (this.#listing !== null && this.#listing.leftOut > 0) {
      this.handler.leftOut?.(this.#listing.leftOut);
    }
    this.#listing = null;
    this.#place = null;
    this.#left = this.#pad;
    this.#pad = 0;
    this.#state = this.#left === 0 ? "header" : "padding";
  }

  #entry(header: ReadHeader, rawType: EntryType, rawName: Uint8Array): TarEntry {
    const name = decodePath(rawName);
    // v7 has no directories: a name that ends in a slash is one.
    const type = rawType === "file" && name.endsWith("/") ? "directory" : rawType;
    const path = this.#clean(name, name);
    const stored = type === "hardlink" ? 0 : this.#number("size", header.size, name);
    const listing = header.typeflag === "D";
    const size = listing ? 0 : this.#checked(() => this.#beginSparse(type, stored)) ?? stored;
    if (stored > 0 && type !== "file" && !listing) {
      throw this.#corrupt(`a ${type} claims to have content`, name);
    }
    const mtime = this.#record("mtime");
    const time = mtime === undefined ? { s: header.mtime, ns: 0 } : parseTime(decodePath(mtime));
    if (time === null) throw this.#corrupt("the pax record mtime is not a time", name);
    let link: string | null = null;
    if (type === "hardlink" || type === "symlink") {
      link = decodePath(this.#record("linkpath") ?? this.#longLink ?? header.link);
      if (type === "hardlink") link = this.#clean(link, name);
      else if (link === "" || link.includes("\0")) throw this.#corrupt("a link is empty", name);
    }
    // Field by field: to spread objects takes longer.
    return {
      path,
      type,
      size,
      stored,
      link,
      sha256: null,
      mode: header.mode,
      uid: this.#id("uid", header.uid, name),
      gid: this.#id("gid", header.gid, name),
      mtime_s: time.s,
      mtime_ns: time.ns,
      rdev_major: header.devmajor,
      rdev_minor: header.devminor,
      xattrs: type === "hardlink" ? NONE : entryXattrs(this.#local),
      block_offset: this.#place!.offset,
      block_inner: this.#place!.inner ?? 0,
    };
  }

  /** Prepares for a sparse file; returns its real size, null where the entry is none. */
  #beginSparse(type: EntryType, stored: number): number | null {
    const map = this.#map;
    if (type !== "file") this.#sparse = null;
    else if (map !== null) this.#sparse = new SparseReader(map.size, stored, map.map);
    else this.#sparse = mapOfRecords(this.#local, stored);
    return this.#sparse?.size ?? null;
  }

  #record(key: string): Uint8Array | undefined {
    return this.#local.get(key) ?? this.#global.get(key);
  }

  #number(key: string, otherwise: number, entry: string): number {
    const record = this.#record(key);
    if (record === undefined) return otherwise;
    const text = decodePath(record);
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) {
      throw this.#corrupt(`the pax record ${key} is not a number`, entry);
    }
    return value;
  }

  #id(key: "uid" | "gid", otherwise: number, entry: string): number {
    const id = this.#number(key, otherwise, entry);
    // The largest 32-bit number means "leave it" to chown.
    if (id >= 0xffffffff) throw this.#corrupt(`the ${key} is absurd`, entry);
    return id;
  }

  #clean(raw: string, entry: string): string {
    try {
      return cleanPath(raw);
    } catch (error) {
      throw error instanceof PathError ? this.#corrupt(error.message, entry) : error;
    }
  }

  #corrupt(state: string, entry?: string) {
    const place = this.#place ?? { offset: 0 };
    return corrupt(this.archive, state, entry === undefined ? place : { ...place, entry });
  }
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return bytes.slice(0, end === -1 ? bytes.length : end);
}
