/** Makes an archive: the sources' entries between the archive's own first and last ones. */
import { throwIfAborted } from "../core/errors.ts";
import type { Compression } from "../core/model.ts";
import { silent } from "../core/progress.ts";
import type { StatView } from "../posix/stat.ts";
import type { Amend, ArchiveResult, ArchiveSummary, CreateOptions } from "./archive_options.ts";
import { Amendments, type BlockTable, mergeSpans, spanBytes } from "./block_table.ts";
import { BlockWriter } from "./block_writer.ts";
import { BLOCK_BYTES } from "./codec.ts";
import { cutOut } from "./cut_out.ts";
import { FirstPass } from "./first_pass.ts";
import { Packer, type Totals } from "./pack.ts";
import { Pulse } from "./pulse.ts";
import { newWalker, putSource } from "./put_source.ts";
import { FIRST_ENTRY, LAST_ENTRY } from "./self_entries.ts";
import { BLOCK, RECORD } from "./tar_header.ts";
import type { Span } from "./walk_log.ts";
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
  #first: FirstPass | null = null;

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
    const onEntry = options.onEntry;
    this.#packer = new Packer(this.#writer, this.#warnings, this.#pulse, this.#totals, onEntry);
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
    this.#first = await FirstPass.run(this.options, this.#packer);
    return { ...this.#totals };
  }

  /**
   * The only pass, or the second of two: then what differs from the first is stored again, and the
   * archive will be the tree as of now. Nobody should write to the sources meanwhile.
   */
  async copy(): Promise<void> {
    const { options } = this;
    const first = this.#first;
    if (first !== null) this.#writer.hasten(HASTE);
    const isStored = first === null
      ? undefined
      : (path: string, stat: StatView) => first.isStored(path, stat);
    using walk = newWalker(options, this.#warnings, true, isStored);
    const parents = new Set<string>();
    for (const [index, source] of options.sources.entries()) {
      first?.begin(index);
      await putSource(source, walk, this.#packer, parents, first);
    }
    first?.end();
  }

  /** Ends the archive: compresses what waits, takes out what the second pass found stale. */
  async finish(): Promise<ArchiveSummary> {
    const writer = this.#writer;
    const packer = this.#packer;
    // A block of its own for the last entry: it can be found without reading the archive.
    await writer.settle();
    const spans = mergeSpans(this.#first?.stale ?? []);
    let amend: Amend | null = null;
    if (spans.length > 0) {
      const before = writer.table;
      await this.#cut(spans);
      amend = amendments(before, writer.table, spans, this.options.compression);
    }
    await packer.addOwn(LAST_ENTRY, this.options.last(this.#result()), this.#mtime_s);
    if (!writer.ready) await writer.wait();
    writer.zeros(endLength(writer.content - spanBytes(spans)));
    const { bytes, sha256 } = await writer.finish();
    packer.flushEntries();
    this.#pulse.report();
    return { ...this.#result(), archive_bytes: bytes, sha256, amend };
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
    this.#first?.[Symbol.dispose]();
    this.#writer[Symbol.dispose]();
  }
}

function amendments(
  before: BlockTable,
  after: BlockTable,
  spans: Span[],
  compression: Compression,
): Amend {
  const plain = compression === "none" ? BLOCK_BYTES.none : null;
  const amended = new Amendments(before, after, spans, plain);
  return (offset, inner) => amended.place(offset, inner);
}

/** Length of the zeros that end an archive: two blocks at least, up to a whole record. */
function endLength(content: number): number {
  const least = content + 2 * BLOCK;
  return Math.ceil(least / RECORD) * RECORD - content;
}
