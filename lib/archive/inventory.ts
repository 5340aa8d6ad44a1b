/** What an archive can tell when nothing else is left of it: all its entries, with digests of its own making. */
import { createHash, type Hash } from "node:crypto";
import type { Compression, ManifestEntry, StoredCounts } from "../core/model.ts";
import { type ProgressSink, silent } from "../core/progress.ts";
import { ArchiveFile } from "./archive_file.ts";
import { addZeros } from "./hash_zeros.ts";
import { BLOCK_BYTES } from "./codec.ts";
import { OwnContent } from "./own_content.ts";
import { openSource } from "./open_source.ts";
import { Pulse } from "./pulse.ts";
import type { Recipe } from "./recipe.ts";
import { isSelf } from "./self_entries.ts";
import { MOST_HASHED_HOLES } from "./sparse_map.ts";
import { readTar } from "./read_tar.ts";
import type { TarEntry, TarHandler } from "./tar_parser.ts";

export interface InventoryOptions {
  /**
   * Called for every entry but the archive's own, in the archive's order, with its SHA-256: just what
   * the manifest of that archive says.
   */
  onEntry: (entry: ManifestEntry) => void;
  /** Called for every recipe: the file that it is for, whose SHA-256 nobody knows yet, and what it says. */
  onRecipe?: (entry: ManifestEntry, recipe: Recipe) => void;
  /** Called for every path, in bytes, at and below which nothing of the parent holds any more. */
  onGone?: (path: Uint8Array) => void;
  progress?: ProgressSink;
  totals?: { files: number; bytes: number };
  signal?: AbortSignal;
}

export interface Inventory {
  /** Length of the archive file. */
  archive_bytes: number;
  /** SHA-256 (hex) of the archive file. */
  sha256: string;
  compression: Compression;
  /** What it holds itself. */
  stored: StoredCounts;
}

/** Zeros that are hashed at once: 50 ms. */
const HOLE_STEP = 64 << 20;

/**
 * Reads an archive to its end. Throws ARCHIVE_MISSING, ARCHIVE_CORRUPT (what was told by then does not
 * count), IO, INTERRUPTED.
 */
export async function takeInventory(path: string, options: InventoryOptions): Promise<Inventory> {
  using file = new ArchiveFile(path);
  const digest = createHash("sha256");
  const { signal, progress = silent, totals } = options;
  using source = openSource(file, { signal, onRaw: (bytes) => digest.update(bytes) });
  const taker = new Taker(path, options, file.compression === "none");
  const pulse = new Pulse(signal, progress, taker, totals);
  await readTar(path, source, taker, pulse);
  taker.finish();
  pulse.report();
  const { size: archive_bytes, compression } = file;
  const { files, entries, bytes } = taker;
  const stored = { files, entries, bytes };
  return { archive_bytes, sha256: digest.digest("hex"), compression, stored };
}

class Taker implements TarHandler {
  files = 0;
  entries = 0;
  bytes = 0;
  readonly holeStep = HOLE_STEP;
  /** The last entry; one that was read twice stands twice, and the second one counts. */
  #last: ManifestEntry | null = null;
  /** Bytes of its content. */
  #content = 0;
  #digest: Hash | null = null;
  /** One of the archive's own entries that says something of others; null for any other. */
  #own: OwnContent | null = null;
  #isOwn = false;

  /** Of an archive that is not compressed: where its first recipe begins; -1 before that. */
  #recipes = -1;

  /** `plain`: the archive is not compressed. */
  constructor(
    readonly archive: string,
    readonly options: InventoryOptions,
    readonly plain: boolean,
  ) {}

  entry(entry: TarEntry): void {
    this.#isOwn = isSelf(entry.path);
    const { rdev_major: _major, rdev_minor: _minor, xattrs: _xattrs, stored, ...row } = entry;
    if (this.#isOwn) {
      const { onRecipe, onGone } = this.options;
      this.#own = OwnContent.of(this.archive, row, stored, {
        recipe: (file, recipe) => {
          this.#count(file);
          for (const { length, from } of recipe.ranges) {
            if (from !== null && from.backup === null) this.bytes += length;
          }
          onRecipe?.(this.plain ? this.#placed(file) : file, recipe);
        },
        gone: (path) => onGone?.(path),
      });
      return;
    }
    if (this.#last?.path === entry.path) {
      this.bytes -= this.#content;
    } else {
      if (this.#last !== null) this.options.onEntry(this.#last);
      this.#count(row);
    }
    this.#content = 0;
    this.#last = row;
    if (entry.type !== "file") return;
    const hashed = entry.size - stored <= MOST_HASHED_HOLES;
    this.#digest = hashed ? createHash("sha256") : null;
  }

  /** With its place as the manifest has it: a new block was begun with the first recipe. */
  #placed(file: ManifestEntry): ManifestEntry {
    const at = file.block_offset + file.block_inner;
    if (this.#recipes < 0) this.#recipes = at;
    const block_inner = (at - this.#recipes) % BLOCK_BYTES.none;
    return { ...file, block_offset: at - block_inner, block_inner };
  }

  #count({ type }: ManifestEntry): void {
    this.entries++;
    if (type === "file") this.files++;
  }

  data(bytes: Uint8Array): void {
    if (this.#isOwn) return this.#own?.data(bytes);
    this.bytes += bytes.length;
    this.#content += bytes.length;
    this.#digest?.update(bytes);
  }

  hole(length: number): void {
    if (this.#isOwn) return this.#own?.hole();
    if (this.#digest !== null) addZeros(this.#digest, length);
  }

  end(): void {
    if (this.#isOwn) this.#own?.end();
    else this.#last!.sha256 = this.#digest?.digest("hex") ?? null;
  }

  finish(): void {
    if (this.#last !== null) this.options.onEntry(this.#last);
  }
}
