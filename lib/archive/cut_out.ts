/**
 * Takes entries out of an archive that is all but finished: the tar stream closes up behind them, and
 * the blocks they lay in are compressed anew and padded to the length they had. So an archive of two
 * passes holds each path once, as it was in the end, and any tar restores it.
 */
import { DuckbackError } from "../core/errors.ts";
import type { Compression } from "../core/model.ts";
import { type BlockPlace, BlockTable, spanBytes } from "./block_table.ts";
import type { Codec } from "./codec.ts";
import type { CodecPool } from "./codec_pool.ts";
import { padBlock } from "./pad_block.ts";
import type { Pulse } from "./pulse.ts";
import type { Span } from "./walk_log.ts";

/** The archive's bytes so far. All of it throws IO or DISK_FULL. */
export interface Rewritable {
  /** Fills `into` from `offset` on. */
  readAt(into: Uint8Array, offset: number): void;
  writeAt(bytes: Uint8Array, offset: number): void;
  /** Gives the file `size` bytes; what is appended next goes there. */
  truncate(size: number): void;
}

export interface CutOptions {
  /** As `mergeSpans` gives them. */
  spans: readonly Span[];
  blocks: BlockTable;
  file: Rewritable;
  compression: Compression;
  level: number;
  pool: CodecPool | null;
  pulse: Pulse;
}

/** Cuts, and returns where the blocks are now. Throws what `file` throws, INTERRUPTED, INTERNAL. */
export function cutOut(options: CutOptions): Promise<BlockTable> {
  return options.compression === "none" ? closeUp(options) : recompress(options);
}

/** Bytes that are moved at once; also the blocks of an archive that is not compressed. */
const PIECE = 1 << 20;

/** Blocks that are worked on at the same time. */
const AT_ONCE = 3;

/** A block that did not become shorter: what lies behind it must move. */
interface Longer {
  block: BlockPlace;
  bytes: Uint8Array;
}

async function recompress(options: CutOptions): Promise<BlockTable> {
  const { blocks, pulse } = options;
  const longer: Longer[] = [];
  const running = new Set<Promise<void>>();
  for (const { block, own } of touched(blocks, options.spans)) {
    if (pulse.due()) await pulse.beat();
    const work = cutBlock(options, block, own).then((bytes) => {
      if (bytes.length === block.length) options.file.writeAt(bytes, block.offset);
      else longer.push({ block, bytes });
    }).finally(() => running.delete(work));
    running.add(work);
    if (running.size >= AT_ONCE) await Promise.race(running);
  }
  await Promise.all(running);
  longer.sort((a, b) => a.block.offset - b.block.offset);
  if (longer.length > 0) await makeRoom(options, longer);
  return tableAfter(blocks, options.spans, longer);
}

/** Blocks that spans reach into, with those spans relative to the block's content. */
function* touched(blocks: BlockTable, spans: readonly Span[]) {
  let passed = 0;
  for (const block of blocks) {
    const end = block.start + block.content;
    while (passed < spans.length && spans[passed].end <= block.start) passed++;
    const own: Span[] = [];
    for (let i = passed; i < spans.length && spans[i].start < end; i++) {
      const from = Math.max(spans[i].start, block.start) - block.start;
      own.push({ start: from, end: Math.min(spans[i].end, end) - block.start });
    }
    if (own.length > 0) yield { block, own };
  }
}

function tableAfter(
  blocks: BlockTable,
  spans: readonly Span[],
  longer: readonly Longer[],
): BlockTable {
  const gone = new Map([...touched(blocks, spans)].map(({ block, own }) => [
    block.offset,
    spanBytes(own),
  ]));
  const grown = new Map(longer.map(({ block, bytes }) => [block.offset, bytes.length]));
  const table = new BlockTable();
  let at = 0;
  for (const { content, offset, length } of blocks) {
    const now = grown.get(offset) ?? length;
    table.add(content - (gone.get(offset) ?? 0), at, now);
    at += now;
  }
  return table;
}

