/**
 * A catalogue that stays open for a moment after each use. Opening and closing it costs 15 to 40 ms,
 * and a backup needs it eight times, mostly in quick succession.
 */
import type { Catalog } from "../catalog/open_catalog.ts";

/**
 * Other processes wait for it meanwhile; they ask again every 60 ms. Long enough that a backup of few
 * files opens it once.
 */
const LINGER_MS = 120;

/** Disposed at the end of an operation; a catalogue whose use failed is closed at once. */
export class LingeringCatalog implements AsyncDisposable {
  #opened: Promise<Catalog> | null = null;
  #users = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly open: () => Promise<Catalog>) {}

  async use<T>(use: (catalog: Catalog) => Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    this.#users++;
    let failed = true;
    try {
      const value = await use(await (this.#opened ??= this.open()));
      failed = false;
      return value;
    } finally {
      this.#users--;
      if (this.#users === 0) {
        if (failed) await this.#close();
        else this.#timer = setTimeout(() => void this.#close(), LINGER_MS);
      }
    }
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    const opened = this.#opened;
    this.#opened = null;
    const catalog = await opened?.catch(() => null); // who asked for it has the error
    await catalog?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}
