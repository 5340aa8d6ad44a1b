/** The nouns of the program: plain data that every layer shares. Imports nothing. */

/** What a backup holds: the whole stack, what changed since its parent, or data-role sources only. */
export type BackupType = "FULL" | "INCREMENTAL" | "DATA_ONLY";
/** What caused a backup. */
export type Trigger = "manual" | "pre-upgrade" | "auto" | "safety";
/** `completed` restores byte for byte; `partial` lacks something that `warnings` names. */
export type BackupStatus = "running" | "completed" | "partial" | "failed";
/** `data`: named volumes and read-write bind mounts. `app`: everything else a stack is made of. */
export type Role = "data" | "app";
export type Compression = "gzip" | "zstd" | "none";
/** How services are kept from writing while the archive is made. */
export type QuiesceMode = "stop" | "pause" | "none";

/** One thing to back up. Sources of one backup never lie inside one another. */
export interface Source {
  kind: "path" | "volume";
  role: Role;
  /** Volume name, or the path relative to the working directory where it lies inside it. */
  name: string;
  /** Absolute path on this host (for a volume: its mountpoint). */
  path: string;
  /** Where it lies in the archive: no leading or trailing slash; "." is the working directory itself. */
  archive_path: string;
  /** Why it is backed up, for people: "bind mount of web", "compose file". */
  origin: string;
}

/** gitignore patterns for one place in the archive: what a service's label leaves out of its mounts. */
export interface ScopedPatterns {
  /** Archive path of the mount; "." is the working directory itself. */
  under: string;
  /** Further names of the mount: patterns with a slash may begin with one of them. */
  names: string[];
  patterns: string[];
}

/** Patterns that hold for every source, or for one place. */
export type ExcludeRule = string | ScopedPatterns;

/** A mount that is not backed up, and why; always shown, never dropped silently. */
export interface SkippedMount {
  name: string;
  service: string | null;
  reason: string;
}

/** Something that did not go as it should; `path` is an archive path, a host path or a service. */
export interface Warning {
  /** For example FILE_CHANGED, FILE_VANISHED, UNREADABLE, SOCKET_SKIPPED, NOT_RESTORED. */
  code: string;
  path: string;
  message: string;
  /** True where what the archive holds is not what the source held: the backup is then `partial`. */
  incomplete: boolean;
}

/** What the archive's first entry and the record's `backup_metadata` say of the stack. */
export interface BackupMetadata {
  tool_version: string;
  host: string;
  work_dir: string;
  project: string;
  compose_files: string[];
  /** SHA-256 over the resolved compose files' bytes, or null without any. */
  compose_hash: string | null;
  sources: Source[];
  skipped: SkippedMount[];
  services: ServiceSnapshot[];
  quiesce: QuiesceMode;
  /**
   * `stopped`: every service ended in good order; `killed`: one or more did not (exit code 137) or
   * was started by somebody meanwhile; `paused`; `live`: a service that may write was left running;
   * `idle`: nothing ran.
   */
  consistency: "stopped" | "killed" | "paused" | "live" | "idle" | null;
  /** What the whole backup was compressed to, level included. */
  level: number;
  /** Databases that were dumped while they ran; missing in records of earlier versions. */
  dumps?: DumpRecord[];
  /** Of the sources that are volumes; missing in records of earlier versions. */
  volumes?: VolumeSnapshot[];
  /** The moment of the schedule (ISO 8601 UTC) that an automatic backup was made for. */
  scheduled_for?: string;
  /** What was left out, and how; missing in records of earlier versions. */
  selection?: Selection;
  /** Of an incremental backup: the archives that it needs, base first, its own not among them. */
  chain?: ChainLink[];
  /** Of an incremental backup: what its own archive holds of `file_count` and `source_bytes`. */
  stored?: StoredCounts;
  /** Of a full backup made out of a chain, whose `created_at` it has: names of those backups, base first. */
  consolidated_from?: string[];
}

/** Two backups with the same sources and the same of these are of the same tree. */
export interface Selection {
  exclude: ExcludeRule[];
  one_file_system: boolean;
  exclude_caches: boolean;
}

/** An archive that an incremental backup needs. */
export interface ChainLink {
  backup_name: string;
  /** Name of its file; it is looked for beside the archive that needs it. */
  file: string;
  bytes: number;
  /** Of the file, hex. */
  sha256: string;
}

export interface StoredCounts {
  files: number;
  entries: number;
  /** Bytes of content. */
  bytes: number;
}

/** A database's dump in the archive: `restore --dump` feeds it back. */
export interface DumpRecord {
  service: string;
  kind: "postgres" | "mysql" | "mariadb" | "mongodb" | "redis" | "sqlite";
  /** The database file in the container (sqlite); null for all else. */
  file: string | null;
  /** Archive path. */
  path: string;
  bytes: number;
}

