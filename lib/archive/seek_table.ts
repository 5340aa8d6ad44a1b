/**
 * The standard zstd seek table: a skippable frame behind the last frame that lists the sizes of all
 * (zstd's contrib/seekable_format). Decoders skip it; tools that know it jump to any frame.
 */

export interface FrameSizes {
  compressed: number;
  content: number;
}

export const SKIPPABLE_MAGIC = 0x184d2a5e;
const FOOTER_MAGIC = 0x8f92eab1;
const ENTRY = 8;
const FOOTER = 9;
/** Magic and size before every skippable frame. */
const HEADER = 8;

/** The whole skippable frame, without checksums in its entries (the frames have their own). */
export function writeSeekTable(frames: FrameSizes[]): Uint8Array {
  const out = new Uint8Array(HEADER + frames.length * ENTRY + FOOTER);
  const view = new DataView(out.buffer);
  view.setUint32(0, SKIPPABLE_MAGIC, true);
  view.setUint32(4, out.length - HEADER, true);
  frames.forEach((frame, i) => {
    view.setUint32(HEADER + i * ENTRY, frame.compressed, true);
    view.setUint32(HEADER + i * ENTRY + 4, frame.content, true);
  });
  const footer = out.length - FOOTER;
  view.setUint32(footer, frames.length, true);
  view.setUint8(footer + 4, 0);
  view.setUint32(footer + 5, FOOTER_MAGIC, true);
  return out;
}

/** The frames that a whole skippable frame lists, or null where it is not such a table. */
export function readSeekTable(bytes: Uint8Array): FrameSizes[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const footer = bytes.length - FOOTER;
  if (footer < HEADER || view.getUint32(footer + 5, true) !== FOOTER_MAGIC) return null;
  if (view.getUint32(0, true) !== SKIPPABLE_MAGIC || view.getUint8(footer + 4) !== 0) return null;
  const count = view.getUint32(footer, true);
  if (HEADER + count * ENTRY !== footer || view.getUint32(4, true) !== bytes.length - HEADER) {
    return null;
  }
  return Array.from({ length: count }, (_, i) => ({
    compressed: view.getUint32(HEADER + i * ENTRY, true),
    content: view.getUint32(HEADER + i * ENTRY + 4, true),
  }));
}

/** Where the last frame lies, from the table at the end of a file of `size` bytes; null without one. */
export function lastFrame(
  size: number,
  readAt: (into: Uint8Array, offset: number) => number,
): (FrameSizes & { offset: number }) | null {
  const footer = new Uint8Array(FOOTER);
  if (size < HEADER + ENTRY + FOOTER || readAt(footer, size - FOOTER) < FOOTER) return null;
  const view = new DataView(footer.buffer);
  const count = view.getUint32(0, true);
  const start = size - FOOTER - count * ENTRY - HEADER;
  if (view.getUint32(5, true) !== FOOTER_MAGIC || count === 0 || start < 0) return null;
  const entry = new Uint8Array(ENTRY);
  readAt(entry, size - FOOTER - ENTRY);
  const sizes = new DataView(entry.buffer);
  const compressed = sizes.getUint32(0, true);
  if (compressed > start) return null;
  return { compressed, content: sizes.getUint32(4, true), offset: start - compressed };
}
