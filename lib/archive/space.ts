/** Room on the disks that are restored to: a bomb must not fill them. */
import { DuckbackError } from "../core/errors.ts";
import { printable } from "../core/paths.ts";
import { formatBytes } from "../core/units.ts";
import { fdFreeSpace } from "../posix/names.ts";
import type { TarEntry } from "./tar_parser.ts";

/** What is left to others, who may be services with a database on the same disk. */
const RESERVE = 16 << 20;
/** Below this the disk is asked only after so much was written. */
const ASK_EVERY = 64 << 20;

export class Space {
  /** Bytes that may be written below each root before the disk is asked again. */
  readonly #left = new Map<number, number>();

  /** Throws DISK_FULL, naming the file, where its content cannot fit below `rootFd`. */
  require(rootFd: number, entry: TarEntry, shown: string): void {
    const left = this.#left.get(rootFd) ?? 0;
    if (entry.stored <= left) {
      this.#left.set(rootFd, left - entry.stored);
      return;
    }
    const free = fdFreeSpace(rootFd);
    const room = free - RESERVE;
    if (entry.stored > ASK_EVERY && entry.stored > room) {
      throw new DuckbackError(
        "DISK_FULL",
        `Cannot restore "${printable(shown)}": it takes ${formatBytes(entry.stored)}, ` +
          `${formatBytes(free)} are free`,
        { hint: "Free some space, or choose another directory." },
      );
    }
    this.#left.set(rootFd, Math.max(0, Math.min(room, ASK_EVERY) - entry.stored));
  }
}
