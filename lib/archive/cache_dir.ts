/** CACHEDIR.TAG: directories whose content can be made again (https://bford.info/cachedir/). */
import { closeQuietly, openAt, tryRead } from "../posix/files.ts";
import type { Listing } from "../posix/directory.ts";
import { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "../posix/libc.ts";

export const CACHE_TAG = "CACHEDIR.TAG";
const SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55";
const NAME = new TextEncoder().encode(`${CACHE_TAG}\0`);

/** True where the open directory `fd` holds a tag that begins as it must. */
export function isCacheDirectory(fd: number, listing: Listing): boolean {
  if (!listing.has(NAME)) return false;
  const tag = openAt(fd, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (tag < 0) return false;
  const bytes = new Uint8Array(SIGNATURE.length);
  const got = tryRead(tag, bytes);
  closeQuietly(tag);
  return got === bytes.length && new TextDecoder().decode(bytes) === SIGNATURE;
}
