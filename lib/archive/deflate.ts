/** Raw DEFLATE (RFC 1951) and CRC-32 of whole blocks: by libdeflate, else by node:zlib. */
import zlib from "node:zlib";
import { BlockError } from "./block_error.ts";
import { type Libdeflate, libdeflate } from "./libdeflate.ts";

/** An output chunk that is filled to its end makes node:zlib take another one as large. */
const SPARE = 64;

/** Larger buffers than this are never shared between results of node:zlib (its pool has 8 KiB). */
export const SHARED_MOST = 64 << 10;

/**
 * libdeflate's level for each of gzip's: the fastest that takes no more than 1 % more room on each of
 * the benchmark's corpora. Its own numbers mean more work and better compression.
 */
const LIBRARY_LEVELS = [0, 1, 1, 2, 2, 3, 5, 6, 7, 8];

/** Room for what libdeflate makes, before its length is known; as long as the longest block so far. */
let scratch = new Uint8Array(0);

/**
 * Deflates `input` with `level` 0 to 9. The result has `before` bytes free in front of the deflated
 * data and `after` behind it.
 */
export function deflateRaw(
  level: number,
  input: Uint8Array,
  before: number,
  after: number,
): Uint8Array<ArrayBuffer> {
  const library = libdeflate();
  const deflated = (library && deflateByLibrary(library, level, input)) ??
    // One output chunk that holds everything: the default of 16 KiB costs a tenth of the speed.
    zlib.deflateRawSync(input, { level, chunkSize: mostCompressed(input.length) });
  const out = new Uint8Array(before + deflated.length + after);
  out.set(deflated, before);
  if (deflated.buffer !== scratch.buffer) giveBack(deflated);
  return out;
}

/** A view of `scratch`; null where the library cannot do it. */
function deflateByLibrary(
  library: Libdeflate,
  level: number,
  input: Uint8Array,
): Uint8Array | null {
  const most = mostCompressed(input.length);
  if (scratch.length < most) scratch = new Uint8Array(most);
  const length = library.deflate(LIBRARY_LEVELS[level], input, scratch);
  return length === 0 ? null : scratch.subarray(0, length);
}

/** Room in which anything of `length` bytes fits once it is compressed, whatever compresses it. */
export function mostCompressed(length: number): number {
  return length + (length >> 8) + 1024;
}

/** Frees memory now: waiting for the collector costs hundreds of megabytes. */
export function giveBack(result: Uint8Array): void {
  const whole = result.buffer as ArrayBuffer;
  if (whole.byteLength > SHARED_MOST) whole.transfer(0);
}

/** Inflates all of `input` to exactly `size` bytes. Throws BlockError; takes no more memory than that. */
export function inflateRaw(input: Uint8Array, size: number): Uint8Array {
  const library = libdeflate();
  return library === null ? inflateByZlib(input, size) : inflateByLibrary(library, input, size);
}

const DAMAGED = "the block is damaged";
const NOT_AS_LONG = "the block's content is not as long as declared";

function inflateByLibrary(library: Libdeflate, input: Uint8Array, size: number): Uint8Array {
  const output = new Uint8Array(size);
  const result = library.inflate(input, output);
  if (result === "damaged") throw new BlockError(`${DAMAGED}: its deflated data is not valid`);
  if (result === "too long" || library.written !== size) throw new BlockError(NOT_AS_LONG);
  if (library.taken !== input.length) throw holdsMore();
  return output;
}

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
