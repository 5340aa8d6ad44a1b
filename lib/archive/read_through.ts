/**
 * Archives that duckback did not make: tells them from its own, and reads them to their end, so that
 * nothing is restored from one that is damaged or holds what cannot be taken.
 */
import { type ProgressSink, silent } from "../core/progress.ts";
import { ArchiveFile } from "./archive_file.ts";
import { corrupt } from "./corrupt.ts";
import { openSource } from "./open_source.ts";
import { Pulse } from "./pulse.ts";
import { FIRST_ENTRY, LAST_ENTRY } from "./self_entries.ts";
import { BLOCK } from "./tar_header.ts";
import { readTar } from "./read_tar.ts";
import { type TarEntry, type TarHandler, TarParser } from "./tar_parser.ts";

export interface ReadOptions {
  progress?: ProgressSink;
  signal?: AbortSignal;
  workers?: number;
}

/** What an archive holds; `bytes` of file content, holes not counted. */
export interface Contents {
  entries: number;
  files: number;
  bytes: number;
}

/**
 * True where an archive begins as duckback's do, or consists of blocks that only duckback writes; then
 * `verifyArchive` is who says whether it is sound. Throws ARCHIVE_MISSING, ARCHIVE_CORRUPT, INTERRUPTED.
 */
export async function isOurs(path: string, options: ReadOptions = {}): Promise<boolean> {
  using file = new ArchiveFile(path);
  if (file.compression === "gzip" && file.blocks) return true;
  using source = openSource(file, { signal: options.signal, workers: 0 });
  const found = new FirstPath();
  const parser = new TarParser(path, found);
  for (let chunk = await source.next(); chunk !== null; chunk = await source.next()) {
    for (let at = 0; at < chunk.bytes.length; at += BLOCK) {
      parser.feed(chunk.bytes.subarray(at, at + BLOCK), chunk.offset, chunk.inner + at);
      if (found.path !== null) return found.path === FIRST_ENTRY;
      if (parser.ended) return false;
    }
  }
  return false;
}

class FirstPath implements TarHandler {
  path: string | null = null;

  entry(entry: TarEntry): void {
    this.path ??= entry.path;
  }

  data(): void {}
  hole(): void {}
  end(): void {}
}

/**
 * Reads an archive of another program's to its end: checksums of headers and of what compressed it,
 * sizes, names, types. Throws ARCHIVE_MISSING, ARCHIVE_CORRUPT, IO, INTERRUPTED.
 */
export async function readThrough(path: string, options: ReadOptions = {}): Promise<Contents> {
  const { signal, workers, progress = silent } = options;
  using file = new ArchiveFile(path);
  using source = openSource(file, { signal, workers });
  const counter = new Counter();
  const pulse = new Pulse(signal, progress, counter);
  await readTar(path, source, counter, pulse);
  pulse.report();
  if (counter.last === LAST_ENTRY) {
    throw corrupt(path, `its beginning is missing: it ends with ${LAST_ENTRY}, as duckback's do`);
  }
  const { entries, files, bytes } = counter;
  return { entries, files, bytes };
}

class Counter implements TarHandler {
  entries = 0;
  files = 0;
  bytes = 0;
  last = "";

  entry(entry: TarEntry): void {
    this.entries++;
    if (entry.type === "file") this.files++;
    this.last = entry.path;
  }

  data(bytes: Uint8Array): void {
    this.bytes += bytes.length;
  }

  hole(): void {}
  end(): void {}
}
