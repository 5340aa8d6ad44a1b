/** Which inodes with several names a walk has met, by the name it met first: the others are links to it. */
import type { StatView } from "../posix/stat.ts";

/** The first name of an inode. */
export interface FirstName {
  /** Its archive path. */
  path: string;
  /** True where an earlier backup stored it as it is. */
  stored: boolean;
}

export class FirstNames {
  /** With how many names are still to come: then an inode is forgotten. */
  readonly #inodes = new Map<string, FirstName & { left: number }>();

  /** The name by which the inode of `stat` was met first; null where it was not met. */
  find(stat: StatView): FirstName | null {
    return this.#inodes.get(keyOf(stat)) ?? null;
  }

  add(stat: StatView, name: FirstName): void {
    this.#inodes.set(keyOf(stat), { ...name, left: stat.nlink - 1 });
  }

  /** Another name of a known inode was met. */
  count(stat: StatView): void {
    const key = keyOf(stat);
    const known = this.#inodes.get(key)!;
    if (--known.left === 0) this.#inodes.delete(key);
  }

  forget(stat: StatView): void {
    this.#inodes.delete(keyOf(stat));
  }

  isSame(one: StatView, other: StatView): boolean {
    return keyOf(one) === keyOf(other);
  }
}

/** With its birth, since the number of a file that was removed is soon another's. */
function keyOf(stat: StatView): string {
  return `${stat.dev}:${stat.ino}:${stat.birth}`;
}
