/**
 * A compressed block made as long as the one it replaces, in ways that every reader of its format
 * takes: nothing behind it in the archive has to move.
 */
import { type Codec, GZIP_HEADER } from "./codec.ts";
import { readFrameHeader } from "./zstd_frame.ts";

/** Magic number of the skippable frame (RFC 8878, 3.1.2) that fills the room behind a shorter block. */
export const PADDING_MAGIC = 0x184d2a50;
const SKIPPABLE_HEADER = 8;

/** `block` with `length` bytes, or null where that cannot be. */
export function padBlock(codec: Codec, block: Uint8Array, length: number): Uint8Array | null {
  const pad = length - block.length;
  if (pad < 0) return null;
  if (pad === 0) return block;
  return codec === "gzip" ? padMember(block, pad) : padFrame(block, pad);
}

/** A stored block of no bytes that is not the last one (RFC 1951, 3.2.4), on a byte boundary. */
const STORED = Uint8Array.of(0x00, 0x00, 0x00, 0xff, 0xff);
/** An empty block of fixed codes (10 bits), then such a stored one: 6 bytes. */
const FIXED_AND_STORED = Uint8Array.of(0x02, 0x00, 0x00, 0x00, 0xff, 0xff);

/** Empty deflate blocks before the others: 5a + 6b bytes, so not 1-4, 7-9, 13, 14 or 19. */
function padMember(member: Uint8Array, pad: number): Uint8Array | null {
  const longer = pad % STORED.length;
  const shorter = Math.floor(pad / STORED.length) - longer;
  if (shorter < 0) return null;
  const out = new Uint8Array(member.length + pad);
  out.set(member.subarray(0, GZIP_HEADER));
  new DataView(out.buffer).setUint32(16, out.length, true);
  let at = GZIP_HEADER;
  for (let i = 0; i < shorter; i++, at += STORED.length) out.set(STORED, at);
  for (let i = 0; i < longer; i++, at += FIXED_AND_STORED.length) out.set(FIXED_AND_STORED, at);
  out.set(member.subarray(GZIP_HEADER), at);
  return out;
}

/** A skippable frame behind the block; for 3 and 6 bytes empty raw blocks in it (RFC 8878, 3.1.1.2). */
function padFrame(frame: Uint8Array, pad: number): Uint8Array | null {
  const out = new Uint8Array(frame.length + pad);
  if (pad >= SKIPPABLE_HEADER) {
    out.set(frame);
    const view = new DataView(out.buffer, frame.length);
    view.setUint32(0, PADDING_MAGIC, true);
    view.setUint32(4, pad - SKIPPABLE_HEADER, true);
    return out;
  }
  const header = readFrameHeader(frame);
  if (pad % 3 !== 0 || header === null) return null;
  out.set(frame.subarray(0, header.length)); // and zeros: raw, not the last, no bytes
  out.set(frame.subarray(header.length), header.length + pad);
  return out;
}
