/** What a pass over the sources finds changed or gone: in the archive itself, and since an earlier backup. */
import type { Outdated } from "./earlier.ts";
import { PathList } from "./path_list.ts";
import { subtract, type Totals } from "./totals.ts";
import type { Logged, Span } from "./walk_log.ts";

export class Differences implements Outdated {
  /** Parts of the tar stream that do not count any more. */
  readonly stale: Span[] = [];
  /** Rows of the earlier backup's manifest that do not hold any more. */
  readonly dropped: number[] = [];
  /** Topmost paths of the earlier backup at which nothing is now. */
  readonly deleted = new PathList();
  /** Paths at which a directory was and none is now, or the other way round. */
  readonly replacedPaths = new PathList();
  /** What was noted last in either of them: what lay in it needs no mention. */
  #top: string | null = null;

  /** `forget` is told of each path whose entry was put by the earlier pass and does not count any more. */
  constructor(readonly totals: Totals, readonly forget: (path: string) => void) {}

  gone(logged: Logged): void {
    this.#uncount(logged);
    if (logged.row < 0) return;
    this.dropped.push(logged.row);
    if (this.#isBelowTop(logged.path)) return;
    this.#top = logged.path;
    this.deleted.add(logged.path);
  }

  replaced(logged: Logged, directory: boolean, put: boolean): void {
    if (!put) this.#uncount(logged);
    if (logged.row < 0) return;
    this.dropped.push(logged.row);
    if ((logged.was === "directory") === directory) return;
    this.#top = logged.path;
    this.replacedPaths.add(logged.path);
  }

  #isBelowTop(path: string): boolean {
    return this.#top !== null && path.startsWith(`${this.#top}/`);
  }

  #uncount({ path, counted, span }: Logged): void {
    const { totals, stale } = this;
    subtract(totals, counted);
    if (span.start < 0) return;
    this.forget(path);
    if (span.start === span.end) return;
    const last = stale[stale.length - 1];
    if (last !== undefined && last.end === span.start) last.end = span.end;
    else stale.push({ ...span });
  }
}
