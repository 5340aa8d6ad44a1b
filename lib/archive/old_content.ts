/** What large files were in the parent: the digests of their pieces, and what they were made of. */
import { createHash } from "node:crypto";
import type { Parent } from "./archive_options.ts";
import { ChainReader } from "./chain_reader.ts";
import type { Pulse } from "./pulse.ts";
import { HASH, PIECE, type Range } from "./recipe.ts";

export interface OldContent {
  /** Of the parent's manifest. */
  row: number;
  size: number;
  /** HASH bytes for each PIECE bytes, the last of which may be fewer. */
  hashes: Uint8Array;
  /** What its recipe says; null where the content lies in one piece. */
  ranges: Range[] | null;
}

export class BaseReader implements Disposable {
  #reader: ChainReader | null = null;
  readonly #known = new Map<number, OldContent>();

  constructor(readonly parent: Parent, readonly pulse: Pulse) {}

  /**
   * Of a file's row. Reads the content out of the archives where no recipe has its pieces' digests.
   * Throws ARCHIVE_CORRUPT, ARCHIVE_MISSING, IO, INTERRUPTED.
   */
  async at(row: number): Promise<OldContent> {
    const known = this.#known.get(row);
    if (known !== undefined) return known;
    const entry = (await this.parent.entries([row])).get(row)!;
    const reader = this.#reader ??= new ChainReader(this.parent.archives, undefined, true);
    const { block_offset: offset, block_inner: inner, size } = entry;
    const place = { backup: null, offset, inner };
    const content = await reader.content(reader.archiveOf(entry), place);
    const recipe = content.recipe;
    const found: OldContent = {
      row,
      size,
      hashes: recipe?.hashes ??
        await this.#hash(size, (sink, pause) => content.copy(0, size, sink, pause)),
      ranges: recipe?.ranges ?? null,
    };
    this.#known.set(row, found);
    return found;
  }

  async #hash(
    size: number,
    copy: (
      sink: { data(bytes: Uint8Array): void; hole(length: number): void },
      pause: () => Promise<void> | undefined,
    ) => Promise<void>,
  ): Promise<Uint8Array> {
    const { pulse } = this;
    const hashes = new PieceHashes(size);
    const zeros = new Uint8Array(PIECE);
    const hole = (length: number) => {
      for (let left = length; left > 0; left -= PIECE) {
        hashes.add(left < PIECE ? zeros.subarray(0, left) : zeros);
      }
    };
    await copy(
      { data: (bytes) => hashes.add(bytes), hole },
      () => pulse.due() ? pulse.beat() : undefined,
    );
    return hashes.finish();
  }

  [Symbol.dispose](): void {
    this.#reader?.[Symbol.dispose]();
  }
}

/** Digests of the pieces of content that comes in parts of any length. */
class PieceHashes {
  readonly #hashes: Uint8Array;
  #used = 0;
  #digest = createHash("sha256");
  #left = PIECE;

  constructor(size: number) {
    this.#hashes = new Uint8Array(Math.ceil(size / PIECE) * HASH);
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(this.#left, bytes.length - at);
      this.#digest.update(bytes.subarray(at, at + count));
      at += count;
      if ((this.#left -= count) === 0) this.#end();
    }
  }

  finish(): Uint8Array {
    if (this.#left < PIECE) this.#end();
    return this.#hashes;
  }

  #end(): void {
    this.#hashes.set(this.#digest.digest().subarray(0, HASH), this.#used);
    this.#used += HASH;
    this.#digest = createHash("sha256");
    this.#left = PIECE;
  }
}

/** The digest of one piece. */
export function hashPiece(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest().subarray(0, HASH);
}
