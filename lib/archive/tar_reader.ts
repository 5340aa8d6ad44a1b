/**
 * Reads a tar stream that comes in pieces of any length: v7, ustar, pax and GNU's long names. Every
 * header is untrusted; whatever is not plainly right ends in ARCHIVE_CORRUPT with entry and offset.
 */
import { decodePath } from "../core/paths.ts";
import type { EntryType, ManifestEntry } from "../core/model.ts";
import type { ChunkSource } from "./block_reader.ts";
import { corrupt, type Place } from "./corrupt.ts";
import { padding } from "./pack.ts";
import { MAX_PAX, parseTime, PaxError, readPax } from "./pax.ts";
import type { Pulse } from "./pulse.ts";
import { BLOCK, HeaderError, isZero, type RawHeader, readHeader } from "./tar_header.ts";

/** An entry as its headers describe it: `sha256` is always null, paths are clean and relative. */
export interface TarEntry extends ManifestEntry {
  rdev_major: number;
  rdev_minor: number;
}

/** Gets what is in the archive: `entry`, then for its content `data` any number of times, `end`. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  data(bytes: Uint8Array): void;
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
  "7": "file", // contiguous files, which nothing makes any more
};

/** What comes next in the stream. */
type State = "header" | "meta" | "content" | "padding" | "ending" | "ended";

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

  constructor(readonly archive: string, readonly handler: TarHandler) {}

  /** True once the two zero blocks that end an archive were read. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /** Takes the next bytes; `offset` and `inner` say where they lie. Throws ARCHIVE_CORRUPT. */
  feed(bytes: Uint8Array, offset: number, inner: number): void {
    for (let at = 0; at < bytes.length;) {
      switch (this.#state) {
        case "content": {
          const count = Math.min(this.#left, bytes.length - at);
          this.handler.data(bytes.subarray(at, at + count));
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
    if (isZero(bytes, at)) {
      if (this.#local.size > 0 || this.#longName !== null) {
        throw this.#corrupt("an extended header has no entry");
      }
      this.#state = this.#state === "ending" ? "ended" : "ending";
      this.#place = null;
      return;
    }
    if (this.#state === "ending") throw this.#corrupt("there is more behind the archive's end");
    let header: RawHeader;
    try {
      header = readHeader(bytes, at);
    } catch (error) {
      if (error instanceof HeaderError) throw this.#corrupt(error.message);
      throw error;
    }
    const { typeflag } = header;
    if (typeflag === "x" || typeflag === "g" || typeflag === "L" || typeflag === "K") {
      this.#beginMeta(typeflag, header.size);
    } else {
      this.#beginEntry(header);
    }
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
      try {
        readPax(body, this.#metaType === "g" ? this.#global : this.#local);
      } catch (error) {
        if (error instanceof PaxError) throw this.#corrupt(error.message);
        throw error;
      }
    }
    // A global header stands alone; the others belong to the entry behind them.
    if (this.#metaType === "g") this.#place = null;
  }

  #beginEntry(header: RawHeader): void {
    const type = TYPES[header.typeflag];
    const rawName = this.#record("path") ?? this.#longName ?? header.name;
    if (type === undefined) {
      throw this.#corrupt(
        `entries of type "${header.typeflag}" are not supported`,
        decodePath(rawName),
      );
    }
    const entry = this.#entry(header, type, rawName);
    this.#local.clear();
    this.#longName = this.#longLink = null;
    this.#place!.entry = entry.path;
    this.handler.entry(entry);
    this.#left = entry.size;
    this.#state = "content";
    this.#hasContent = type === "file";
    if (this.#left === 0) this.#contentEnded();
    else this.#pad = padding(entry.size);
  }

  #contentEnded(): void {
    if (this.#hasContent) this.handler.end();
    this.#place = null;
    this.#left = this.#pad;
    this.#pad = 0;
    this.#state = this.#left === 0 ? "header" : "padding";
  }

  #entry(header: RawHeader, rawType: EntryType, rawName: Uint8Array): TarEntry {
    const name = decodePath(rawName);
    for (const records of [this.#local, this.#global]) {
      for (const key of records.keys()) {
        if (key.startsWith("GNU.sparse.")) {
          throw this.#corrupt("sparse entries are not supported yet", name);
        }
      }
    }
    // v7 has no directories: a name that ends in a slash is one.
    const type = rawType === "file" && name.endsWith("/") ? "directory" : rawType;
    const path = this.#clean(name, name);
    const size = type === "hardlink" ? 0 : this.#number("size", header.size, name);
    if (size > 0 && type !== "file") throw this.#corrupt(`a ${type} claims to have content`, name);
    const mtime = this.#record("mtime");
    const time = mtime === undefined ? { s: header.mtime, ns: 0 } : parseTime(decodePath(mtime));
    if (time === null) throw this.#corrupt("the pax record mtime is not a time", name);
    let link: string | null = null;
    if (type === "hardlink" || type === "symlink") {
      link = decodePath(this.#record("linkpath") ?? this.#longLink ?? header.link);
      if (type === "hardlink") link = this.#clean(link, name);
      else if (link === "" || link.includes("\0")) throw this.#corrupt("a link is empty", name);
    }
    return {
      ...{ path, type, size, link, sha256: null, mode: header.mode },
      uid: this.#id("uid", header.uid, name),
      gid: this.#id("gid", header.gid, name),
      ...{ mtime_s: time.s, mtime_ns: time.ns },
      ...{ rdev_major: header.devmajor, rdev_minor: header.devminor },
      block_offset: this.#place!.offset,
      block_inner: this.#place!.inner ?? 0,
    };
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

  /** The path without leading "./" and final "/". Throws where it is absolute or leads upwards. */
  #clean(raw: string, entry: string): string {
    if (raw === "." || raw === "./") return ".";
    if (raw.startsWith("/")) throw this.#corrupt("a path is absolute", entry);
    if (raw.includes("\0")) throw this.#corrupt("a path holds a NUL", entry);
    const path = raw.replace(/^(\.\/)+/, "").replace(/\/$/, "");
    for (const part of path.split("/")) {
      if (part === "") throw this.#corrupt("a path has an empty part", entry);
      if (part === "." || part === "..") throw this.#corrupt(`a path has a part "${part}"`, entry);
    }
    return path;
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

/** Bytes parsed between two looks at the clock: a few hundred entries at most. */
const SLICE_BYTES = 256 << 10;

/**
 * Feeds all of `source` to `handler` and checks that the archive is complete. Throws
 * ARCHIVE_CORRUPT, IO, INTERRUPTED and whatever the handler throws.
 */
export async function readTar(
  archive: string,
  source: ChunkSource,
  handler: TarHandler,
  pulse: Pulse,
): Promise<void> {
  const parser = new TarParser(archive, handler);
  let offset = 0;
  for (let chunk = await source.next(); chunk !== null; chunk = await source.next()) {
    offset = chunk.offset;
    for (let at = 0; at < chunk.bytes.length; at += SLICE_BYTES) {
      parser.feed(chunk.bytes.subarray(at, at + SLICE_BYTES), offset, chunk.inner + at);
      if (pulse.due()) await pulse.beat();
    }
  }
  parser.finish(offset);
}
