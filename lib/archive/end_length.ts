/** How an archive ends. */
import { BLOCK, RECORD } from "./tar_header.ts";

/** Length of the zeros that end an archive: two blocks at least, up to a whole record. */
export function endLength(content: number): number {
  const least = content + 2 * BLOCK;
  return Math.ceil(least / RECORD) * RECORD - content;
}
