/** Collects warnings without growing with the size of the tree. */
import type { Warning } from "../core/model.ts";

/** How many are kept one by one; a tree may hold a million unreadable files. */
const KEPT = 1000;

export class Warnings {
  readonly #list: Warning[] = [];
  #more = 0;
  /** Path of the one added last. */
  last = "";
  #moreIncomplete = false;

  add(code: string, path: string, message: string, incomplete: boolean): void {
    this.last = path;
    if (this.#list.length < KEPT) this.#list.push({ code, path, message, incomplete });
    else {
      this.#more++;
      this.#moreIncomplete ||= incomplete;
    }
  }

  /** All that were kept, and one that counts the rest. */
  all(): Warning[] {
    if (this.#more === 0) return [...this.#list];
    const message = `${this.#more} more warnings of this kind and others are not listed`;
    const rest = { code: "MORE_WARNINGS", path: "", message, incomplete: this.#moreIncomplete };
    return [...this.#list, rest];
  }
}
