/** SHA-256 of what recipes stand for. */
import { createHash } from "node:crypto";
import type { ManifestEntry } from "../core/model.ts";
import { Slice } from "../core/turn.ts";
import { type Archives, ChainReader } from "./chain_reader.ts";
import { addZeros } from "./hash_zeros.ts";

export class RecipeHasher implements Disposable {
  readonly #reader: ChainReader;
  readonly #slice = new Slice();

  constructor(archives: Archives, signal?: AbortSignal) {
    this.#reader = new ChainReader(archives, signal, true);
  }

  /**
   * Puts together what the recipe at a row's place says and hashes it; in hex. Throws ARCHIVE_CORRUPT,
   * ARCHIVE_MISSING, IO, INTERRUPTED.
   */
  async hash(row: ManifestEntry): Promise<string> {
    const digest = createHash("sha256");
    const handler = {
      entry() {},
      data: (bytes: Uint8Array) => void digest.update(bytes),
      hole: (length: number) => addZeros(digest, length),
      end() {},
      holeStep: 64 << 20,
    };
    const slice = this.#slice;
    const pause = () => slice.over() ? slice.turn() : undefined;
    await this.#reader.read({ ...row, sha256: null }, handler, pause);
    return digest.digest("hex");
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}
