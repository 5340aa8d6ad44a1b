/** What an archive is to be made of, and what came of it. */
import type { Compression, ExcludeRule, ManifestEntry, Source, Warning } from "../core/model.ts";
import type { ProgressSink } from "../core/progress.ts";
import type { Archives } from "./chain_reader.ts";
import type { Rewritable } from "./cut_out.ts";
import type { Totals } from "./totals.ts";

export interface WalkChoice {
  sources: Source[];
  /** gitignore patterns, relative to each source and, where it lies inside, to the working directory. */
  exclude?: ExcludeRule[];
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
  /** What was written, for `precopy`. */
  rewrite?: Rewritable;
  /** Where a file may be made that has no name then: `precopy` needs it, and whoever compares later. */
  notes_path?: string;
  /** Stores only what has changed since an earlier backup. */
  parent?: Parent;
}

/** The backup that an incremental one is made against. */
export interface Parent {
  /** Name of that backup. */
  name: string;
  /** Its archive and those that it needs. */
  archives: Archives;
  /** Its manifest as `exportRows` writes it: its name is taken away. */
  rows_path: string;
  /** Rows of its manifest by their numbers. Throws IO. */
  entries(rows: readonly number[]): Promise<Map<number, ManifestEntry>>;
}

/** What an incremental backup has in common with its parent. */
export interface Increment {
  /** Rows of the parent's manifest, counted from 0, that do not hold any more. */
  dropped: number[];
  /** What this archive itself holds. */
  stored: Totals;
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
  /** Where entries were taken out again: what to make of the places that `onEntry` told; else null. */
  amend: Amend | null;
  /** Null where there is no parent. */
  increment: Increment | null;
}

/**
 * The place of an entry's header in the finished archive, by its block's offset and its offset in the
 * block as `onEntry` told them; null for an entry that is not there any more. To be asked in the
 * order of `onEntry`.
 */
export type Amend = (offset: number, inner: number) => { offset: number; inner: number } | null;
