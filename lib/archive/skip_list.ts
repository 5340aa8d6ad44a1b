/** Places on this host that are never backed up: the backup directory, duckback's home, the archive. */
import { encodePath } from "../core/paths.ts";
import { AT_FDCWD } from "../posix/libc.ts";
import { cBytes } from "../posix/c_string.ts";
import { StatView } from "../posix/stat.ts";

const INO_BITS = 12;
const LOW_INO = (1 << INO_BITS) - 1;

/**
 * Knows places by what they are (device and inode), so that a symlink or bind mount on the way does
 * not hide them, and by name, for what is made only later.
 */
export class SkipList {
  readonly #paths: Set<string>;
  readonly #names = new Set<string>();
  /** Lengths of names and low bits of inode numbers: enough to rule almost everything out. */
  readonly #lengths = new Uint8Array(256);
  readonly #inos = new Uint8Array(1 << INO_BITS);
  readonly #files = new Set<string>();

  /** `paths` are absolute; what does not exist yet is known by name alone. */
  constructor(paths: string[]) {
    this.#paths = new Set(paths.map((path) => path.replace(/(.)\/+$/, "$1")));
    const stat = new StatView();
    for (const path of this.#paths) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      this.#names.add(name);
      this.#lengths[name.length & 0xff] = 1;
      if (!stat.at(AT_FDCWD, cBytes(encodePath(path), path), true)) continue;
      this.#inos[Number(stat.ino & BigInt(LOW_INO))] = 1;
      this.#files.add(`${stat.dev}:${stat.ino}`);
    }
  }

  /** A cheap first question: false for almost every entry, without a system call. */
  mayHold(name: string, inoLow: number): boolean {
    return this.#inos[inoLow & LOW_INO] === 1 ||
      (this.#lengths[name.length & 0xff] === 1 && this.#names.has(name));
  }

  hasPath(path: string): boolean {
    return this.#paths.has(path);
  }

  hasFile(dev: number, ino: bigint): boolean {
    return this.#files.has(`${dev}:${ino}`);
  }
}
