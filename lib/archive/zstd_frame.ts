/** Finds where a zstd frame ends without decompressing it (RFC 8878, 3.1.1). */
import { SKIPPABLE_MAGIC } from "./seek_table.ts";

const MAGIC = 0xfd2fb528;
/** Longest frame header, and what must be read to know it. */
export const LONGEST_HEADER = 18;
const BLOCK_HEADER = 3;
/** No block's compressed or raw data is longer. */
const MOST_IN_BLOCK = 128 << 10;

export interface FrameHeader {
  /** Bytes of the header itself. */
  length: number;
  /** Content size, null where the frame does not say. */
  content: number | null;
  checksum: boolean;
}

export function isZstd(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return magic === MAGIC || isSkippable(bytes);
}

/** True for a frame that decoders skip; its content's length follows as u32. */
export function isSkippable(bytes: Uint8Array): boolean {
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return (magic & 0xfffffff0) >>> 0 === (SKIPPABLE_MAGIC & 0xfffffff0) >>> 0;
}

/** The header at the start of `bytes` (LONGEST_HEADER of them, fewer at the end); null if damaged. */
export function readFrameHeader(bytes: Uint8Array): FrameHeader | null {
  if (bytes.length < 6) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const descriptor = bytes[4];
  if (descriptor & 0x08) return null; // reserved, must be zero
  const single = (descriptor & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3];
  if (at + sizeBytes > bytes.length) return null;
  let content: number | null = null;
  if (sizeBytes === 1) content = bytes[at];
  else if (sizeBytes === 2) content = view.getUint16(at, true) + 256;
  else if (sizeBytes === 4) content = view.getUint32(at, true);
  else if (sizeBytes === 8) content = Number(view.getBigUint64(at, true));
  return { length: at + sizeBytes, content, checksum: (descriptor & 0x04) !== 0 };
}

/**
 * Length of the frame whose header is known, or null where it is damaged, cut short or longer than
 * `most`. `readAt` gives up to `into.length` bytes at an offset from the frame's start.
 */
export function frameLength(
  header: FrameHeader,
  most: number,
  readAt: (into: Uint8Array, offset: number) => number,
): number | null {
  const head = new Uint8Array(BLOCK_HEADER);
  let at = header.length;
  for (;;) {
    if (at > most || readAt(head, at) < BLOCK_HEADER) return null;
    const word = head[0] | (head[1] << 8) | (head[2] << 16);
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === 3 || (type !== 1 && size > MOST_IN_BLOCK)) return null;
    at += BLOCK_HEADER + (type === 1 ? 1 : size);
    if (word & 1) return at + (header.checksum ? 4 : 0);
  }
}
