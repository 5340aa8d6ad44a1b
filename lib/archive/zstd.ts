/** zstd frames of whole blocks: by libzstd, else by node:zlib. */
import zlib from "node:zlib";
import { BlockError } from "./block_error.ts";
import { DAMAGED, moved, NOT_AS_LONG, SPARE } from "./deflate.ts";
import { compress, compressAside, decompress, hasLibzstd, type Parameters } from "./libzstd.ts";
import { frameLength, LONGEST_HEADER, readFrameHeader } from "./zstd_frame.ts";

/** The same numbers in the library. */
const {
  ZSTD_c_compressionLevel: LEVEL,
  ZSTD_c_hashLog: HASH_LOG,
  ZSTD_c_chainLog: CHAIN_LOG,
  ZSTD_c_checksumFlag: CHECKSUM,
  ZSTD_c_contentSizeFlag: CONTENT_SIZE,
} = zlib.constants;

/**
 * Level 3 with tables that stay in the processor's cache (384 KiB instead of 768): a quarter less time,
 * and no more than 2 % more room on each of the benchmark's corpora.
 */
const TUNED: Record<number, Parameters> = { 3: [[HASH_LOG, 16], [CHAIN_LOG, 15]] };
/** Shorter blocks have small tables anyway. */
const LEAST_TUNED = 256 << 10;

/** Compresses `input` into a frame at the start of `room`, where it must fit; `level` is 1 to 22. */
export function zstdFrame(level: number, input: Uint8Array, room: Uint8Array): Uint8Array {
  const parameters = parametersFor(level, input);
  if (hasLibzstd()) {
    const length = compress(parameters, input, room);
    if (length > 0) return room.subarray(0, length);
  }
  const frame = zlib.zstdCompressSync(input, {
    // One output chunk that holds everything: the default of 16 KiB costs a tenth of the speed.
    chunkSize: room.length,
    // Without it the frame header does not state the content's size.
    pledgedSrcSize: input.length,
    params: Object.fromEntries([...parameters, [CONTENT_SIZE, 1]]),
  } as zlib.ZstdOptions);
  return moved(frame, room);
}

/** The same on another thread: the frame's length, 0 where it cannot be. The library must be there. */
export function zstdFrameAside(
  level: number,
  input: Uint8Array,
  room: Uint8Array,
): Promise<number> {
  return compressAside(parametersFor(level, input), input, room);
}

function parametersFor(level: number, input: Uint8Array): Parameters {
  const tuned = input.length > LEAST_TUNED ? TUNED[level] ?? [] : [];
  return [[LEVEL, level], [CHECKSUM, 1], ...tuned];
}

/** Decompresses the frame in `input` to `size` bytes at the start of `room`. Throws BlockError. */
export function unzstdFrame(input: Uint8Array, size: number, room: Uint8Array): Uint8Array {
  const output = room.subarray(0, size);
  if (hasLibzstd()) {
    const length = decompress(input, output);
    if (length < 0) throw new BlockError(`${DAMAGED}: its compressed data is not valid`);
    if (length !== size) throw new BlockError(NOT_AS_LONG);
    return output;
  }
  // Deno's node:zlib may take a frame cut short as a success.
  if (!isWhole(input)) throw new BlockError(`${DAMAGED}: it is cut short`);
  let result: Uint8Array;
  try {
    result = zlib.zstdDecompressSync(input, {
      chunkSize: size + SPARE,
      maxOutputLength: Math.max(size, 64),
    });
  } catch (error) {
    throw new BlockError(`${DAMAGED}: ${(error as Error).message}`);
  }
  if (result.length !== size) throw new BlockError(NOT_AS_LONG);
  return moved(result, room);
}

function isWhole(input: Uint8Array): boolean {
  const header = readFrameHeader(input.subarray(0, LONGEST_HEADER));
  if (header === null) return false;
  const length = frameLength(header, input.length, (into, at) => {
    const part = input.subarray(at, at + into.length);
    into.set(part);
    return part.length;
  });
  return length !== null && length <= input.length;
}
