/** A manifest read beside its archive: a few thousand rows are held, whatever their number. */
import type { ManifestEntry } from "../core/model.ts";
import { SLICE_ENTRIES } from "./read_tar.ts";

/** Rows in the archive's order, in batches of any size. */
export type ManifestBatches<T = ManifestEntry> = AsyncIterable<T[]> | Iterable<T[]>;

export class ManifestRows<T = ManifestEntry> implements AsyncDisposable {
  readonly #batches: AsyncIterator<T[]> | Iterator<T[]>;
  #rows: T[] = [];
  #at = 0;
  #ended = false;

  constructor(batches: ManifestBatches<T>) {
    this.#batches = Symbol.asyncIterator in batches
      ? batches[Symbol.asyncIterator]()
      : batches[Symbol.iterator]();
  }

  /** The next row; null behind the last one. */
  get head(): T | null {
    return this.#rows[this.#at] ?? null;
  }

  next(): void {
    this.#at++;
  }

  /** Makes sure that `head` and `next` can be used for as many entries as are parsed at once. */
  prepare(): Promise<void> | undefined {
    if (this.#ended || this.#rows.length - this.#at > SLICE_ENTRIES) return undefined;
    return this.#fetch();
  }

  async #fetch(): Promise<void> {
    while (!this.#ended && this.#rows.length - this.#at <= SLICE_ENTRIES) {
      const result = await this.#batches.next();
      if (result.done) this.#ended = true;
      else this.#rows = [...this.#rows.slice(this.#at), ...result.value];
      if (!result.done) this.#at = 0;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#batches.return?.();
  }
}
