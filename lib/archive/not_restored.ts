/** Counts what could not be restored, one warning a kind: a tree may hold a million of the same. */
import type { Warning } from "../core/model.ts";

export class NotRestored {
  readonly #kinds = new Map<string, { path: string; count: number }>();

  /** `what` reads "the owner of", `why` "operation not permitted (EPERM)". */
  add(what: string, path: string, why: string): void {
    const kind = `${what}\n${why}`;
    const known = this.#kinds.get(kind);
    if (known === undefined) this.#kinds.set(kind, { path, count: 1 });
    else known.count++;
  }

  /** One warning for each kind, which names the first path of it. */
  warnings(): Warning[] {
    return [...this.#kinds].map(([kind, { path, count }]) => {
      const [what, why] = kind.split("\n");
      const of = count === 1 ? "this entry" : `${count} entries, of which this is the first,`;
      const message = `${what} ${of} could not be restored: ${why}`;
      return { code: "NOT_RESTORED", path, message, incomplete: true };
    });
  }
}
