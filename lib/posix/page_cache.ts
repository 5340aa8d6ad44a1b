/** What of an open file lies in the host's page cache, and giving the pages back. */
import * as c from "./libc.ts";
import { libc } from "./libc.ts";

const DONTNEED = 4;
const SYNC_FILE_RANGE_WRITE = 2;

const range = new BigUint64Array(2);
const rangeBytes = new Uint8Array(range.buffer);
const found = new BigUint64Array(5);
const foundBytes = new Uint8Array(found.buffer);

/**
 * True where none of a file's bytes are in the page cache: nobody has used them lately. False where
 * some are, and where the kernel (before Linux 6.5) or a sandbox does not tell.
 */
export function isCold(fd: number, offset: number, length: number): boolean {
  range[0] = BigInt(offset);
  range[1] = BigInt(length);
  if (libc.cachestat(c.SYS_CACHESTAT, fd, rangeBytes, foundBytes, 0) !== 0) return false;
  return found[0] === 0n;
}

/** Gives the pages of a part of the file back; those not yet written to disk stay. 0: to its end. */
export function forget(fd: number, offset: number, length: number): void {
  libc.posix_fadvise(fd, offset, length, DONTNEED);
}

/** Lets the disk begin to write a part of the file, without waiting: the fsync at the end is short. */
export function beginWriting(fd: number, offset: number, length: number): void {
  libc.sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}
