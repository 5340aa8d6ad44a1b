/**
 * Files of an incremental archive whose content earlier archives hold, wholly or in part: what is new is
 * put as it is read, and at the end of the archive a recipe for each of them.
 */
import { createHash } from "node:crypto";
import type { ManifestEntry, Seen } from "../core/model.ts";
import { seekTo, tryRead } from "../posix/files.ts";
import { StatView } from "../posix/stat.ts";
import type { Xattr } from "../posix/xattr.ts";
import type { Amend, Parent } from "./archive_options.ts";
import { BaseReader, type OldContent } from "./old_content.ts";
import { ColdReads } from "./cold_reads.ts";
import { ContentIndex, SHORTEST } from "./content_index.ts";
import { NewData, type Place } from "./new_data.ts";
import type { Packer } from "./pack.ts";
import { comparePieces, type Piece } from "./pieces.ts";
import { cutRanges, type Range, type Shown, writeRecipe } from "./recipe.ts";
import type { RowLog } from "./row_log.ts";
import { MOST_HASHED_HOLES } from "./sparse_map.ts";
import type { Walker } from "./walk.ts";
import type { Logged } from "./walk_log.ts";

/** Larger files are compared with what they were, piece by piece. */
export const LARGE = 16 << 20;
/** Recipes that are held in memory, some 600 bytes each; whatever comes then is stored again. */
const MOST = 200_000;
const READ_BYTES = 1 << 20;

interface Pending {
  stat: StatView;
  xattrs: readonly Xattr[];
  seen: Seen | null;
  sha256: string;
  /** Row of the parent's manifest that has its content, or the pieces that are not new. */
  row: number;
  /** Null where all of it is that row's content. */
  pieces: { list: Piece[]; hashes: Uint8Array } | null;
}

export class References implements Disposable {
  readonly #pending = new Map<string, Pending>();
  readonly #after = new StatView();
  readonly #data: NewData;
  readonly #old: BaseReader;
  #index: ContentIndex | null = null;

  constructor(readonly parent: Parent, readonly rows: RowLog, readonly packer: Packer) {
    this.#data = new NewData(packer);
    this.#old = new BaseReader(parent, packer.pulse);
  }

  /**
   * Takes the walk's current file, where earlier archives hold its content or `old`, what the parent has
   * at its path, is worth comparing with; else false, and it is to be put like any other.
   */
  async put(walk: Walker, old: Logged | null): Promise<boolean> {
    const { stat, path } = walk;
    const { size } = stat;
    // A second name could not be linked to what is put together only after all else is there.
    if (size < SHORTEST || stat.nlink !== 1 || this.#pending.size >= MOST) return false;
    if (size - stat.blocks * 512 > MOST_HASHED_HOLES) return false;
    const row = this.#rowOf(walk, old);
    const found = row >= 0
      ? await this.#compare(walk, await this.#old.at(row))
      : this.#known().hasSize(size)
      ? await this.#lookUp(walk)
      : null;
    if (found === null || this.#changed(walk)) {
      seekTo(walk.fd, 0);
      return false;
    }
    const seen = this.packer.quiet?.seen(stat, walk.fd) ?? null;
    this.#pending.delete(path); // what comes last is put last
    this.#pending.set(path, { stat: stat.copy(), xattrs: walk.xattrs, seen, ...found });
    this.packer.count(size);
    return true;
  }

  /** Gets ready for a file that the second pass will put: services are not to wait for that. */
  async prepare(walk: Walker, old: Logged | null): Promise<void> {
    if (walk.type !== "file" || walk.stat.nlink !== 1) return;
    const row = this.#rowOf(walk, old);
    if (row >= 0) await this.#old.at(row);
  }

  /** What was put at `path` does not count any more. */
  forget(path: string): void {
    this.#pending.delete(path);
  }

  /** The row with which a large file is compared; -1 for none. */
  #rowOf({ stat }: Walker, old: Logged | null): number {
    if (stat.size <= LARGE) return -1;
    if (old?.was === "file") return old.row;
    return this.#known().ofInode(stat.ino); // renamed, as logs are
  }

