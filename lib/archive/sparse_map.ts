/**
 * Where a file has data and where holes: found with SEEK_DATA and SEEK_HOLE, stored as GNU tar's
 * format 1.0 (`GNU.sparse.major=1`), which GNU tar, bsdtar and Python's tarfile read.
 *
 * The entry's content is then the map, as decimal numbers on lines of their own (how many segments
 * there are, then offset and length of each) filled up to 512 bytes, and the segments' data.
 */
import { seekData, seekHole, seekTo } from "../posix/files.ts";
import { ENXIO, lastErrno } from "../posix/libc.ts";
import type { Pulse } from "./pulse.ts";
import { BLOCK } from "./tar_header.ts";

/** Holes shorter than this are stored as the zeros they read as. */
const SHORTEST = 4096;
/** Segments that are told apart; beyond that, close ones are taken together. */
const MOST_SEGMENTS = 1 << 16;
/** Files whose holes come to more have no digest: hashing zeros would take longer than all else. */
export const MOST_HASHED_HOLES = 16 * 2 ** 30;

export interface SparseMap {
  /** Offset and length of each stretch of data, alternately, in order; none of them is empty. */
  segments: number[];
  /** Bytes of data: the sum of all lengths. */
  data: number;
  /** The map as it is stored, filled up to whole blocks. */
  header: Uint8Array;
}

/**
 * The map of an open file of `size` bytes; null where it has no holes worth telling, or the file
 * system does not say. The file is read from its start again afterwards. Throws INTERRUPTED.
 */
export async function sparseMap(fd: number, size: number, pulse: Pulse): Promise<SparseMap | null> {
  if (size <= SHORTEST) return null;
  let segments: number[] = [];
  let shortest = SHORTEST;
  for (let at = 0; at < size;) {
    if (pulse.due()) await pulse.beat();
    const start = seekData(fd, at);
    if (start < 0 && lastErrno() !== ENXIO) return null;
    if (start < 0 || start >= size) break; // nothing but a hole is left
    const found = seekHole(fd, start);
    const end = found <= start ? size : Math.min(found, size);
    add(segments, start, end, shortest);
    if (segments.length > 2 * MOST_SEGMENTS) {
      shortest *= 4;
      segments = merged(segments, shortest);
    }
    at = end;
  }
  seekTo(fd, 0);
  return asMap(segments, size);
}

/** The map of a file of `size` bytes that is told of part by part; null where it has no holes worth telling. */
export async function mapOfParts(
  parts: AsyncIterable<{ length: number; hole: boolean }>,
  size: number,
): Promise<SparseMap | null> {
  let segments: number[] = [];
  let shortest = SHORTEST;
  let at = 0;
  for await (const { length, hole } of parts) {
    if (!hole && length > 0) add(segments, at, at + length, shortest);
    at += length;
    if (segments.length <= 2 * MOST_SEGMENTS) continue;
    shortest *= 4;
    segments = merged(segments, shortest);
  }
  return asMap(segments, size);
}

function asMap(segments: number[], size: number): SparseMap | null {
  const data = segments.reduce((sum, value, i) => i % 2 === 1 ? sum + value : sum, 0);
  if (size - data < SHORTEST) return null;
  return { segments, data, header: mapHeader(segments, size) };
}

function add(segments: number[], start: number, end: number, shortest: number): void {
  const last = segments.length - 2;
  const near = last >= 0 ? start - (segments[last] + segments[last + 1]) : start;
  if (near >= shortest) segments.push(start, end - start);
  else if (last >= 0) segments[last + 1] = end - segments[last];
  else segments.push(0, end);
}

function merged(segments: number[], shortest: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < segments.length; i += 2) {
    add(out, segments[i], segments[i] + segments[i + 1], shortest);
  }
  return out;
}

function mapHeader(segments: number[], size: number): Uint8Array {
  const numbers = [...segments];
  const last = segments.length - 2;
  const end = last < 0 ? 0 : segments[last] + segments[last + 1];
  // A file that ends in a hole gets its length from an empty segment there.
  if (end < size) numbers.push(size, 0);
  const text = new TextEncoder().encode([numbers.length / 2, ...numbers].join("\n") + "\n");
  const out = new Uint8Array(Math.ceil(text.length / BLOCK) * BLOCK);
  out.set(text);
  return out;
}
