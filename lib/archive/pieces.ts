/** A large file beside what it was: which of its pieces are new. */
import { createHash } from "node:crypto";
import { tryRead } from "../posix/files.ts";
import { ColdReads } from "./cold_reads.ts";
import type { NewData } from "./new_data.ts";
import { hashPiece, type OldContent } from "./old_content.ts";
import type { Pulse } from "./pulse.ts";
import { HASH, PIECE } from "./recipe.ts";
import type { Walker } from "./walk.ts";

/** Pieces that follow one another are taken together. */
export type Piece =
  | { kind: "old"; length: number; offset: number }
  | { kind: "new"; length: number; number: number; offset: number }
  | { kind: "zero"; length: number };

export interface Compared {
  list: Piece[];
  /** Of the pieces, for the backup that comes next. */
  hashes: Uint8Array;
  /** Of the whole content, in hex. */
  sha256: string;
}

/** Bytes read at once; a multiple of PIECE. */
const READ_BYTES = 1 << 20;

/**
 * Reads the walk's current file and hands what is new of it to `data`. Null where it does not have as many
 * bytes as it should; what was handed over then belongs to nobody. Throws what `data` throws, INTERRUPTED.
 */
export async function comparePieces(
  walk: Walker,
  old: OldContent,
  data: NewData,
  pulse: Pulse,
): Promise<Compared | null> {
  const { fd, stat } = walk;
  const { size } = stat;
  const sparse = stat.blocks * 512 < size;
  const comparison = new Comparison(old, data, sparse);
  const hashes = new Uint8Array(Math.ceil(size / PIECE) * HASH);
  const digest = createHash("sha256");
  const buffer = new Uint8Array(READ_BYTES);
  const cold = ColdReads.of(fd, size);
  let done = 0;
  while (done < size) {
    const got = fill(fd, buffer.subarray(0, Math.min(READ_BYTES, size - done)));
    if (got < Math.min(READ_BYTES, size - done)) break;
    digest.update(buffer.subarray(0, got));
    for (let at = 0; at < got; at += PIECE) {
      const piece = buffer.subarray(at, Math.min(at + PIECE, got));
      const hash = hashPiece(piece);
      hashes.set(hash, ((done + at) / PIECE) * HASH);
      await comparison.add((done + at) / PIECE, piece, hash);
    }
    done += got;
    cold?.passed(done);
    if (pulse.due()) await pulse.beat();
  }
  await data.end();
  return done < size ? null : { list: comparison.list, hashes, sha256: digest.digest("hex") };
}

/** Reads until `buffer` is full, the file ends or cannot be read. Returns how many bytes that were. */
function fill(fd: number, buffer: Uint8Array): number {
  let done = 0;
  for (let n; done < buffer.length && (n = tryRead(fd, buffer.subarray(done))) > 0;) done += n;
  return done;
}

const ZERO_HASH = hashPiece(new Uint8Array(PIECE));

class Comparison {
  readonly list: Piece[] = [];

  /** `sparse`: pieces of nothing but zeros become holes. */
  constructor(readonly old: OldContent, readonly data: NewData, readonly sparse: boolean) {}

  async add(index: number, piece: Uint8Array, hash: Uint8Array): Promise<void> {
    const { length } = piece;
    if (this.sparse && length === PIECE && same(hash, ZERO_HASH, 0)) {
      const last = this.list.at(-1);
      if (last?.kind === "zero") last.length += length;
      else this.list.push({ kind: "zero", length });
      return;
    }
    const before = Math.min(PIECE, this.old.size - index * PIECE);
    if (before === length && same(hash, this.old.hashes, index)) {
      return this.#addOld(index * PIECE, length);
    }
    // The end of a file that has only grown.
    const grown = before > 0 && before < length &&
      same(hashPiece(piece.subarray(0, before)), this.old.hashes, index);
    if (grown) this.#addOld(index * PIECE, before);
    await this.#addNew(grown ? piece.subarray(before) : piece);
  }

  #addOld(offset: number, length: number): void {
    const last = this.list.at(-1);
    if (last?.kind === "old" && last.offset + last.length === offset) last.length += length;
    else this.list.push({ kind: "old", length, offset });
  }

  async #addNew(bytes: Uint8Array): Promise<void> {
    const { number, offset } = await this.data.add(bytes);
    const last = this.list.at(-1);
    const follows = last?.kind === "new" && last.number === number &&
      last.offset + last.length === offset;
    if (follows) last.length += bytes.length;
    else this.list.push({ kind: "new", length: bytes.length, number, offset });
  }
}

/** True where `hash` is the one at `index` of `hashes`. */
function same(hash: Uint8Array, hashes: Uint8Array, index: number): boolean {
  const start = index * HASH;
  if (start + HASH > hashes.length) return false;
  for (let i = 0; i < HASH; i++) if (hash[i] !== hashes[start + i]) return false;
  return true;
}
