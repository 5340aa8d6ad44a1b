/** What an archive says of itself: its first and last entries, without reading what lies between. */
import { ArchiveFile, type Cut } from "./archive_file.ts";
import { GZIP_HEADER, gzipSizes, MAX_BLOCK } from "./codec.ts";
import { perform } from "./codec_task.ts";
import { corrupt } from "./corrupt.ts";
import { openSource } from "./open_source.ts";
import { FIRST_ENTRY, LAST_ENTRY } from "./self_entries.ts";
import { BLOCK, readHeader, RECORD } from "./tar_header.ts";
import { lastFrame } from "./seek_table.ts";
import { type TarEntry, TarParser } from "./tar_parser.ts";

/** Longest JSON that is read. */
const MAX_JSON = 16 << 20;
/** How far from its end an archive's last block is looked for. */
const TAIL = 4 << 20;

/**
 * The content of `.duckback/backup.json`, and of `.duckback/result.json`: null where the archive was
 * never finished or its end is damaged. Reads a few megabytes at most. Throws ARCHIVE_MISSING,
 * ARCHIVE_CORRUPT where it is not an archive of duckback's.
 */
export async function readSelf(path: string): Promise<{ first: unknown; last: unknown | null }> {
  using file = new ArchiveFile(path);
  const first = new EntryContent(FIRST_ENTRY);
  using source = openSource(file, { workers: 0 });
  const parser = new TarParser(path, first);
  let chunk = await source.next();
  for (; chunk !== null && !first.complete && !first.failed; chunk = await source.next()) {
    for (let at = 0; at < chunk.bytes.length && !first.complete && !first.failed; at += BLOCK) {
      parser.feed(chunk.bytes.subarray(at, at + BLOCK), chunk.offset, chunk.inner + at);
    }
  }
  if (!first.complete) {
    throw corrupt(path, `it does not begin with ${FIRST_ENTRY}: duckback did not make it`);
  }
  const json = first.json();
  if (json === undefined) {
    throw corrupt(path, "its content is not JSON", { offset: 0, entry: FIRST_ENTRY });
  }
  return { first: json, last: readLast(file) ?? null };
}

/** The last entry's JSON; undefined where it is not there. */
function readLast(file: ArchiveFile): unknown {
  const cut = findLast(file);
  if (cut === null) return undefined;
  const last = new EntryContent(LAST_ENTRY);
  try {
    const input = file.load(cut).buffer;
    const { codec, length, content: size } = cut;
    const answer = codec === null
      ? { ok: true as const, output: new Uint8Array(input) }
      : perform({ act: "decompress", codec, size, input, length });
    if (!answer.ok) return undefined;
    const parser = new TarParser(file.path, last);
    parser.feed(answer.output, cut.offset, 0);
    return parser.ended && last.complete ? last.json() : undefined;
  } catch {
    return undefined; // Damaged: `verify` says where and how.
  }
}

/** The block that begins with the last entry. */
function findLast(file: ArchiveFile): Cut | null {
  if (!file.blocks) return null;
  if (file.compression === "zstd") return lastZstd(file);
  if (file.compression === "none" && file.size % RECORD !== 0) return null;
  const from = Math.max(0, file.size - TAIL);
  const tail = new Uint8Array(file.size - from);
  file.read(tail, from);
  return file.compression === "gzip" ? lastGzip(tail, from) : lastPlain(tail, from);
}

/** The member whose header says that it ends where the file ends. */
function lastGzip(tail: Uint8Array, from: number): Cut | null {
  for (let at = tail.length; (at = tail.lastIndexOf(0x1f, at - 1)) !== -1;) {
    const sizes = gzipSizes(tail.subarray(at, at + GZIP_HEADER));
    if (sizes !== null && at + sizes.member === tail.length && sizes.content <= MAX_BLOCK) {
      return { offset: from + at, length: sizes.member, content: sizes.content, codec: "gzip" };
    }
    if (at === 0) break;
  }
  return null;
}

function lastZstd(file: ArchiveFile): Cut | null {
  const frame = lastFrame(file.size, (into, offset) => file.read(into, offset));
  if (frame === null || frame.content > MAX_BLOCK || frame.compressed > 2 * MAX_BLOCK) return null;
  const { offset, compressed: length, content } = frame;
  return { offset, length, content, codec: "zstd" };
}

/** The last header of that name; it may hold another archive's, but no later one can be a file's. */
function lastPlain(tail: Uint8Array, from: number): Cut | null {
  const name = new TextEncoder().encode(`${LAST_ENTRY}\0`);
  for (let at = Math.floor((tail.length - BLOCK) / BLOCK) * BLOCK; at >= 0; at -= BLOCK) {
    if (!name.every((byte, i) => tail[at + i] === byte)) continue;
    try {
      readHeader(tail, at);
    } catch {
      continue;
    }
    const length = tail.length - at;
    return { offset: from + at, length, content: length, codec: null };
  }
  return null;
}

/** Keeps the content of the first entry it gets, which must have the right name. */
class EntryContent {
  complete = false;
  failed = false;
  #at = 0;
  #bytes: Uint8Array | null = null;

  constructor(readonly path: string) {}

  entry(entry: TarEntry): void {
    if (this.complete || this.failed) return;
    const right = entry.path === this.path && entry.type === "file" && entry.size <= MAX_JSON &&
      entry.stored === entry.size;
    if (!right) this.failed = true;
    else this.#bytes = new Uint8Array(entry.size);
  }

  data(bytes: Uint8Array): void {
    if (this.complete || this.#bytes === null) return;
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  hole(): void {}

  end(): void {
    if (this.#bytes !== null) this.complete = true;
  }

  json(): unknown {
    try {
      return JSON.parse(new TextDecoder().decode(this.#bytes!));
    } catch {
      return undefined;
    }
  }
}
