/** What an archive can tell when nothing else is left of it: all its entries, with digests of its own making. */
import { createHash, type Hash } from "node:crypto";
import type { Compression, ManifestEntry } from "../core/model.ts";
import { type ProgressSink, silent } from "../core/progress.ts";
import { ArchiveFile } from "./archive_file.ts";
import { addZeros } from "./hash_zeros.ts";
import { openSource } from "./open_source.ts";
import { Pulse } from "./pulse.ts";
import { isSelf } from "./self_entries.ts";
import { MOST_HASHED_HOLES } from "./sparse_map.ts";
import { readTar, type TarEntry, type TarHandler } from "./tar_reader.ts";

export interface InventoryOptions {
  /**
   * Called for every entry but the archive's own, in the archive's order, with its SHA-256: just what
   * the manifest of that archive says.
   */
  onEntry: (entry: ManifestEntry) => void;
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
  const taker = new Taker(options.onEntry);
  const pulse = new Pulse(signal, progress, taker, totals);
  await readTar(path, source, taker, pulse);
  taker.finish();
  pulse.report();
  const { size: archive_bytes, compression } = file;
  return { archive_bytes, sha256: digest.digest("hex"), compression };
}

class Taker implements TarHandler {
  files = 0;
  bytes = 0;
  readonly holeStep = HOLE_STEP;
  /** The last entry; one that was read twice stands twice, and the second one counts. */
  #last: ManifestEntry | null = null;
  #digest: Hash | null = null;
  #own = false;

  constructor(readonly onEntry: (entry: ManifestEntry) => void) {}

  entry(entry: TarEntry): void {
    this.#own = isSelf(entry.path);
    if (this.#own) return;
    if (this.#last !== null && this.#last.path !== entry.path) this.onEntry(this.#last);
    const { rdev_major: _major, rdev_minor: _minor, xattrs: _xattrs, stored, ...row } = entry;
    this.#last = row;
    if (entry.type !== "file") return;
    this.files++;
    const hashed = entry.size - stored <= MOST_HASHED_HOLES;
    this.#digest = hashed ? createHash("sha256") : null;
  }

  data(bytes: Uint8Array): void {
    if (this.#own) return;
    this.bytes += bytes.length;
    this.#digest?.update(bytes);
  }

  hole(length: number): void {
    if (!this.#own && this.#digest !== null) addZeros(this.#digest, length);
  }

  end(): void {
    if (!this.#own) this.#last!.sha256 = this.#digest?.digest("hex") ?? null;
  }

  finish(): void {
    if (this.#last !== null) this.onEntry(this.#last);
  }
}