/** The block without `own`: as long as it was, or, if that cannot be, longer. */
async function cutBlock(
  options: CutOptions,
  block: BlockPlace,
  own: Span[],
): Promise<Uint8Array> {
  const { file, compression } = options;
  const pool = options.pool!;
  const codec = compression as Codec;
  let content: Uint8Array = new Uint8Array(0);
  if (own[0].start > 0 || own[0].end < block.content) {
    const input = new Uint8Array(block.length);
    file.readAt(input, block.offset);
    content = without(await decompress(pool, codec, block, input), own);
  }
  const compressed = await compress(pool, codec, options.level, content);
  const padded = padBlock(codec, compressed, block.length);
  if (padded !== null) return padded;
  // What is left is hardly ever longer than the whole was, and then hardly by anything.
  const smaller = await compress(pool, codec, STRONGER[codec], content);
  for (let length = Math.max(block.length, smaller.length);; length++) {
    const bytes = padBlock(codec, smaller, length);
    if (bytes !== null) return bytes;
  }
}

const STRONGER: Record<Codec, number> = { gzip: 9, zstd: 12 };

async function compress(pool: CodecPool, codec: Codec, level: number, content: Uint8Array) {
  const { length } = content;
  const input = content.slice().buffer as ArrayBuffer;
  const answer = await pool.run({ act: "compress", codec, level, input, length });
  if (answer.ok) return answer.output;
  throw new DuckbackError("INTERNAL", `Cannot compress a block: ${answer.error}`);
}

/** Moves what lies behind longer blocks to the end, last things first, and writes the blocks. */
async function makeRoom({ blocks, file, pulse }: CutOptions, longer: Longer[]): Promise<void> {
  let end = 0;
  for (const { offset, length } of blocks) end = offset + length;
  let shift = longer.reduce((sum, { block, bytes }) => sum + bytes.length - block.length, 0);
  const piece = new Uint8Array(PIECE);
  for (const { block, bytes } of longer.toReversed()) {
    const start = block.offset + block.length;
    for (let at = end; at > start;) {
      if (pulse.due()) await pulse.beat();
      const part = piece.subarray(0, Math.min(PIECE, at - start));
      at -= part.length;
      file.readAt(part, at);
      file.writeAt(part, at + shift);
    }
    shift -= bytes.length - block.length;
    file.writeAt(bytes, block.offset + shift);
    end = block.offset;
  }
}

async function decompress(pool: CodecPool, codec: Codec, block: BlockPlace, input: Uint8Array) {
  const { length, content: size } = block;
  const buffer = input.buffer as ArrayBuffer;
  const answer = await pool.run({ act: "decompress", codec, size, input: buffer, length });
  if (answer.ok) return answer.output;
  throw new DuckbackError("IO", `Cannot read back the archive: ${answer.error}`, {
    hint: "Its disk gives other bytes than were written: check the disk.",
  });
}

/** `bytes` less `spans`, closed up. */
function without(bytes: Uint8Array, spans: Span[]): Uint8Array {
  let used = spans[0].start;
  for (let i = 0; i < spans.length; i++) {
    const to = i + 1 < spans.length ? spans[i + 1].start : bytes.length;
    bytes.copyWithin(used, spans[i].end, to);
    used += to - spans[i].end;
  }
  return bytes.subarray(0, used);
}

/** An archive that is not compressed: what lies behind a gap moves up. */
async function closeUp({ spans, blocks, file, pulse }: CutOptions): Promise<BlockTable> {
  let size = 0;
  for (const { content } of blocks) size += content;
  const piece = new Uint8Array(PIECE);
  let to = spans[0].start;
  for (let i = 0; i < spans.length; i++) {
    const end = i + 1 < spans.length ? spans[i + 1].start : size;
    for (let from = spans[i].end; from < end;) {
      if (pulse.due()) await pulse.beat();
      const bytes = piece.subarray(0, Math.min(PIECE, end - from));
      file.readAt(bytes, from);
      file.writeAt(bytes, to);
      from += bytes.length;
      to += bytes.length;
    }
  }
  const table = new BlockTable();
  for (let at = 0; at < to; at += PIECE) {
    table.add(Math.min(PIECE, to - at), at, Math.min(PIECE, to - at));
  }
  return table;
}
