/** Makes an archive: the sources' entries between the archive's own first and last ones. */
import { throwIfAborted } from "../core/errors.ts";
import { type Compression, type ManifestEntry, type Source, type Warning } from "../core/model.ts";
import { type ProgressSink, silent } from "../core/progress.ts";
import { cString } from "../posix/c_string.ts";
import { closeQuietly } from "../posix/files.ts";
import { AT_FDCWD } from "../posix/libc.ts";
import { StatView } from "../posix/stat.ts";
import { NO_XATTRS, xattrsAt } from "../posix/xattr.ts";
import { BlockWriter } from "./block_writer.ts";
import { makeExcluder } from "./exclude.ts";
import { Packer, type Totals } from "./pack.ts";
import { Pulse } from "./pulse.ts";
import { FIRST_ENTRY, LAST_ENTRY } from "./self_entries.ts";
import { type SparseMap, sparseMap } from "./sparse_map.ts";
import { SkipList } from "./skip_list.ts";
import { BLOCK, RECORD } from "./tar_header.ts";
import { Walker } from "./walk.ts";
import { Warnings } from "./warnings.ts";

const NO_LINK = new Uint8Array(0);

export interface WalkChoice {
  sources: Source[];
  /** gitignore patterns, relative to each source and, where it lies inside, to the working directory. */
  exclude?: string[];
  /** Absolute paths on this host that are never entered: backup directory, home, the archive itself. */
  skip_paths?: string[];
  /** Leaves out what is mounted inside a source. */
  one_file_system?: boolean;
  /** Leaves out what lies in directories that a CACHEDIR.TAG marks. */
  exclude_caches?: boolean;
  signal?: AbortSignal;
}

export interface CreateOptions extends WalkChoice {
  compression: Compression;
  /** 0-9 for gzip, 1-22 for zstd. */
  level: number;
  /** Content of `.duckback/backup.json`, the first entry. */
  first: Uint8Array;
  /** Gives the content of `.duckback/result.json`, the last entry. */
  last: (result: ArchiveResult) => Uint8Array;
  /** Modification time of those two; 1970 without it. */
  now?: Date;
  /**
   * Takes the archive's bytes in order; awaited, with a bounded number of blocks held meanwhile. The
   * bytes may be overwritten once it has returned or its promise is settled.
   */
  write: (bytes: Uint8Array) => void | Promise<void>;
  /** Called for every entry but the archive's own, in the archive's order, soon after it is written. */
  onEntry: (entry: ManifestEntry) => void;
  progress?: ProgressSink;
  /** From `measure`; shown as the totals of the progress. */
  totals?: { files: number; bytes: number };
  workers?: number;
}

/** What is known of an archive before its last entry is written. */
export interface ArchiveResult {
  /** Regular files; further names of the same inode are not counted. */
  file_count: number;
  /** Entries of the sources, of every type. */
  entry_count: number;
  /** Bytes of file content. */
  source_bytes: number;
  warnings: Warning[];
}

export interface ArchiveSummary extends ArchiveResult {
  archive_bytes: number;
  /** SHA-256 (hex) of the archive's bytes. */
  sha256: string;
}

/**
 * Counts what `createArchive` would store, by metadata alone; content, owners of the archive and
 * pax headers are not in `bytes`. Throws SOURCE_MISSING and SOURCE_UNREADABLE (the top of a source),
 * INTERRUPTED.
 */
export async function measure(choice: WalkChoice): Promise<Totals> {
  const totals: Totals = { files: 0, bytes: 0, entries: 0 };
  const pulse = new Pulse(choice.signal, silent, totals);
  using walk = newWalker(choice, new Warnings(), false);
  for (const source of choice.sources) {
    for (let more = walk.begin(source) || walk.next(); more; more = walk.next()) {
      if (pulse.due()) await pulse.beat();
      totals.entries++;
      if (walk.type !== "file") continue;
      totals.files++;
      totals.bytes += contentBytes(walk.stat);
    }
  }
  return totals;
}

/**
 * Writes an archive of all sources through `write`. Resolves once everything was taken by `write`.
 * What could not be stored as it was is in `warnings`, `incomplete` set. Throws SOURCE_MISSING,
 * SOURCE_UNREADABLE, INTERRUPTED (within a second of the abort), and whatever `write` threw.
 */
