/** Which part of an archive goes where: the targets of a restore, opened. */
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import type { Place } from "./restore_entry.ts";
import { Target } from "./target.ts";

/** Where a part of an archive goes. */
export interface Route {
  /** Archive path; "" or "." is everything. Of several that take an entry the longest wins. */
  from: string;
  /** Absolute path on this host that `from` becomes; the directory it lies in must exist. */
  to: string;
  /** Names at the start of an entry's path that are left out; an entry that has no more is not taken. */
  strip?: number;
}

export class Routes implements Disposable {
  /** `from` without "." and slashes, the longest first; "" takes everything. */
  readonly #open: { from: string; target: Target; strip: number }[] = [];

  /** Throws what `asFileFailure` makes of a target that cannot be opened. */
  constructor(routes: Route[]) {
    try {
      for (const { from, to, strip = 0 } of routes) {
        const clean = from.replace(/^(\.\/)+|\/+$/g, "");
        this.#open.push({ from: clean === "." ? "" : clean, target: new Target(to), strip });
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error instanceof PosixError ? asFileFailure(error, "restore into") : error;
    }
    this.#open.sort((a, b) => b.from.length - a.from.length);
  }

  get targets(): Target[] {
    return this.#open.map(({ target }) => target);
  }

  /** Where an entry goes; null where no route takes it. */
  place(path: string): Place | null {
    for (const { from, target, strip } of this.#open) {
      let rest: string | null;
      if (from === "") rest = path === "." ? "" : path;
      else if (path === from) rest = "";
      else if (path.startsWith(from) && path[from.length] === "/") {
        rest = path.slice(from.length + 1);
      } else continue;
      if (strip > 0) rest = stripped(rest, strip);
      if (rest === null) return null;
      return { target, relative: target.relative(rest), path, shown: target.shown(rest) };
    }
    return null;
  }

  [Symbol.dispose](): void {
    for (const { target } of this.#open) target[Symbol.dispose]();
  }
}

/** A path without its first `count` names; null where nothing is left. */
export function stripped(path: string, count: number): string | null {
  let at = 0;
  for (let left = count; left > 0; left--) {
    at = path.indexOf("/", at) + 1;
    if (at === 0) return null;
  }
  return path.slice(at);
}
