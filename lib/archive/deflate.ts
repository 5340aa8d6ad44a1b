/** Raw DEFLATE (RFC 1951) and CRC-32 of whole blocks: by libdeflate, else by node:zlib. */
import zlib from "node:zlib";
import { BlockError } from "./block_error.ts";
import { libdeflate } from "./libdeflate.ts";

/** An output chunk that is filled to its end makes node:zlib take another one as large. */
export const SPARE = 64;

/** Larger buffers than this are never shared between results of node:zlib (its pool has 8 KiB). */
const SHARED_MOST = 64 << 10;

/**
 * libdeflate's level for each of gzip's: the fastest that takes no more than 1 % more room on each of
 * the benchmark's corpora. Its own numbers mean more work and better compression.
 */
const LIBRARY_LEVELS = [0, 1, 1, 2, 2, 3, 5, 6, 7, 8];

/** Deflates `input` with `level` 0 to 9 to the start of `room`, where it must fit. */
export function deflateRaw(level: number, input: Uint8Array, room: Uint8Array): Uint8Array {
  const length = libdeflate()?.deflate(LIBRARY_LEVELS[level], input, room) ?? 0;
  if (length > 0) return room.subarray(0, length);
  // One output chunk that holds everything: the default of 16 KiB costs a tenth of the speed.
  const deflated = zlib.deflateRawSync(input, { level, chunkSize: room.length });
  return moved(deflated, room);
}

/** The same on another thread: how many bytes, 0 where it cannot be. The library must be there. */
export function deflateAside(level: number, input: Uint8Array, room: Uint8Array): Promise<number> {
  return libdeflate()!.deflateAside(LIBRARY_LEVELS[level], input, room);
}

/** Room in which anything of `length` bytes fits as a block, whatever compresses it. */
export function mostCompressed(length: number): number {
  return length + (length >> 8) + 1024;
}

/** What node:zlib made, at the start of `room`. */
export function moved(result: Uint8Array, room: Uint8Array): Uint8Array {
  room.set(result);
  const { length, buffer } = result;
  // Frees it now: waiting for the collector costs hundreds of megabytes.
  if (buffer.byteLength > SHARED_MOST) (buffer as ArrayBuffer).transfer(0);
  return room.subarray(0, length);
}

/** Inflates all of `input` to exactly `size` bytes at the start of `room`. Throws BlockError. */
export function inflateRaw(input: Uint8Array, size: number, room: Uint8Array): Uint8Array {
  const library = libdeflate();
  if (library === null) return moved(inflateByZlib(input, size), room);
  const output = room.subarray(0, size);
  const result = library.inflate(input, output);
  if (result === "damaged") throw new BlockError(`${DAMAGED}: its deflated data is not valid`);
  if (result === "too long" || library.written !== size) throw new BlockError(NOT_AS_LONG);
  if (library.taken !== input.length) throw holdsMore();
  return output;
}

export const DAMAGED = "the block is damaged";
export const NOT_AS_LONG = "the block's content is not as long as declared";

function inflateByZlib(input: Uint8Array, size: number): Uint8Array {
  let result: { buffer: Uint8Array; engine: { bytesWritten: number } };
  try {
    // maxOutputLength ends a bomb; `info` tells how much input the stream really took.
    result = zlib.inflateRawSync(input, {
      chunkSize: size + SPARE,
      maxOutputLength: Math.max(size, 64),
      info: true,
    }) as unknown as typeof result;
  } catch (error) {
    throw new BlockError(`${DAMAGED}: ${(error as Error).message}`);
  }
  if (result.engine.bytesWritten !== input.length) throw holdsMore();
  if (result.buffer.length !== size) throw new BlockError(NOT_AS_LONG);
  return result.buffer;
}

function holdsMore(): BlockError {
  return new BlockError("the block holds more than its compressed data");
}

export function crc32(bytes: Uint8Array): number {
  return libdeflate()?.crc32(bytes) ?? zlib.crc32(bytes);
}
