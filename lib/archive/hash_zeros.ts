/** The holes of sparse files, as the zeros they read as, into a digest. */
import type { Hash } from "node:crypto";
import type { Pulse } from "./pulse.ts";

/** Small enough to stay in the processor's cache. */
const ZEROS = new Uint8Array(256 << 10);

/** Adds `count` zeros, 1.4 GB/s; gives the event loop turns meanwhile. Throws INTERRUPTED. */
export async function hashZeros(digest: Hash, count: number, pulse: Pulse): Promise<void> {
  for (let left = count; left > 0; left -= ZEROS.length) {
    if (pulse.due()) await pulse.beat();
    addZeros(digest, Math.min(left, ZEROS.length));
  }
}

/** The same at once. */
export function addZeros(digest: Hash, count: number): void {
  for (let left = count; left > 0; left -= ZEROS.length) {
    digest.update(left >= ZEROS.length ? ZEROS : ZEROS.subarray(0, left));
  }
}
