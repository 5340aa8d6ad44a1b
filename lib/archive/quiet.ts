/**
 * What can be told to be unchanged later on. An entry is the same as it was where size, times, inode,
 * links, mode and owner are: the change time cannot be set by anyone. Two things could deceive:
 * - A write within the same tick of the kernel's clock (up to 10 ms) as the change before it. So what
 *   changed since shortly before the reading began proves nothing.
 * - A page that is mapped shared and dirty takes writes without any sign until it is written back. So
 *   everything is written back first (syncfs): the next write to such a page shows then. What is changed
 *   after that, and before it is read, may be mapped and dirty again: it proves nothing either.
 */
import { statfsSync } from "node:fs";
import type { Seen, Source } from "../core/model.ts";
import { closeQuietly, open, syncFileSystem } from "../posix/files.ts";
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } from "../posix/libc.ts";
import { unlink } from "../posix/names.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import { fstat, type Stat } from "../posix/stat.ts";

export const TICK_S = 0.05;

/** File systems without write-back: there, writes through a mapping never show (TMPFS, RAMFS). */
const UNTOLD = new Set([0x01021994, 0x858458f6]);

export class Quiet {
  readonly #untold = new Map<number, boolean>();

  /** `since`: seconds since 1970; what changed later proves nothing. */
  private constructor(readonly since: number, readonly written_back: boolean) {}

  /** Writes everything back; `scratch_path` is where a file can be made for a moment. Throws IO and the like. */
  static async begin(sources: readonly Source[], scratch_path: string): Promise<Quiet> {
    try {
      const now = kernelTime(scratch_path);
      const written_back = await writeBack(sources);
      return new Quiet(written_back ? now - TICK_S : -Infinity, written_back);
    } catch (error) {
      throw error instanceof PosixError ? asFileFailure(error) : error;
    }
  }

  /** True where a later change of the entry is sure to show. `fd` is the open file, else -1. */
  covers(stat: Stat, fd: number): boolean {
    if (stat.ctime_s + stat.ctime_ns / 1e9 >= this.since) return false;
    if (fd < 0) return true;
    const { dev } = stat;
    let untold = this.#untold.get(dev);
    if (untold === undefined) {
      untold = UNTOLD.has(statfsSync(`/proc/self/fd/${fd}`).type);
      this.#untold.set(dev, untold);
    }
    return !untold;
  }

  /** What a later backup is to compare with. */
  seen(stat: Stat, fd: number): Seen | null {
    if (!this.covers(stat, fd)) return null;
    const { ctime_s, ctime_ns, ino, nlink } = stat;
    return { ctime_s, ctime_ns, ino, nlink };
  }
}

/** Seconds since 1970 by the kernel's own clock, whatever somebody makes this process believe. */
function kernelTime(scratch_path: string): number {
  const fd = open(scratch_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    unlink(scratch_path);
    const { ctime_s, ctime_ns } = fstat(fd);
    return ctime_s + ctime_ns / 1e9;
  } finally {
    closeQuietly(fd);
  }
}

/** Writes back what the sources' file systems hold in memory; false where one of them cannot. */
async function writeBack(sources: readonly Source[]): Promise<boolean> {
  const done = new Set<number>();
  for (const { path } of sources) {
    let fd = -1;
    try {
      fd = open(path, O_RDONLY | O_NONBLOCK);
      const { dev } = fstat(fd);
      if (!done.has(dev)) await syncFileSystem(fd, path);
      done.add(dev);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      return false;
    } finally {
      if (fd >= 0) closeQuietly(fd);
    }
  }
  return true;
}