/** A service's container as it was when the backup began. */
export interface ServiceSnapshot {
  service: string;
  container: string;
  image: string;
  /** Content digest of the image ("sha256:..."). */
  image_id: string;
  state: string;
  health: string | null;
  restart_policy: string;
  /** "name@sha256:...", as registries know the image; missing in records of earlier versions. */
  image_digests?: string[];
}

/** What it takes to make a volume anew, under another project's name too. */
export interface VolumeSnapshot {
  name: string;
  /** Its key under `volumes:` of the compose files; null where these do not name it. */
  key: string | null;
  /** `external`: compose finds it, `named`: has a `name:`, else its name follows the project's. */
  naming: "external" | "named" | "project";
  /** False for another driver or with options: what is in it lies where these say. */
  plain: boolean;
  /** Without those of compose and the engine. */
  labels: Record<string, string>;
}

/** A row of `backup_records`; field names are the columns' names. Times are ISO 8601 UTC, sizes bytes. */
export interface BackupRecord {
  id: number;
  backup_name: string;
  backup_type: BackupType;
  source_version: string | null;
  backup_path: string;
  backup_size: number | null;
  file_count: number | null;
  compression_type: Compression;
  /** SHA-256 (hex) of the archive file. */
  backup_hash: string | null;
  description: string | null;
  backup_metadata: BackupMetadata | null;
  created_at: string;
  expires_at: string | null;
  trigger: Trigger;
  status: BackupStatus;
  stack: string;
  parent_id: number | null;
  started_at: string | null;
  completed_at: string | null;
  duration_ms: number | null;
  /** From the first stop to the last start. */
  downtime_ms: number | null;
  /** Bytes of file content read, before compression. */
  source_bytes: number | null;
  error_message: string | null;
  warnings: Warning[];
  verify_status: "passed" | "failed" | null;
  verified_at: string | null;
  /** What `verify_status` is the verdict of. */
  verify_level: VerifyLevel | null;
  /** Verdict of the last drill, which restores into scratch places and starts the services there. */
  drill_status: "passed" | "failed" | null;
  drilled_at: string | null;
  /** Measured time to recovery: from the first byte read to all services healthy. */
  drill_seconds: number | null;
  /** Never pruned while true. */
  pinned: boolean;
  /** Signs that the data was damaged before it was backed up; null for none. */
  suspicion: Suspicion[] | null;
  /** When somebody said that it is none; until then nothing older is pruned. */
  suspicion_cleared_at: string | null;
}

/** `quick`: presence, size and hash; `full`: every entry read; `drill`: restored and started. */
export type VerifyLevel = "quick" | "full" | "drill";

/** One sign that an automatic backup holds damaged data. */
export interface Suspicion {
  code: "SHRUNK" | "FILES_LOST" | "INCOMPRESSIBLE";
  message: string;
}

export type EntryType =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | "fifo"
  | "char"
  | "block";

/**
 * One entry of an archive's manifest. Paths are strings in which a byte that is not valid UTF-8
 * stands as U+DC80..U+DCFF (Python's "surrogateescape"), so every Linux name survives a round trip.
 */
export interface ManifestEntry {
  /** Path in the archive. */
  path: string;
  type: EntryType;
  /** Bytes of content; 0 for everything but files. */
  size: number;
  /** Permission bits with setuid, setgid and sticky (07777). */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970, and nanoseconds 0..999,999,999 on top of them. */
  mtime_s: number;
  mtime_ns: number;
  /** Symlink target, or the archive path a hard link points to. */
  link: string | null;
  /** SHA-256 (hex) of a file's content; null for every other type. */
  sha256: string | null;
  /** Byte offset in the archive file of the block in which the entry's first header begins. */
  block_offset: number;
  /** Offset of that header in the decompressed block. */
  block_inner: number;
  /** Name of the earlier backup in whose archive that place is; null or missing: the backup's own. */
  stored_in?: string | null;
  /** How it was seen; null or missing where that could not prove later that nothing has changed. */
  seen?: Seen | null;
}

/** What, besides size, times, mode and owner, tells a later backup that an entry has not changed. */
export interface Seen {
  /** Change time, which nobody can set: seconds since 1970, and nanoseconds. */
  ctime_s: number;
  ctime_ns: number;
  ino: bigint;
  nlink: number;
}

/** Path of an archive's own entries: never restored, never taken from a source. */
export const SELF_DIR = ".duckback";
/** Name prefix of duckback's own files inside sources (staging and undo trees): never backed up. */
export const UNDO_DIR = ".duckback-undo";
