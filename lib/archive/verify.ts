/** Proves an archive by reading all of it: every block, every header, every file's digest. */
import { createHash, type Hash, hash } from "node:crypto";
import type { ManifestEntry } from "../core/model.ts";
import { printable } from "../core/paths.ts";
import { type ProgressSink, silent } from "../core/progress.ts";
import { ArchiveFile } from "./archive_file.ts";
import { corrupt } from "./corrupt.ts";
import { FileHash } from "./file_hash.ts";
import { openSource } from "./open_source.ts";
import { Pulse } from "./pulse.ts";
import { FIRST_ENTRY, isSelf, LAST_ENTRY, RECIPES } from "./self_entries.ts";
import { RECORD } from "./tar_header.ts";
import { type ManifestBatches, ManifestRows } from "./manifest_rows.ts";
import { addZeros } from "./hash_zeros.ts";
import { readTar } from "./read_tar.ts";
import type { TarEntry, TarHandler } from "./tar_parser.ts";

export interface VerifyOptions {
  /** SHA-256 (hex) that the archive file must have. */
  sha256?: string | null;
  /** The manifest's rows in the archive's order, in batches of any size; none is not looked at. */
  manifest?: ManifestBatches;
  progress?: ProgressSink;
  /** From the catalogue; shown as the totals of the progress. */
  totals?: { files: number; bytes: number };
  signal?: AbortSignal;
  workers?: number;
}

export interface VerifyReport {
  /** Rows of which the archive holds recipes: what those give is yet to be proved. */
  recipes: ManifestEntry[];
  /** Entries but the archive's own; of several of one path behind one another the last. */
  entries: number;
  files: number;
  /** Bytes of file content that are stored: holes are not counted. */
  bytes: number;
  /** SHA-256 (hex) of the archive file. */
  sha256: string;
}

/**
 * Reads an archive to its end. Throws ARCHIVE_MISSING, and ARCHIVE_CORRUPT, naming entry and offset,
 * where a block's length or checksum, a header, a file's digest, the archive's own digest or its end
 * is not what it must be, or the manifest names other entries than are there; IO, INTERRUPTED.
 */
export async function verifyArchive(
  path: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  using file = new ArchiveFile(path);
  const { signal, workers } = options;
  using digest = new FileHash(file.fd, file.size);
  using source = openSource(file, { signal, workers, onRaw: (bytes) => digest.update(bytes) });
  await using rows = options.manifest === undefined ? null : new ManifestRows(options.manifest);
  const check = new Check(path, rows);
  const pulse = new Pulse(signal, options.progress ?? silent, check, options.totals);
  await readTar(path, source, check, pulse, () => rows?.prepare());
  check.finish();
  if (file.compression === "zstd" && file.blocks && file.table === null) {
    throw corrupt(path, "the file is cut short: its seek table is missing", { offset: file.size });
  }
  if (file.compression === "none" && file.size % RECORD !== 0) {
    throw corrupt(path, "the file is cut short: it is no multiple of 10,240 bytes long");
  }
  const sha256 = await digest.digest();
  if (options.sha256 && options.sha256 !== sha256) {
    throw corrupt(path, `its SHA-256 is ${sha256}, not ${options.sha256} as recorded`);
  }
  pulse.report();
  const { entries, files, bytes, recipes } = check;
  return { recipes, entries, files, bytes, sha256 };
}

const EMPTY_SHA256 = hash("sha256", new Uint8Array(0), "hex");
/** Zeros that are hashed at once: 50 ms. */
const HOLE_STEP = 64 << 20;

function isBefore(entry: ManifestEntry, row: ManifestEntry): boolean {
  if (entry.block_offset !== row.block_offset) return entry.block_offset < row.block_offset;
  return entry.block_inner < row.block_inner;
}

