/** Makes an archive: the sources' entries between the archive's own first and last ones. */
import { throwIfAborted } from "../core/errors.ts";
import type { Compression, ManifestEntry } from "../core/model.ts";
import { silent } from "../core/progress.ts";
import type {
  Amend,
  ArchiveResult,
  ArchiveSummary,
  CreateOptions,
  Increment,
} from "./archive_options.ts";
import { Amendments, type BlockTable, mergeSpans, spanBytes } from "./block_table.ts";
import { BlockWriter } from "./block_writer.ts";
import { BLOCK_BYTES } from "./codec.ts";
import { cutOut } from "./cut_out.ts";
import { Differences } from "./differences.ts";
import { Earlier } from "./earlier.ts";
import { endLength } from "./end_length.ts";
import { firstPass } from "./first_pass.ts";
import { Packer } from "./pack.ts";
import { Pulse } from "./pulse.ts";
import { newWalker, putSource } from "./put_source.ts";
import { Quiet, TICK_S } from "./quiet.ts";
import { RowLog } from "./row_log.ts";
import { References } from "./references.ts";
import {
  DELETED_ENTRY,
  FIRST_ENTRY,
  LAST_ENTRY,
  README_ENTRY,
  REPLACED_ENTRY,
  SCRIPT_ENTRY,
} from "./self_entries.ts";
import { README, UNPACK_SCRIPT } from "./unpack_script.ts";
import { subtract, type Totals } from "./totals.ts";
import type { PassLog, Span } from "./walk_log.ts";
import { Warnings } from "./warnings.ts";

/**
 * Writes an archive of all sources through `write`, in one pass. Resolves once everything was taken by
 * `write`. What could not be stored as it was is in `warnings`, `incomplete` set. Throws
 * SOURCE_MISSING, SOURCE_UNREADABLE, INTERRUPTED (within a second of the abort), and whatever `write`
 * threw.
 */
export async function createArchive(options: CreateOptions): Promise<ArchiveSummary> {
  using archive = await ArchiveRun.begin(options);
  await archive.copy();
  return await archive.finish();
}

/** Bytes that may wait in memory for their compression while services are down. */
const HASTE = 64 << 20;

/**
 * An archive in the making, in one pass (`copy`) or two: `precopy` while services run, then, with the
 * services held still, `copy` of what changed since. `finish` may take its time again. Everything
 * throws what `createArchive` does.
 */
export class ArchiveRun implements Disposable {
  readonly #writer: BlockWriter;
  readonly #packer: Packer;
  readonly #totals: Totals = { files: 0, bytes: 0, entries: 0 };
  readonly #warnings = new Warnings();
  readonly #pulse: Pulse;
  readonly #signal: AbortSignal;
  readonly #mtime_s: number;
  /** What the parent has; read once, by the pass that comes first. */
  readonly #rows: RowLog | null;
  /** What the first pass found; null before it, and without one. */
  #log: PassLog | null = null;
  readonly #differences: Differences;
  /** Entries that the manifest was told of. */
  #told = 0;
  /** Of the totals, what the archives of earlier backups hold. */
  #elsewhere: Totals = { files: 0, entries: 0, bytes: 0 };

