/**
 * A walk beside what an earlier pass, or an earlier backup, has of the same sources: says of each entry
 * whether it still is as it was, and tells what is not.
 */
import { add, countedOf, type Totals } from "./totals.ts";
import type { StatView } from "../posix/stat.ts";
import type { FoundDirectory } from "./put_source.ts";
import type { Walker } from "./walk.ts";
import { type Logged, type PassLog, walkOrder } from "./walk_log.ts";

/** Told, in the walk's order, of what does not hold any more. */
export interface Outdated {
  /** Nothing that can be stored is at its path now. */
  gone(logged: Logged): void;
  /**
   * Another entry stands in its place, a directory or not: one that is being put, or, where `put` is
   * true, the one that the earlier pass itself put there.
   */
  replaced(logged: Logged, directory: boolean, put: boolean): void;
}

/** A directory that was stored and is entered. */
interface Entered extends FoundDirectory {
  logged: Logged;
}

export class Earlier implements Disposable {
  /** Index of the source that is being walked. */
  #source = 0;
  /** What `isStored` said yes to last. */
  #found: Logged | null = null;
  /** What the earlier pass had at the path that `isStored` said no to, until something is put there. */
  #old: Logged | null = null;
  /** What is as an earlier backup has it, and not in this archive. */
  readonly elsewhere: Totals = { files: 0, entries: 0, bytes: 0 };
  /** Directories above where the walk is, as far as they are stored: outermost first. */
  readonly #above: Entered[] = [];

  /** `totals` gets what is found unchanged, where the earlier pass did not count it; else null. */
  constructor(
    readonly log: PassLog,
    readonly outdated: Outdated,
    readonly totals: Totals | null,
  ) {}

  /** The walk comes to the source of this index. */
  begin(source: number): void {
    this.#source = source;
    this.#above.length = 0;
  }

  /**
   * Whether the entry at `path` was stored just as it is. To be asked in the walk's order, of every
   * entry; what it is not asked of is gone.
   */
  isStored(path: string, stat: StatView): boolean {
    const { log } = this;
    if (this.#found?.path === path) this.#old = this.#found; // asked again: it has just changed
    this.#found = null;
    if (this.#old?.path === path) return false;
    this.#settle();
    while (log.next !== null && this.#isBehind(path)) this.outdated.gone(log.take());
    if (log.next !== path || log.source !== this.#source) return false;
    const same = log.matches(stat);
    const logged = log.take();
    if (same) this.#found = logged;
    else this.#old = logged;
    return same;
  }

  /** Of what `isStored` said yes to: whether it was a hard link to `first`, or, for null, none. */
  isLink(first: string | null): boolean {
    return this.log.linksTo(first);
  }

  /** The walk's current entry is stored as it is. */
  kept(walk: Walker): Logged {
    const logged = this.#found!;
    if (this.totals !== null) {
      logged.counted = countedOf(walk.type, walk.stat);
      add(this.totals, logged.counted);
    }
    if (logged.span.start < 0) add(this.elsewhere, logged.counted);
    const directory = walk.type === "directory";
    if (directory) {
      const { path, stat, xattrs } = walk;
      this.#leaveUpTo(path);
      this.#above.push({ path, stat: stat.copy(), xattrs, logged });
    }
    if (logged.span.start >= 0 && logged.row >= 0) this.outdated.replaced(logged, directory, true);
    return logged;
  }

  /**
   * Something is put at `path`, a directory or not. Gives what the earlier pass had there, if anything,
   * and the directories above, outermost first, that must be put once more before that: GNU tar sets a
   * directory's time when it leaves it. All of them are then no longer taken for stored.
   */
  put(path: string, directory: boolean): { old: Logged | null; above: Entered[] } {
    this.#leaveUpTo(path);
    // Stored as it is, but a link to something that is stored anew.
    if (this.#found?.path === path) this.#old = this.#found;
    this.#found = null;
    const old = this.#old?.path === path ? this.#old : null;
    if (old !== null) {
      this.#old = null;
      this.outdated.replaced(old, directory, false);
    }
    for (const { logged } of this.#above) {
      this.outdated.replaced(logged, true, false);
      if (logged.span.start < 0) this.elsewhere.entries -= logged.counted.entries;
    }
    return { old, above: this.#above.splice(0) };
  }

  /** What the earlier pass had at `path`, which it has differently. */
  oldAt(path: string): Logged | null {
    return this.#old?.path === path ? this.#old : null;
  }

  /** Everything beyond the place the walk has come to is gone. */
  end(): void {
    this.#settle();
    while (this.log.next !== null) this.outdated.gone(this.log.take());
  }

  /** What could not be put in its place leaves nothing there. */
  #settle(): void {
    if (this.#old !== null) this.outdated.gone(this.#old);
    this.#old = null;
  }

  /** Forgets directories that do not hold `path`. */
  #leaveUpTo(path: string): void {
    const holds = (dir: string) => dir === "." || path.startsWith(`${dir}/`);
    while (this.#above.length > 0 && !holds(this.#above.at(-1)!.path)) this.#above.pop();
  }

  /** True where the log's next entry comes before `path` in the walk: the walk did not find it. */
  #isBehind(path: string): boolean {
    const { log } = this;
    if (log.source !== this.#source) return log.source < this.#source;
    return log.next !== path && walkOrder(log.next!, path) < 0;
  }

  [Symbol.dispose](): void {
    this.log[Symbol.dispose]();
  }
}