class Check implements TarHandler {
  entries = 0;
  files = 0;
  bytes = 0;
  readonly recipes: ManifestEntry[] = [];
  #seen = 0;
  #current: TarEntry | null = null;
  /** Bytes of the current file's content so far. */
  #content = 0;
  /** What the current file's SHA-256 must be; null where that is not known, or not to be asked. */
  #wanted: string | null = null;
  /** Made once it is seen that its content comes in more than one piece. */
  #digest: Hash | null = null;
  /** The SHA-256 of content that came in one. */
  #whole: string | null = null;
  /** Path of the last entry, which another one of the same path replaces. */
  #last = "";

  readonly holeStep = HOLE_STEP;

  constructor(readonly archive: string, readonly rows: ManifestRows | null) {}

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
    this.#digest = this.#whole = this.#wanted = null;
    if (isSelf(entry.path)) return this.#self(entry);
    const again = entry.path === this.#last;
    this.#last = entry.path;
    if (!again) {
      this.entries++;
      if (entry.type === "file") this.files++;
    } else if (entry.type === "file") this.bytes -= this.#content;
    this.#content = 0;
    if (this.rows === null) return;
    const row = this.#row(entry, this.rows);
    if (row === null || entry.type !== "file") return;
    if (row.size !== entry.size) {
      throw this.#corrupt(entry, `it has ${entry.size} bytes, the manifest says ${row.size}`);
    }
    if (row.sha256 === null) return;
    this.#wanted = row.sha256;
  }

  /** Of the archive's own entries only recipes are in the manifest, as what they are for. */
  #self(entry: TarEntry): void {
    if (!entry.path.startsWith(RECIPES)) return;
    this.entries++;
    this.files++;
    const row = this.rows?.head;
    if (row === undefined) return;
    if (row?.path !== entry.path.slice(RECIPES.length) || row.type !== "file") {
      throw this.#corrupt(entry, "the manifest does not name what it is for");
    }
    this.recipes.push(row);
    this.rows!.next();
  }

  /** What the manifest says of an entry; null for one that a later one of the same path replaces. */
  #row(entry: TarEntry, rows: ManifestRows): ManifestEntry | null {
    const row = rows.head;
    if (row === null) throw this.#corrupt(entry, "the manifest does not name it");
    if (row.path === entry.path && isBefore(entry, row)) return null;
    if (row.path !== entry.path || row.type !== entry.type) {
      const other = `the ${row.type} "${printable(row.path)}"`;
      throw this.#corrupt(entry, `the manifest names ${other} where this ${entry.type} is`);
    }
    rows.next();
    return row;
  }

  data(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.#content += bytes.length;
    if (this.#wanted === null) return;
    if (bytes.length === this.#current!.size) this.#whole = hash("sha256", bytes, "hex");
    else (this.#digest ??= createHash("sha256")).update(bytes);
  }

  hole(length: number): void {
    if (this.#wanted !== null) addZeros(this.#digest ??= createHash("sha256"), length);
  }

  end(): void {
    const entry = this.#current!;
    if (isSelf(entry.path)) this.bytes -= entry.size;
    if (this.#wanted === null) return;
    const found = this.#whole ?? this.#digest?.digest("hex") ?? EMPTY_SHA256;
    if (found === this.#wanted) return;
    throw this.#corrupt(entry, "its content is not what was backed up: the SHA-256 differs");
  }

  finish(): void {
    if (this.#current?.path !== LAST_ENTRY) {
      throw corrupt(this.archive, `the archive is not complete: ${LAST_ENTRY} is missing`);
    }
    const row = this.rows?.head ?? null;
    if (row === null) return;
    const { block_offset: offset, block_inner: inner, path } = row;
    const state = "the archive is not complete: the manifest names an entry that is not there";
    throw corrupt(this.archive, state, { offset, inner, entry: path });
  }

  #corrupt(entry: TarEntry, state: string) {
    const { block_offset: offset, block_inner: inner, path } = entry;
    return corrupt(this.archive, state, { offset, inner, entry: path });
  }
}
