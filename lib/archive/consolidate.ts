/**
 * Makes a full archive out of a chain of them. From each, base first, the compressed blocks of which all
 * is kept are copied as they are; of the others what is kept is put anew:
 *
 *   .duckback/backup.json
 *   for each archive: what rows of the last one's manifest point to, in its order
 *   what could not stay where it was (see put_again.ts)
 *   .duckback/result.json
 */
import { throwIfAborted } from "../core/errors.ts";
import type { Compression } from "../core/model.ts";
import { type ProgressSink, silent } from "../core/progress.ts";
import { ArchiveFile } from "./archive_file.ts";
import type { ArchiveResult, ArchiveSummary } from "./archive_options.ts";
import { BlockReader, type Chunk } from "./block_reader.ts";
import { type BlockRef, BlockWriter } from "./block_writer.ts";
import { type Archives, ChainReader } from "./chain_reader.ts";
import { corrupt } from "./corrupt.ts";
import { endLength } from "./end_length.ts";
import { readEntryBytes } from "./entry_bytes.ts";
import { FileHash } from "./file_hash.ts";
import { type ManifestBatches, ManifestRows } from "./manifest_rows.ts";
import { Packer } from "./pack.ts";
import { Pulse } from "./pulse.ts";
import { type NumberedRow, PutAgain } from "./put_again.ts";
import { FIRST_ENTRY, LAST_ENTRY, RECIPES } from "./self_entries.ts";
import { type Kept, type PlacedRow, Sieve } from "./sieve.ts";
import { Warnings } from "./warnings.ts";

/** An archive of the chain, and what of it is kept. */
export interface ChainPart {
  path: string;
  /** Bytes of the file. */
  bytes: number;
  /** What it must be, hex. */
  sha256: string;
  /** Rows whose entries lie in it, in its order; for each its entry is kept or, where `late`, put anew. */
  rows: () => ManifestBatches<PlacedRow>;
}

export interface ConsolidateOptions {
  archives: Archives;
  /** Base first. */
  parts: readonly ChainPart[];
  /** All rows that are `late`, in the order in which they are put. */
  late: () => ManifestBatches<NumberedRow>;
  compression: Compression;
  level: number;
  first: Uint8Array;
  last: (result: ArchiveResult) => Uint8Array;
  now: Date;
  write: (bytes: Uint8Array) => void | Promise<void>;
  /** Told of each row once it is known where its entry lies, in the archive's order. */
  onPlaced: (row: PlacedRow, block_offset: number, block_inner: number) => void;
  progress?: ProgressSink;
  /** Files of the tree, for the progress. */
  files: number;
  workers?: number;
  signal?: AbortSignal;
}

export interface Consolidated extends ArchiveSummary {
  /** Bytes of the archive that are blocks of earlier ones. */
  copied_bytes: number;
  copied_blocks: number;
  /** Blocks of earlier archives of which something was put anew. */
  cut_blocks: number;
}

/** Bytes that are put at once. */
const PIECE = 1 << 20;

/**
 * Writes the archive through `write`. Throws ARCHIVE_MISSING; ARCHIVE_CORRUPT where one of the chain is not
 * what was recorded or does not hold what the rows say; INTERRUPTED, and what `write` and the rows throw.
 */
export async function consolidate(options: ConsolidateOptions): Promise<Consolidated> {
  using run = new Consolidation(options);
  return await run.all();
}

class Consolidation implements Disposable {
  readonly #writer: BlockWriter;
  readonly #packer: Packer;
  readonly #pulse: Pulse;
  readonly #signal: AbortSignal;
  readonly #mtime_s: number;
  /** What the progress shows: files that are done, and bytes of the chain's archives. */
  readonly #done = { files: 0, bytes: 0 };
  /** Entries whose block is not written yet, in the archive's order. */
  readonly #pending: { row: PlacedRow; ref: BlockRef; inner: number }[] = [];
  #entries = 0;
  #source_bytes = 0;
  #copied = { bytes: 0, blocks: 0, cut: 0 };

  constructor(readonly options: ConsolidateOptions) {
    const { compression, level, workers, write, parts, files } = options;
    this.#signal = options.signal ?? new AbortController().signal;
    throwIfAborted(this.#signal);
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const progress = options.progress ?? silent;
    this.#pulse = new Pulse(this.#signal, progress, this.#done, { files, bytes });
    this.#mtime_s = Math.floor(options.now.getTime() / 1000);
    this.#writer = new BlockWriter({
      ...{ compression, level, workers, write, signal: this.#signal },
      onWritten: () => this.#flushPlaced(),
    });
    // For the archive's own entries.
    const none = { files: 0, bytes: 0, entries: 0 };
    this.#packer = new Packer(this.#writer, new Warnings(), this.#pulse, none, () => {});
  }

