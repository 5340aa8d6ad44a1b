/** Keeps the reading of a file from filling the page cache with what nobody else uses. */
import { forget, isCold } from "../posix/page_cache.ts";

/** Looked at and given back at once; more than the kernel reads ahead (8 MiB on some disks). */
const WINDOW = 32 << 20;
/** Shorter files are not worth two system calls: a thousand of them are one window. */
const LEAST = 64 << 10;

/**
 * Of a file that is read from start to end: windows of which nothing was cached before are given back
 * once they are read, so that what is hot on the host stays hot. `passed` is called as reading goes on.
 */
export class ColdReads {
  #done = 0;
  /** Whether this window and the next one were cold when reading had not come near them. */
  #cold: boolean;
  #nextCold: boolean;

  private constructor(readonly fd: number, readonly size: number) {
    this.#cold = isCold(fd, 0, WINDOW);
    this.#nextCold = size > WINDOW && isCold(fd, WINDOW, WINDOW);
  }

  /** Null for a file too short to matter. */
  static of(fd: number, size: number): ColdReads | null {
    return size < LEAST ? null : new ColdReads(fd, size);
  }

  /** Bytes before `position` are read. */
  passed(position: number): void {
    while (position >= this.#done + WINDOW || (position >= this.size && this.#done < this.size)) {
      if (this.#cold) forget(this.fd, this.#done, WINDOW);
      this.#done += WINDOW;
      this.#cold = this.#nextCold;
      const next = this.#done + WINDOW;
      this.#nextCold = next < this.size && isCold(this.fd, next, WINDOW);
    }
  }
}
