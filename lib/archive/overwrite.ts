/** Decides what of an existing target stays when something else is to be restored in its place. */
import { ENOENT } from "../posix/libc.ts";
import { PosixError } from "../posix/posix_error.ts";
import { StatView } from "../posix/stat.ts";
import { PathMarks } from "./path_marks.ts";
import type { Place } from "./restore_entry.ts";
import type { TarEntry } from "./tar_parser.ts";

/** `never`: what is there stays. `older`: what was changed since stays. `always`: nothing stays. */
export type Overwrite = "never" | "older" | "always";

const MADE = 1;
const KEPT = 2;

export class Overwriting {
  /** Entries in whose place something else stays; directories that are there are not counted. */
  kept = 0;
  readonly #marks = new PathMarks();
  readonly #stat = new StatView();

  constructor(readonly how: Overwrite) {}

  /** True where entries are compared with what is in their places, that of entries before them too. */
  get compares(): boolean {
    return this.how !== "always";
  }

  /**
   * True where what is at `place` stays. An existing directory stays as it is, and what belongs into
   * it is restored all the same. Throws PosixError.
   */
  keeps(entry: TarEntry, place: Place): boolean {
    if (!this.compares) return false;
    // Of several entries of one path the last one counts, unless the first found something to keep.
    const known = this.#marks.get(entry.path);
    if (known !== 0) return known === KEPT;
    const keeps = this.#isThere(place) && this.#stays(entry);
    this.#marks.set(entry.path, keeps ? KEPT : MADE);
    if (keeps && entry.type !== "directory") this.kept++;
    return keeps;
  }

  /** True where something else than the archive's entry is at its place. */
  wasKept(path: string): boolean {
    return this.#marks.get(path) === KEPT;
  }

  #isThere(place: Place): boolean {
    try {
      const { dirfd, name } = place.target.spot(place.relative, false);
      return this.#stat.at(dirfd, name);
    } catch (error) {
      if (error instanceof PosixError && error.errno === ENOENT) return false;
      throw error;
    }
  }

  #stays(entry: TarEntry): boolean {
    const { type, mtime_s, mtime_ns } = this.#stat;
    if (type === "directory" && entry.type === "directory") return true;
    if (this.how === "never") return true;
    if (mtime_s !== entry.mtime_s) return mtime_s > entry.mtime_s;
    return mtime_ns >= entry.mtime_ns;
  }
}
