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
}

export class Routes implements Disposable {
  /** `from` without "." and slashes, the longest first; "" takes everything. */
  readonly #open: { from: string; target: Target }[] = [];

  /** Throws what `asFileFailure` makes of a target that cannot be opened. */
  constructor(routes: Route[]) {
    try {
      for (const { from, to } of routes) {
        const clean = from.replace(/^(\.\/)+|\/+$/g, "");
        this.#open.push({ from: clean === "." ? "" : clean, target: new Target(to) });
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
    for (const { from, target } of this.#open) {
      let rest: string;
      if (from === "") rest = path === "." ? "" : path;
      else if (path === from) rest = "";
      else if (path.startsWith(from) && path[from.length] === "/") {
        rest = path.slice(from.length + 1);
      } else continue;
      return { target, relative: target.relative(rest), shown: target.shown(rest) };
    }
    return null;
  }

  [Symbol.dispose](): void {
    for (const { target } of this.#open) target[Symbol.dispose]();
  }
}