  #known(): ContentIndex {
    return this.#index ??= new ContentIndex(this.rows.again(), LARGE);
  }

  /** Reads the file; null where its content is nowhere. */
  async #lookUp(walk: Walker): Promise<Pick<Pending, "sha256" | "row" | "pieces"> | null> {
    const { pulse } = this.packer;
    const digest = createHash("sha256");
    const buffer = new Uint8Array(Math.min(READ_BYTES, walk.stat.size));
    const cold = ColdReads.of(walk.fd, walk.stat.size);
    let done = 0;
    for (let n; (n = tryRead(walk.fd, buffer)) > 0;) {
      digest.update(buffer.subarray(0, n));
      done += n;
      cold?.passed(done);
      if (pulse.due()) await pulse.beat();
    }
    if (done !== walk.stat.size) return null;
    const sha256 = digest.digest("hex");
    const row = this.#known().find(done, sha256);
    return row < 0 ? null : { sha256, row, pieces: null };
  }

  /** Compares the file with what it was, and puts what is new of it. */
  async #compare(
    walk: Walker,
    old: OldContent,
  ): Promise<Pick<Pending, "sha256" | "row" | "pieces"> | null> {
    const found = await comparePieces(walk, old, this.#data, this.packer.pulse);
    if (found === null) return null;
    const { sha256, list, hashes } = found;
    return { sha256, row: old.row, pieces: { list, hashes } };
  }

  #changed({ fd, stat }: Walker): boolean {
    const now = this.#after;
    return !now.of(fd) || now.size !== stat.size || now.nlink !== stat.nlink ||
      now.mtime_s !== stat.mtime_s || now.mtime_ns !== stat.mtime_ns ||
      now.ctime_s !== stat.ctime_s || now.ctime_ns !== stat.ctime_ns;
  }

  /** True where whoever unpacks the archive must put files together. */
  get any(): boolean {
    return this.#pending.size > 0;
  }

  /**
   * Puts the recipes; everything before is written and will not be cut any more (`amend` says where it
   * is now). Returns the bytes of content that earlier archives hold. Throws IO.
   */
  async finish(amend: Amend | null): Promise<number> {
    if (this.#pending.size === 0) return 0;
    const rows = [...this.#pending.values()].map(({ row }) => row);
    const entries = await this.parent.entries(rows);
    const places = this.#data.places(amend);
    let held = 0;
    for (const [path, file] of this.#pending) {
      const ranges = await this.#ranges(file, entries.get(file.row)!, places);
      for (const { length, shown } of ranges) if (shown.kind !== "new") held += length;
      const { stat, xattrs, seen, sha256, pieces } = file;
      const text = writeRecipe(stat.size, ranges, pieces?.hashes ?? null);
      const { size, mode, uid, gid, mtime_s, mtime_ns } = stat;
      const entry: ManifestEntry = {
        ...{
          path,
          type: "file",
          size,
          mode,
          uid,
          gid,
          mtime_s,
          mtime_ns,
          link: null,
          sha256,
          seen,
        },
        ...{ block_offset: -1, block_inner: 0 },
      };
      await this.packer.addRecipe(entry, stat, xattrs, new TextEncoder().encode(text));
    }
    return held;
  }

  async #ranges(
    { stat, row, pieces }: Pending,
    entry: ManifestEntry,
    places: (Place | null)[],
  ): Promise<(Range & { shown: Shown })[]> {
    const { path, block_offset: offset, block_inner: inner } = entry;
    const place = { backup: entry.stored_in ?? this.parent.name, offset, inner };
    if (pieces === null) {
      const shown = { kind: "old" as const, offset: 0, path };
      return [{ length: stat.size, from: { ...place, at: 0 }, shown }];
    }
    const { ranges: made } = await this.#old.at(row);
    return pieces.list.flatMap((piece): (Range & { shown: Shown })[] => {
      const { length } = piece;
      if (piece.kind === "zero") return [{ length, from: null, shown: { kind: "zero" } }];
      if (piece.kind === "new") {
        const { number, offset: at } = piece;
        const { offset, inner } = places[number - 1]!;
        const shown = { kind: "new" as const, offset: at, number };
        return [{ length, from: { backup: null, offset, inner, at }, shown }];
      }
      const old = made === null
        ? [{ length, from: { ...place, at: piece.offset } }]
        : cutRanges(made, piece.offset, length);
      let from = piece.offset;
      return old.map((range) => {
        const shown: Shown = range.from === null
          ? { kind: "zero" }
          : { kind: "old", offset: from, path };
        from += range.length;
        const backup = range.from === null ? null : range.from.backup ?? place.backup;
        return { length: range.length, from: range.from && { ...range.from, backup }, shown };
      });
    });
  }

  [Symbol.dispose](): void {
    this.#old[Symbol.dispose]();
  }
}