  async all(): Promise<Consolidated> {
    const { options } = this;
    const writer = this.#writer;
    await this.#packer.addOwn(FIRST_ENTRY, options.first, this.#mtime_s);
    for (const part of options.parts) await this.#part(part);
    await this.#late();
    // A block of its own for the last entry: it can be found without reading the archive.
    await writer.settle();
    this.#flushPlaced();
    const { file_count, entry_count, source_bytes, warnings } = this.#result();
    await this.#packer.addOwn(LAST_ENTRY, options.last(this.#result()), this.#mtime_s);
    if (!writer.ready) await writer.wait();
    writer.zeros(endLength(writer.content));
    const { bytes, sha256 } = await writer.finish();
    this.#pulse.report();
    return {
      ...{ file_count, entry_count, source_bytes, warnings },
      ...{ archive_bytes: bytes, sha256, amend: null, increment: null },
      copied_bytes: this.#copied.bytes,
      copied_blocks: this.#copied.blocks,
      cut_blocks: this.#copied.cut,
    };
  }

  #result(): ArchiveResult {
    return {
      file_count: this.#done.files,
      entry_count: this.#entries,
      source_bytes: this.#source_bytes,
      warnings: [],
    };
  }

  /** Takes over what is kept of an archive, which is matched against its SHA-256 meanwhile. */
  async #part({ path, sha256, rows }: ChainPart): Promise<void> {
    using file = new ArchiveFile(path);
    if (!file.blocks) throw corrupt(path, "duckback did not make it");
    using digest = new FileHash(file.fd, file.size);
    using reader = new BlockReader(file, {
      signal: this.#signal,
      workers: this.options.workers,
      onRaw: (bytes) => digest.update(bytes),
    });
    await using batches = new ManifestRows(rows());
    const sieve = new Sieve(path, batches, file.compression === "none");
    for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) {
      const kept = await sieve.take(chunk, this.#pulse);
      if (kept.length > 0) await this.#keep(chunk, kept, file.compression, reader.raw);
      this.#done.bytes += reader.raw?.length ?? chunk.bytes.length;
    }
    sieve.finish();
    this.#source_bytes += sieve.bytes;
    const found = await digest.digest();
    if (found === sha256) return;
    throw corrupt(path, `its SHA-256 is ${found}, not ${sha256} as recorded`);
  }

  async #keep(
    chunk: Chunk,
    kept: readonly Kept[],
    from: Compression,
    raw: Uint8Array | null,
  ): Promise<void> {
    const writer = this.#writer;
    const { bytes } = chunk;
    const covered = kept.reduce((sum, { start, end }) => sum + end - start, 0);
    if (covered === bytes.length && raw !== null && from === this.options.compression) {
      const ref = await writer.raw(raw, bytes.length);
      for (const { row, start } of kept) if (row !== null) this.#placed(row, ref, start);
      this.#copied.bytes += raw.length;
      this.#copied.blocks++;
      return;
    }
    this.#copied.cut++;
    for (const { row, start, end } of kept) {
      if (!writer.ready) await writer.wait();
      if (row !== null) this.#placed(row, writer.ref, writer.used);
      for (let at = start; at < end; at += PIECE) {
        if (!writer.ready) await writer.wait();
        writer.put(bytes.subarray(at, Math.min(end, at + PIECE)));
      }
    }
  }

  async #late(): Promise<void> {
    const { archives, late } = this.options;
    using chain = new ChainReader(archives, this.#signal);
    const again = new PutAgain(
      this.#writer,
      chain,
      this.#pulse,
      (row, ref, inner) => this.#placed(row, ref, inner),
    );
    for await (const batch of late()) {
      for (const row of batch) this.#source_bytes += await again.put(row);
    }
    this.#copied.bytes += again.copied_bytes;
    this.#copied.blocks += again.copied_blocks;
  }

  #placed(row: PlacedRow, ref: BlockRef, inner: number): void {
    this.#entries++;
    if (row.type === "file") this.#done.files++;
    this.#pending.push({ row, ref, inner });
  }

  /** Tells of all entries whose block is written. */
  #flushPlaced(): void {
    const pending = this.#pending;
    let done = 0;
    for (; done < pending.length && pending[done].ref.offset >= 0; done++) {
      const { row, ref, inner } = pending[done];
      this.options.onPlaced(row, ref.offset, inner);
    }
    if (done > 0) pending.splice(0, done);
  }

  /** Ends the workers. */
  [Symbol.dispose](): void {
    this.#writer[Symbol.dispose]();
  }
}

/** True where the entry at a place is a recipe. Throws ARCHIVE_CORRUPT, ARCHIVE_MISSING, IO, INTERRUPTED. */
export async function isRecipe(
  chain: ChainReader,
  place: Pick<NumberedRow, "stored_in" | "block_offset" | "block_inner">,
): Promise<boolean> {
  const { entry } = await readEntryBytes(chain, place);
  return entry.path.startsWith(RECIPES);
}
