/** Proves an archive by reading all of it: every block, every header, every file's digest. */
import { createHash, type Hash } from "node:crypto";
import { type ProgressSink, silent } from "../core/progress.ts";
import { ArchiveFile } from "./archive_file.ts";
import { corrupt } from "./corrupt.ts";
import { openSource } from "./open_source.ts";
import { Pulse } from "./pulse.ts";
import { FIRST_ENTRY, isSelf, LAST_ENTRY } from "./self_entries.ts";
import { RECORD } from "./tar_header.ts";
import { readTar, type TarEntry, type TarHandler } from "./tar_reader.ts";

export interface VerifyOptions {
  /** SHA-256 (hex) that the archive file must have. */
  sha256?: string | null;
  /** What the manifest says of a file's content; undefined where it says nothing. */
  expected?: (path: string) => { size: number; sha256: string | null } | undefined;
  progress?: ProgressSink;
  /** From the catalogue; shown as the totals of the progress. */
  totals?: { files: number; bytes: number };
  signal?: AbortSignal;
  workers?: number;
}

export interface VerifyReport {
  /** Entries but the archive's own. */
  entries: number;
  files: number;
  /** Bytes of file content. */
  bytes: number;
  /** SHA-256 (hex) of the archive file. */
  sha256: string;
}

/**
 * Reads an archive to its end. Throws ARCHIVE_MISSING, and ARCHIVE_CORRUPT, naming entry and offset,
 * where a block's length or checksum, a header, a file's digest, the archive's own digest or its end
 * is not what it must be; IO, INTERRUPTED.
 */
export async function verifyArchive(
  path: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  using file = new ArchiveFile(path);
  const { signal, workers } = options;
  const digest = createHash("sha256");
  using source = openSource(file, { signal, workers, onRaw: (bytes) => digest.update(bytes) });
  const check = new Check(path, options.expected);
  const pulse = new Pulse(signal, options.progress ?? silent, check, options.totals);
  await readTar(path, source, check, pulse);
  check.finish();
  if (file.compression === "zstd" && file.blocks && file.table === null) {
    throw corrupt(path, "the file is cut short: its seek table is missing", { offset: file.size });
  }
  if (file.compression === "none" && file.size % RECORD !== 0) {
    throw corrupt(path, "the file is cut short: it is no multiple of 10,240 bytes long");
  }
  const sha256 = digest.digest("hex");
  if (options.sha256 && options.sha256 !== sha256) {
    throw corrupt(path, `its SHA-256 is ${sha256}, not ${options.sha256} as recorded`);
  }
  pulse.report();
  const { entries, files, bytes } = check;
  return { entries, files, bytes, sha256 };
}

class Check implements TarHandler {
  entries = 0;
  files = 0;
  bytes = 0;
  #seen = 0;
  #current: TarEntry | null = null;
  #digest: Hash | null = null;
  #wanted: string | null = null;

  constructor(readonly archive: string, readonly expected: VerifyOptions["expected"]) {}

  entry(entry: TarEntry): void {
    if (this.#seen++ === 0 && entry.path !== FIRST_ENTRY) {
      throw corrupt(
        this.archive,
        `it does not begin with ${FIRST_ENTRY}: duckback did not make it`,
      );
    }
    if (this.#current?.path === LAST_ENTRY) {
      throw this.#corrupt(entry, `it lies behind ${LAST_ENTRY}, the last entry`);
    }
    this.#current = entry;
    this.#digest = null;
    if (isSelf(entry.path)) return;
    this.entries++;
    if (entry.type !== "file") return;
    this.files++;
    const expected = this.expected?.(entry.path);
    if (expected === undefined) return;
    if (expected.size !== entry.size) {
      throw this.#corrupt(entry, `it has ${entry.size} bytes, the manifest says ${expected.size}`);
    }
    if (expected.sha256 === null) return;
    this.#wanted = expected.sha256;
    this.#digest = createHash("sha256");
  }

  data(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.#digest?.update(bytes);
  }

  end(): void {
    const entry = this.#current!;
    if (isSelf(entry.path)) this.bytes -= entry.size;
    if (this.#digest === null || this.#digest.digest("hex") === this.#wanted) return;
    throw this.#corrupt(entry, "its content is not what was backed up: the SHA-256 differs");
  }

  finish(): void {
    if (this.#current?.path === LAST_ENTRY) return;
    throw corrupt(this.archive, `the archive is not complete: ${LAST_ENTRY} is missing`);
  }

  #corrupt(entry: TarEntry, state: string) {
    const { block_offset: offset, block_inner: inner, path } = entry;
    return corrupt(this.archive, state, { offset, inner, entry: path });
  }
}
