/** Streams archives that have no blocks of duckback's: whatever gzip or zstd made, from the start. */
import { createReadStream } from "node:fs";
import zlib from "node:zlib";
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { ArchiveFile } from "./archive_file.ts";
import type { BlockReaderOptions, Chunk, ChunkSource } from "./block_reader.ts";
import { corrupt } from "./corrupt.ts";
import { frameLength, isSkippable, LONGEST_HEADER, readFrameHeader } from "./zstd_frame.ts";

const CHUNK = 1 << 18;

/**
 * Gives back a buffer of node:zlib, which hands one out slice by slice and never touches it behind the
 * last: waiting for the collector costs hundreds of megabytes.
 */
function freeIfLast({ buffer, byteOffset, length }: Uint8Array): void {
  if (buffer.byteLength === CHUNK && byteOffset + length === CHUNK) {
    (buffer as ArrayBuffer).transfer(0);
  }
}

/** Chunks carry the offset of the gzip stream or zstd frame, and the place in what it inflates to. */
export class ForeignReader implements ChunkSource, Disposable {
  readonly #chunks: AsyncGenerator<Chunk>;

  constructor(readonly file: ArchiveFile, readonly options: BlockReaderOptions) {
    this.#chunks = file.compression === "gzip" ? this.#stream(0, file.size) : this.#frames();
  }

  /** Throws ARCHIVE_CORRUPT, IO, INTERRUPTED. */
  async next(): Promise<Chunk | null> {
    throwIfAborted(this.options.signal);
    const result = await this.#chunks.next();
    throwIfAborted(this.options.signal);
    return result.done ? null : result.value;
  }

  /** node:zlib takes the first of several frames only: each is found and decompressed by itself. */
  async *#frames(): AsyncGenerator<Chunk> {
    const { file } = this;
    for (let offset = 0; offset < file.size;) {
      const start = new Uint8Array(LONGEST_HEADER);
      const head = start.subarray(0, file.read(start, offset));
      const skipped = head.length >= 8 && isSkippable(head);
      const header = skipped ? null : readFrameHeader(head);
      const length = skipped
        ? 8 + new DataView(head.buffer).getUint32(4, true)
        : header && frameLength(header, file.size, (into, at) => file.read(into, offset + at));
      if (length === null || offset + length > file.size) {
        throw corrupt(file.path, "a frame is damaged or cut short", { offset });
      }
      if (!skipped) {
        let size = 0;
        for await (const chunk of this.#stream(offset, offset + length)) {
          size += chunk.bytes.length;
          yield chunk;
        }
        if (header!.content !== null && header!.content !== size) {
          throw corrupt(file.path, "a frame is not as long as declared", { offset });
        }
      }
      offset += length;
    }
  }

  async *#stream(start: number, end: number): AsyncGenerator<Chunk> {
    const { file } = this;
    const raw = createReadStream(file.path, { start, end: end - 1, highWaterMark: 1 << 18 });
    if (this.options.onRaw !== undefined) {
      raw.on("data", (bytes) => this.options.onRaw!(bytes as Uint8Array));
    }
    const options = { chunkSize: CHUNK };
    const inflate = file.compression === "gzip"
      ? zlib.createGunzip(options)
      : zlib.createZstdDecompress(options);
    raw.on("error", (error) => inflate.destroy(error));
    raw.pipe(inflate);
    let inner = 0;
    try {
      for await (const bytes of inflate as AsyncIterable<Uint8Array>) {
        inner += bytes.length;
        yield { bytes, offset: start, inner: inner - bytes.length };
        freeIfLast(bytes);
      }
    } catch (error) {
      if (error instanceof DuckbackError) throw error;
      if ((error as { syscall?: string }).syscall !== undefined) throw asDuckbackError(error);
      const place = { offset: start, inner };
      throw corrupt(
        file.path,
        `the compressed data is damaged: ${(error as Error).message}`,
        place,
      );
    } finally {
      raw.destroy();
      inflate.destroy();
    }
  }

  [Symbol.dispose](): void {
    void this.#chunks.return(undefined).catch(() => {});
  }
}
