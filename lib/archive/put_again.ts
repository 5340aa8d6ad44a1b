/**
 * Puts entries of a chain's archives once more, behind what was kept: files that recipes stand for, hard
 * links whose target comes late, directories in which something was put since.
 */
import type { Compression, ManifestEntry } from "../core/model.ts";
import { encodePath, printable } from "../core/paths.ts";
import type { BlockRef, BlockWriter } from "./block_writer.ts";
import type { ChainReader, ContentHandler } from "./chain_reader.ts";
import type { WholeBlock } from "./content.ts";
import { corrupt } from "./corrupt.ts";
import { type EntryBytes, headOf, readEntryBytes } from "./entry_bytes.ts";
import { HeaderBuilder } from "./entry_header.ts";
import { padding } from "./pack.ts";
import type { Pulse } from "./pulse.ts";
import { RECIPES } from "./self_entries.ts";
import type { PlacedRow } from "./sieve.ts";
import { mapOfParts } from "./sparse_map.ts";

/** A whole row of a manifest. */
export type NumberedRow = ManifestEntry & PlacedRow;

const NO_LINK = new Uint8Array(0);
/** Bytes that are put at once. */
const PIECE = 1 << 20;

export class PutAgain {
  /** Of blocks that were put as they are. */
  copied_bytes = 0;
  copied_blocks = 0;
  readonly #headers = new HeaderBuilder();

  /** `placed` is told where each row's entry begins. */
  constructor(
    readonly writer: BlockWriter,
    readonly chain: ChainReader,
    readonly pulse: Pulse,
    readonly placed: (row: NumberedRow, ref: BlockRef, inner: number) => void,
  ) {}

  /**
   * Returns the bytes of content that were put. Throws ARCHIVE_CORRUPT where the content is not what the
   * row says, ARCHIVE_MISSING, IO, INTERRUPTED.
   */
  async put(row: NumberedRow): Promise<number> {
    if (this.pulse.due()) await this.pulse.beat();
    const found = await readEntryBytes(this.chain, row);
    if (row.type === "file" && found.entry.path === RECIPES + row.path) {
      return await this.#assemble(row, found);
    }
    const { path, type } = found.entry;
    if (path !== row.path || type !== row.type) {
      const { path: entry, block_offset: offset, block_inner: inner } = row;
      const state = `the ${type} "${printable(path)}" is where the manifest says it is`;
      throw corrupt(this.chain.archiveOf(row), state, { entry, offset, inner });
    }
    await this.#begin(row, found.bytes);
    return row.type === "file" ? await this.#content(row, null, row.size) : 0;
  }

  async #begin(row: NumberedRow, bytes: Uint8Array): Promise<void> {
    const { writer } = this;
    if (!writer.ready) await writer.wait();
    this.placed(row, writer.ref, writer.used);
    await putAll(writer, bytes);
  }

  async #copy({ raw, content }: Block): Promise<void> {
    await this.writer.raw(raw, content);
    this.copied_bytes += raw.length;
    this.copied_blocks++;
  }

  /** A file out of its recipe, with the holes that its parts have. */
  async #assemble(row: NumberedRow, found: EntryBytes): Promise<number> {
    const map = await mapOfParts(this.chain.layout(row), row.size);
    const stored = map === null ? row.size : map.header.length + map.data;
    const head = {
      ...headOf(found),
      path: encodePath(row.path),
      size: stored,
      link: NO_LINK,
      real_size: map === null ? null : row.size,
    };
    await this.#begin(row, this.#headers.build(head));
    if (map !== null) await putAll(this.writer, map.header);
    return await this.#content(row, map?.segments ?? null, map?.data ?? row.size);
  }

  /** Puts the data of a row's file; `segments` null for one without holes. `data` is their length. */
  async #content(row: NumberedRow, segments: number[] | null, data: number): Promise<number> {
    const { writer, pulse } = this;
    const content = new Segments(segments ?? [0, row.size], writer.options.compression);
    const flush = async () => {
      if (pulse.due()) await pulse.beat();
      for (const piece of content.waiting.splice(0)) {
        if (typeof piece === "number") await putZeros(writer, piece);
        else if (piece instanceof Uint8Array) await putAll(writer, piece);
        else await this.#copy(piece);
      }
    };
    await this.chain.read(
      row,
      content,
      () => content.waiting.length > 0 || pulse.due() ? flush() : undefined,
    );
    await flush();
    await putZeros(writer, padding(data));
    return data;
  }
}

/** A compressed block, and how long its content is. */
interface Block {
  raw: Uint8Array;
  content: number;
}

/** Takes a file's content and keeps what is in its segments until it is put: zeros as their number. */
class Segments implements ContentHandler {
  readonly waiting: (Uint8Array | number | Block)[] = [];
  #at = 0;
  #next = 0;

  constructor(readonly segments: readonly number[], readonly compression: Compression) {}

  entry(): void {}

  data(bytes: Uint8Array): void {
    if (bytes.length > 0) this.waiting.push(bytes.slice());
    this.#at += bytes.length;
  }

  block({ bytes, compression, raw }: WholeBlock): void {
    if (compression !== this.compression) return this.data(bytes);
    this.waiting.push({ raw: raw(), content: bytes.length });
    this.#at += bytes.length;
  }

  /** Short holes lie within segments. */
  hole(length: number): void {
    const { segments } = this;
    const end = this.#at + length;
    for (; this.#next < segments.length; this.#next += 2) {
      const start = segments[this.#next];
      const stop = start + segments[this.#next + 1];
      const zeros = Math.min(stop, end) - Math.max(start, this.#at);
      if (zeros > 0) this.waiting.push(zeros);
      if (stop > end) break;
    }
    this.#at = end;
  }

  end(): void {}
}

async function putAll(writer: BlockWriter, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    if (!writer.ready) await writer.wait();
    writer.put(bytes.subarray(at, at + PIECE));
  }
}

async function putZeros(writer: BlockWriter, count: number): Promise<void> {
  for (let left = count; left > 0; left -= PIECE) {
    if (!writer.ready) await writer.wait();
    writer.zeros(Math.min(left, PIECE));
  }
}
