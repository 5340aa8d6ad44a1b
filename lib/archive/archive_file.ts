/** An archive file opened for reading: what kind it is, and where its blocks begin and end. */
import { DuckbackError } from "../core/errors.ts";
import type { Compression } from "../core/model.ts";
import { closeQuietly, open, readAt } from "../posix/files.ts";
import { O_NONBLOCK, O_RDONLY } from "../posix/libc.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import { fstat } from "../posix/stat.ts";
import { type Codec, GZIP_HEADER, gzipSizes, MAX_BLOCK } from "./codec.ts";
import { corrupt } from "./corrupt.ts";
import { PADDING_MAGIC } from "./pad_block.ts";
import { type FrameSizes, readSeekTable } from "./seek_table.ts";
import { BLOCK, readHeader } from "./tar_header.ts";
import {
  type FrameHeader,
  frameLength,
  isSkippable,
  isZstd,
  LONGEST_HEADER,
  readFrameHeader,
} from "./zstd_frame.ts";

/** A block in the archive file. */
export interface Cut {
  offset: number;
  /** Bytes in the file. */
  length: number;
  /** Bytes of tar stream in it. */
  content: number;
  /** Null for an archive that is not compressed. */
  codec: Codec | null;
}

/** A compressed block may be a little larger than its content. */
const MAX_COMPRESSED = MAX_BLOCK + (MAX_BLOCK >> 7) + 1024;
/** Bytes of an uncompressed archive that are handled at once. */
const PLAIN = 1 << 20;
const MAX_TABLE = 1 << 28;

export class ArchiveFile implements Disposable {
  readonly fd: number;
  readonly size: number;
  readonly compression: Compression;
  /** False for an archive without duckback's blocks: it can only be streamed from its start. */
  readonly blocks: boolean;
  /** The bytes of a zstd archive's seek table, once it was found where it belongs. */
  table: Uint8Array | null = null;
  #next = 0;
  readonly #frames: FrameSizes[] = [];

  /** Throws ARCHIVE_MISSING where there is no such file, ARCHIVE_CORRUPT where it is no archive. */
  constructor(readonly path: string) {
    this.fd = openArchive(path);
    try {
      this.size = fstat(this.fd).size;
      const start = new Uint8Array(BLOCK);
      const got = this.read(start, 0);
      [this.compression, this.blocks] = this.#recognise(start.subarray(0, got));
    } catch (error) {
      closeQuietly(this.fd);
      throw error;
    }
  }