export async function createArchive(options: CreateOptions): Promise<ArchiveSummary> {
  const signal = options.signal ?? new AbortController().signal;
  throwIfAborted(signal);
  const warnings = new Warnings();
  const totals: Totals = { files: 0, bytes: 0, entries: 0 };
  const pulse = new Pulse(signal, options.progress ?? silent, totals, options.totals);
  const { compression, level, workers, write } = options;
  const mtime_s = Math.floor((options.now?.getTime() ?? 0) / 1000);

  using writer = new BlockWriter({
    ...{ compression, level, workers, write, signal },
    onWritten: () => packer.flushEntries(),
  });
  const packer = new Packer(writer, warnings, pulse, totals, options.onEntry);
  using walk = newWalker(options, warnings, true);

  await packer.addOwn(FIRST_ENTRY, options.first, mtime_s);
  const parents = new Set<string>();
  for (const source of options.sources) await addSource(source, walk, packer, parents);

  // A block of its own for the last entry: it can be found without reading the archive.
  await writer.flush();
  const result = (): ArchiveResult => ({
    file_count: totals.files,
    entry_count: totals.entries,
    source_bytes: totals.bytes,
    warnings: warnings.all(),
  });
  await packer.addOwn(LAST_ENTRY, options.last(result()), mtime_s);
  if (!writer.ready) await writer.wait();
  writer.zeros(endLength(writer.content));
  const { bytes, sha256 } = await writer.finish();
  packer.flushEntries();
  pulse.report();
  return { ...result(), archive_bytes: bytes, sha256 };
}

function newWalker(choice: WalkChoice, warnings: Warnings, openFiles: boolean): Walker {
  return new Walker({
    exclude: makeExcluder(choice.exclude ?? []),
    skip: new SkipList(choice.skip_paths ?? []),
    warnings,
    openFiles,
    oneFileSystem: choice.one_file_system ?? false,
    excludeCaches: choice.exclude_caches ?? false,
  });
}

async function addSource(source: Source, walk: Walker, packer: Packer, parents: Set<string>) {
  const { writer, pulse } = packer;
  let more = walk.begin(source);
  if (more) await addParents(source, packer, parents);
  else more = walk.next();
  for (; more; more = walk.next()) {
    if (pulse.due()) await pulse.beat();
    if (!writer.ready) await writer.wait();
    if (walk.fd < 0) packer.addCurrent(walk);
    else {
      await addFile(walk, packer);
      closeQuietly(walk.fd);
      walk.fd = -1;
    }
  }
}

/** Puts the walk's current file; where it changes meanwhile, once more behind that. */
async function addFile(walk: Walker, packer: Packer): Promise<void> {
  const { stat } = walk;
  let map: SparseMap | null = null;
  if (stat.blocks * 512 < stat.size) map = await sparseMap(walk.fd, stat.size, packer.pulse);
  const entry = await putFile(walk, packer, map);
  const first = packer.changed;
  if (first === null) return;
  const { warnings, writer } = packer;
  if (!walk.reopen()) {
    packer.keep();
    return warnings.add(first.code, walk.path, first.message, true);
  }
  // tar's rule makes this sound for every reader: of two entries of one path the later wins.
  packer.supersede(entry, map);
  if (!writer.ready) await writer.wait();
  map = null;
  if (stat.blocks * 512 < stat.size) map = await sparseMap(walk.fd, stat.size, packer.pulse);
  await putFile(walk, packer, map);
  const second = packer.changed;
  if (second === null) {
    const message = `${first.message}; it was read again, this time without a change`;
    warnings.add("FILE_CHANGED", walk.path, message, false);
  } else {
    packer.keep();
    const message = `${second.message}, twice: it does not keep still`;
    warnings.add("FILE_CHANGED", walk.path, message, true);
  }
}

async function putFile(
  walk: Walker,
  packer: Packer,
  map: SparseMap | null,
): Promise<ManifestEntry> {
  const entry = packer.addCurrent(walk, map);
  if (map !== null) await packer.addSparse(walk, entry, map);
  else if (!packer.addSmallContent(walk, entry)) await packer.addContent(walk, entry);
  return entry;
}

/** About what will be stored of a file: holes are not. */
function contentBytes(stat: StatView): number {
  // File systems may keep small files elsewhere than in blocks.
  return stat.size < SMALL ? stat.size : Math.min(stat.size, stat.blocks * 512);
}

const SMALL = 64 << 10;

/**
 * Stores the directories between the working directory and a source inside it, once each. Other
 * sources (volumes, external paths) lie under directories that exist in archives only.
 */
async function addParents(source: Source, packer: Packer, done: Set<string>): Promise<void> {
  const { archive_path, path } = source;
  if (source.kind !== "path" || !path.endsWith(`/${archive_path}`)) return;
  const workDir = path.slice(0, -archive_path.length);
  const stat = new StatView();
  for (let end = archive_path.indexOf("/"); end > 0; end = archive_path.indexOf("/", end + 1)) {
    const parent = archive_path.slice(0, end);
    if (done.has(parent)) continue;
    done.add(parent);
    if (!stat.at(AT_FDCWD, cString(workDir + parent), true) || stat.type !== "directory") continue;
    if (!packer.writer.ready) await packer.writer.wait();
    const xattrs = xattrsAt(cString(workDir + parent)) ?? NO_XATTRS;
    packer.addEntry(parent, "directory", stat, NO_LINK, xattrs);
  }
}

/** Length of the zeros that end an archive: two blocks at least, up to a whole record. */
function endLength(content: number): number {
  const least = content + 2 * BLOCK;
  return Math.ceil(least / RECORD) * RECORD - content;
}
