/** What files have that no earlier archive holds, as entries of its own. */
import type { Amend } from "./archive_options.ts";
import type { BlockRef } from "./block_writer.ts";
import type { Packer } from "./pack.ts";
import { DATA } from "./self_entries.ts";

export interface Place {
  offset: number;
  inner: number;
}

/** Bytes of one such entry, at most: they wait in memory. */
const MOST = 4 << 20;

export class NewData {
  readonly #places: { ref: BlockRef; inner: number }[] = [];
  readonly #buffer = new Uint8Array(MOST);
  #used = 0;

  constructor(readonly packer: Packer) {}

  /**
   * Takes up to MOST bytes. Returns where they will stand: the number of the entry, from 1 on, and where
   * in it. `end` must follow before anything else is put.
   */
  async add(bytes: Uint8Array): Promise<{ number: number; offset: number }> {
    if (this.#used + bytes.length > MOST) await this.end();
    const place = { number: this.#places.length + 1, offset: this.#used };
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
    return place;
  }

  /** Puts what waits. */
  async end(): Promise<void> {
    if (this.#used === 0) return;
    const path = DATA + (this.#places.length + 1);
    this.#places.push(await this.packer.addData(path, this.#buffer.subarray(0, this.#used)));
    this.#used = 0;
  }

  /** Where the entries lie, once all is written; null for one that was cut out. */
  places(amend: Amend | null): (Place | null)[] {
    return this.#places.map(({ ref: { offset }, inner }) =>
      amend === null ? { offset, inner } : amend(offset, inner)
    );
  }
}