  #recognise(start: Uint8Array): [Compression, boolean] {
    if (start.length === 0) throw corrupt(this.path, "the file is empty");
    if (start[0] === 0x1f && start[1] === 0x8b) return ["gzip", gzipSizes(start) !== null];
    if (isZstd(start)) {
      const header = readFrameHeader(start);
      const { content, checksum } = header ?? { content: null, checksum: false };
      return ["zstd", checksum && content !== null && content <= MAX_BLOCK];
    }
    try {
      if (start.length === BLOCK) {
        readHeader(start, 0);
        return ["none", true];
      }
    } catch {
      // not a tar either
    }
    throw corrupt(this.path, "this is neither a tar archive nor one compressed with gzip or zstd");
  }

  /** Reads at `offset`; fewer bytes than asked for only at the end of the file. Throws IO. */
  read(into: Uint8Array, offset: number): number {
    try {
      return readAt(this.fd, into, offset, this.path);
    } catch (error) {
      throw error instanceof PosixError ? asFileFailure(error) : error;
    }
  }

  /** The next block, or null behind the last one. Throws ARCHIVE_CORRUPT. */
  cut(): Cut | null {
    const offset = this.#next;
    if (offset === this.size) return null;
    const cut = this.compression === "gzip"
      ? this.#cutGzip(offset)
      : this.compression === "zstd"
      ? this.#cutZstd(offset)
      : this.#cutPlain(offset);
    if (cut !== null) this.#next = offset + cut.length;
    return cut;
  }

  /**
   * The block that begins at `offset`, wherever `cut` is; null where the archive's blocks end. Throws
   * ARCHIVE_CORRUPT.
   */
  cutAt(offset: number): Cut | null {
    if (offset === this.size) return null;
    if (offset > this.size) throw this.#cutShort(offset);
    if (this.compression === "gzip") return this.#cutGzip(offset);
    if (this.compression === "none") return this.#cutPlain(offset);
    const head = this.#frameHead(offset);
    return isSkippable(head) ? null : this.#cutFrame(offset, head);
  }

  /** The bytes of a block, read into `buffer`, which is at least as long. */
  load(cut: Cut, buffer = new ArrayBuffer(cut.length)): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(buffer, 0, cut.length);
    if (this.read(bytes, cut.offset) < cut.length) throw this.#cutShort(cut.offset);
    return bytes;
  }

  #cutPlain(offset: number): Cut {
    const length = Math.min(PLAIN, this.size - offset);
    return { offset, length, content: length, codec: null };
  }

  #cutGzip(offset: number): Cut {
    const header = new Uint8Array(GZIP_HEADER);
    if (this.read(header, offset) < header.length) throw this.#cutShort(offset);
    const sizes = gzipSizes(header);
    if (sizes === null) throw corrupt(this.path, "a block's header is damaged", { offset });
    if (sizes.member < GZIP_HEADER + 8 || sizes.member > MAX_COMPRESSED) {
      throw corrupt(this.path, `a block claims to be ${sizes.member} bytes long`, { offset });
    }
    this.#checkSize(sizes.content, offset);
    if (offset + sizes.member > this.size) throw this.#cutShort(offset);
    return { offset, length: sizes.member, content: sizes.content, codec: "gzip" };
  }

  #cutZstd(offset: number): Cut | null {
    const head = this.#frameHead(offset);
    if (isSkippable(head)) return this.#endZstd(offset, head);
    const cut = this.#cutFrame(offset, head);
    this.#frames.push({ compressed: cut.length, content: cut.content });
    return cut;
  }

  #frameHead(offset: number): Uint8Array {
    const start = new Uint8Array(LONGEST_HEADER);
    const head = start.subarray(0, this.read(start, offset));
    if (head.length < 8) throw this.#cutShort(offset);
    return head;
  }

  #cutFrame(offset: number, head: Uint8Array): Cut {
    const header = readFrameHeader(head);
    if (header === null || header.content === null || !header.checksum) {
      throw corrupt(this.path, "a block's header is damaged", { offset });
    }
    this.#checkSize(header.content, offset);
    const length = this.#padded(offset, this.#frameLength(header, offset));
    if (offset + length > this.size) throw this.#cutShort(offset);
    return { offset, length, content: header.content, codec: "zstd" };
  }

  /** Length of a frame with the padding behind it, where there is some. */
  #padded(offset: number, length: number): number {
    const head = new Uint8Array(8);
    if (this.read(head, offset + length) < head.length) return length;
    const view = new DataView(head.buffer);
    if (view.getUint32(0, true) !== PADDING_MAGIC) return length;
    const padded = length + head.length + view.getUint32(4, true);
    if (padded <= MAX_COMPRESSED) return padded;
    throw corrupt(this.path, "a block's padding is too long", { offset: offset + length });
  }

  #frameLength(header: FrameHeader, offset: number): number {
    const length = frameLength(header, MAX_COMPRESSED, (into, at) => this.read(into, offset + at));
    if (length !== null) return length;
    throw corrupt(this.path, "a block is damaged or cut short", { offset });
  }

  /** Checks that the skippable frame at `offset` is the seek table, complete and the file's end. */
  #endZstd(offset: number, head: Uint8Array): null {
    const length = 8 + new DataView(head.buffer, head.byteOffset).getUint32(4, true);
    if (offset + length > this.size) throw this.#cutShort(offset);
    const bytes = new Uint8Array(Math.min(length, MAX_TABLE));
    this.read(bytes, offset);
    const table = readSeekTable(bytes);
    const same = table !== null && table.length === this.#frames.length &&
      table.every((frame, i) =>
        frame.compressed === this.#frames[i].compressed && frame.content === this.#frames[i].content
      );
    if (!same) throw corrupt(this.path, "the seek table is damaged", { offset });
    if (offset + length !== this.size) {
      throw corrupt(this.path, "there is more behind the archive's end", {
        offset: offset + length,
      });
    }
    this.table = bytes;
    this.#next = this.size;
    return null;
  }

  #checkSize(content: number, offset: number): void {
    if (content <= MAX_BLOCK) return;
    throw corrupt(this.path, `a block claims to hold ${content} bytes`, { offset });
  }

  #cutShort(offset: number) {
    return corrupt(this.path, `the file is cut short after ${this.size} bytes`, { offset });
  }

  [Symbol.dispose](): void {
    closeQuietly(this.fd);
  }
}

function openArchive(path: string): number {
  try {
    const fd = open(path, O_RDONLY | O_NONBLOCK);
    const { type } = fstat(fd);
    if (type === "file") return fd;
    closeQuietly(fd);
    throw new DuckbackError("ARCHIVE_MISSING", `Cannot open archive "${path}": it is a ${type}`);
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    const failure = asFileFailure(error, "open archive");
    throw new DuckbackError("ARCHIVE_MISSING", failure.message, { cause: error });
  }
}
