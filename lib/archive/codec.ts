/** Compresses and decompresses one block: a gzip member or a zstd frame, each complete in itself. */
import type { Compression } from "../core/model.ts";
import { BlockError } from "./block_error.ts";
import { crc32, deflateAside, deflateRaw, inflateRaw, mostCompressed } from "./deflate.ts";
import { unzstdFrame, zstdFrame, zstdFrameAside } from "./zstd.ts";

export { BlockError, mostCompressed };

/** A compression that has blocks of its own. */
export type Codec = Exclude<Compression, "none">;

/** Bytes of tar stream in one block. Larger zstd frames compress better, smaller ones spread better. */
export const BLOCK_BYTES: Record<Compression, number> = {
  gzip: 1 << 20,
  zstd: 8 << 20,
  none: 1 << 20,
};

/** Largest block that is read, compressed or not: what a hostile archive may claim ends here. */
export const MAX_BLOCK = 16 << 20;

/**
 * Header of each gzip member: FEXTRA with one subfield "DK" of 8 bytes (RFC 1952, 2.3.1.1): size of
 * the whole member, then of its content, both u32 little-endian. So members can be cut out and given
 * to several workers without being inflated first.
 */
export const GZIP_HEADER = 24;
const GZIP_TRAILER = 8;
const FIXED = Uint8Array.of(0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 12, 0, 0x44, 0x4b, 8, 0);

/**
 * Compresses `input` into one member or frame at the start of `room`, which has `mostCompressed` bytes.
 * `level` is 0-9 for gzip, 1-22 for zstd.
 */
export function compressBlock(
  codec: Codec,
  level: number,
  input: Uint8Array,
  room: Uint8Array = new Uint8Array(mostCompressed(input.length)),
): Uint8Array {
  return codec === "gzip" ? gzipMember(level, input, room) : zstdFrame(level, input, room);
}

/**
 * The same on another thread; null where it cannot be. The libraries must be there, and both buffers
 * belong to that thread meanwhile.
 */
export async function compressBlockAside(
  codec: Codec,
  level: number,
  input: Uint8Array,
  room: Uint8Array,
): Promise<Uint8Array | null> {
  let length: number;
  if (codec === "gzip") {
    const random = looksRandom(input) &&
      await zstdFrameAside(SIZING_LEVEL, input, room) > input.length * RANDOM;
    length = await deflateAside(random ? 0 : level, input, gzipBody(room));
  } else length = await zstdFrameAside(level, input, room);
  if (length === 0) return null;
  return codec === "gzip" ? completeMember(input, room, length) : room.subarray(0, length);
}

/**
 * The inverse of `compressBlock`, at the start of `room`, which has `size` bytes at least: the
 * content's. Throws BlockError.
 */
export function decompressBlock(
  codec: Codec,
  input: Uint8Array,
  size: number,
  room: Uint8Array = new Uint8Array(size),
): Uint8Array {
  return codec === "gzip" ? gunzipMember(input, size, room) : unzstdFrame(input, size, room);
}

function gzipMember(level: number, input: Uint8Array, room: Uint8Array): Uint8Array {
  // Deflate takes long over what cannot be compressed, zstd next to no time.
  const random = looksRandom(input) &&
    zstdFrame(SIZING_LEVEL, input, room).length > input.length * RANDOM;
  const { length } = deflateRaw(random ? 0 : level, input, gzipBody(room));
  return completeMember(input, room, length);
}

/** Where in `room` the deflated data goes. */
function gzipBody(room: Uint8Array): Uint8Array {
  return room.subarray(GZIP_HEADER, room.length - GZIP_TRAILER);
}

/** Puts what belongs before and behind the `length` deflated bytes of `input` that are in `room`. */
function completeMember(input: Uint8Array, room: Uint8Array, length: number): Uint8Array {
  const out = room.subarray(0, GZIP_HEADER + length + GZIP_TRAILER);
  const view = new DataView(out.buffer, out.byteOffset);
  out.set(FIXED);
  view.setUint32(16, out.length, true);
  view.setUint32(20, input.length, true);
  view.setUint32(out.length - 8, crc32(input), true);
  view.setUint32(out.length - 4, input.length, true);
  return out;
}

/** What zstd cannot make 1 % smaller, and has bytes this evenly spread, deflate cannot either. */
const RANDOM = 0.99;
const SIZING_LEVEL = 1;
const RANDOM_BITS = 7.95;
const SLICE = 512;
const SLICES = 64;

/**
 * True where a sample's bytes are spread as in media or archives: 32 KiB from all over the block, so
 * that a twentieth of text among pictures is seen. Says nothing of repetitions.
 */
function looksRandom(input: Uint8Array): boolean {
  const step = Math.floor(input.length / SLICES);
  if (step < SLICE) return false; // a block this short is done in no time
  const counts = new Uint32Array(256);
  for (let slice = 0; slice < SLICES; slice++) {
    const start = slice * step;
    for (let i = start; i < start + SLICE; i++) counts[input[i]]++;
  }
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits -= count / (SLICE * SLICES) * Math.log2(count / (SLICE * SLICES));
  }
  return bits >= RANDOM_BITS;
}

/** Sizes that a member's header states, or null where this is not one of our members. */
export function gzipSizes(header: Uint8Array): { member: number; content: number } | null {
  if (header.length < GZIP_HEADER) return null;
  for (let i = 0; i < FIXED.length; i++) {
    // Time, flags of the compressor and operating system (4 to 9) say nothing about the content.
    if (header[i] !== FIXED[i] && !(i >= 4 && i <= 9)) return null;
  }
  const view = new DataView(header.buffer, header.byteOffset);
  return { member: view.getUint32(16, true), content: view.getUint32(20, true) };
}

function gunzipMember(input: Uint8Array, size: number, room: Uint8Array): Uint8Array {
  const body = input.length - GZIP_HEADER - GZIP_TRAILER;
  if (body < 1) throw new BlockError("the block is too short");
  const output = inflateRaw(input.subarray(GZIP_HEADER, GZIP_HEADER + body), size, room);
  const view = new DataView(input.buffer, input.byteOffset + GZIP_HEADER + body);
  if (view.getUint32(4, true) !== size) {
    throw new BlockError("the block's content is not as long as declared");
  }
  if (view.getUint32(0, true) !== crc32(output)) {
    throw new BlockError("the block's checksum (CRC-32) is wrong");
  }
  return output;
}