  private constructor(readonly options: CreateOptions) {
    const { compression, level, workers, write } = options;
    this.#signal = options.signal ?? new AbortController().signal;
    throwIfAborted(this.#signal);
    const progress = options.progress ?? silent;
    this.#pulse = new Pulse(this.#signal, progress, this.#totals, options.totals);
    this.#mtime_s = Math.floor((options.now?.getTime() ?? 0) / 1000);
    this.#writer = new BlockWriter({
      ...{ compression, level, workers, write, signal: this.#signal },
      onWritten: () => this.#packer.flushEntries(),
    });
    const onEntry = (entry: ManifestEntry) => {
      this.#told++;
      options.onEntry(entry);
    };
    this.#packer = new Packer(this.#writer, this.#warnings, this.#pulse, this.#totals, onEntry);
    const { parent } = options;
    this.#rows = parent ? RowLog.open(parent.rows_path) : null;
    const references = parent ? new References(parent, this.#rows!, this.#packer) : null;
    this.#packer.references = references;
    this.#differences = new Differences(this.#totals, (path) => references?.forget(path));
  }

  static async begin(options: CreateOptions): Promise<ArchiveRun> {
    const run = new ArchiveRun(options);
    try {
      await run.#packer.addOwn(FIRST_ENTRY, options.first, run.#mtime_s);
    } catch (error) {
      run[Symbol.dispose]();
      throw error;
    }
    return run;
  }

  /**
   * The first of two passes: stores what has kept still so far, and says how much that was. Services
   * may go on writing.
   */
  async precopy(): Promise<Totals> {
    const { options } = this;
    // What was written right before this, a dump for one, is then old enough.
    await new Promise((resolve) => setTimeout(resolve, 1.2 * TICK_S * 1000));
    throwIfAborted(options.signal);
    const quiet = await Quiet.begin(options.sources, options.notes_path!);
    this.#packer.quiet = quiet;
    // Else the second pass does it all.
    if (quiet.written_back) this.#log = await firstPass(options, this.#packer, quiet, this.#rows);
    return { ...this.#totals };
  }

  /**
   * The only pass, or the second of two: then what differs from the first is stored again, and the
   * archive will be the tree as of now. Nobody should write to the sources meanwhile.
   */
  async copy(): Promise<void> {
    const { options } = this;
    if (this.#log !== null) this.#writer.hasten(HASTE);
    else if (this.#packer.quiet === null && options.notes_path !== undefined) {
      this.#packer.quiet = await Quiet.begin(options.sources, options.notes_path);
    }
    const log = this.#log ?? this.#rows;
    const counted = this.#log === null ? this.#totals : null;
    const earlier = log && new Earlier(log, this.#differences, counted);
    using walk = newWalker(options, this.#warnings, true, earlier);
    const parents = new Set<string>();
    const outside = this.#rows?.outside;
    const onParent = (path: string) => {
      const logged = outside?.get(path);
      if (logged === undefined) return;
      this.#differences.replaced(logged, true, true);
      outside!.delete(path);
    };
    for (const [index, source] of options.sources.entries()) {
      earlier?.begin(index);
      await putSource(source, walk, this.#packer, parents, earlier, onParent);
    }
    earlier?.end();
    if (earlier !== null) this.#elsewhere = earlier.elsewhere;
    for (const logged of outside?.values() ?? []) this.#differences.gone(logged);
  }

  /** Ends the archive: compresses what waits, takes out what the second pass found stale. */
  async finish(): Promise<ArchiveSummary> {
    const writer = this.#writer;
    const packer = this.#packer;
    // A block of its own for the last entry: it can be found without reading the archive.
    await writer.settle();
    const spans = mergeSpans(this.#differences.stale);
    packer.flushEntries();
    let amend: Amend | null = null;
    let amendData: Amend | null = null;
    if (spans.length > 0) {
      const before = writer.table;
      await this.#cut(spans);
      const { compression } = this.options;
      amend = amendments(before, writer.table, spans, compression, this.#told);
      amendData = amendments(before, writer.table, spans, compression, Infinity);
    }
    if (this.#rows !== null) await this.#addLists(amendData);
    await packer.addOwn(LAST_ENTRY, this.options.last(this.#result()), this.#mtime_s);
    if (!writer.ready) await writer.wait();
    writer.zeros(endLength(writer.content - spanBytes(spans)));
    const { bytes, sha256 } = await writer.finish();
    packer.flushEntries();
    this.#pulse.report();
    return { ...this.#result(), archive_bytes: bytes, sha256, amend, increment: this.#increment() };
  }

  /** What stands for other content than it is, and what who unpacks it without duckback must know. */
  async #addLists(amend: Amend | null): Promise<void> {
    const { deleted, replacedPaths } = this.#differences;
    this.#elsewhere.bytes += await this.#packer.references!.finish(amend);
    await this.#packer.addOwn(README_ENTRY, encode(README), this.#mtime_s);
    await this.#packer.addOwn(SCRIPT_ENTRY, encode(UNPACK_SCRIPT), this.#mtime_s);
    await this.#packer.addOwn(DELETED_ENTRY, deleted.bytes, this.#mtime_s);
    if (replacedPaths.bytes.length > 0) {
      await this.#packer.addOwn(REPLACED_ENTRY, replacedPaths.bytes, this.#mtime_s);
    }
    await this.#writer.flush();
  }

  #increment(): Increment | null {
    if (this.#rows === null) return null;
    const stored = { ...this.#totals };
    subtract(stored, this.#elsewhere);
    return { dropped: this.#differences.dropped, stored };
  }

  async #cut(spans: Span[]): Promise<void> {
    const { compression, level } = this.options;
    const writer = this.#writer;
    const file = this.options.rewrite!;
    const { pool, table: blocks } = writer;
    writer.table = await cutOut({
      ...{ spans, blocks, file, compression, level, pool, pulse: this.#pulse },
    });
    let size = 0;
    for (const { offset, length } of writer.table) size = offset + length;
    file.truncate(size);
    const piece = new Uint8Array(1 << 20);
    const pulse = this.#pulse;
    await writer.rewritten(size, async function* () {
      for (let at = 0; at < size; at += piece.length) {
        if (pulse.due()) await pulse.beat();
        const bytes = piece.subarray(0, Math.min(piece.length, size - at));
        file.readAt(bytes, at);
        yield bytes;
      }
    });
  }

  #result(): ArchiveResult {
    return {
      file_count: this.#totals.files,
      entry_count: this.#totals.entries,
      source_bytes: this.#totals.bytes,
      warnings: this.#warnings.all(),
    };
  }

  /** Ends the workers. Must be called on every way out. */
  [Symbol.dispose](): void {
    this.#log?.[Symbol.dispose]();
    this.#rows?.[Symbol.dispose]();
    this.#packer.references?.[Symbol.dispose]();
    this.#writer[Symbol.dispose]();
  }
}

/** Entries beyond the first `count` were put behind all that was cut: they are where they are. */
function amendments(
  before: BlockTable,
  after: BlockTable,
  spans: Span[],
  compression: Compression,
  count: number,
): Amend {
  const plain = compression === "none" ? BLOCK_BYTES.none : null;
  const amended = new Amendments(before, after, spans, plain);
  let asked = 0;
  return (offset, inner) => asked++ < count ? amended.place(offset, inner) : { offset, inner };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
