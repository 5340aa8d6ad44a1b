/** Searches the manifests of many backups for entries, and follows one path through them. */
import type { EntryType } from "../core/model.ts";
import { type ManifestSet, plainColumns, VERSION_COLUMNS } from "./manifest_set.ts";
import { literal } from "./text.ts";

/** What an entry must be; all that is given must hold. */
export interface SearchCriteria {
  /** Its last name is one of these. */
  names?: string[];
  /** Its path is one of these. */
  paths?: string[];
  /** Its path holds all of these: what a glob needs at least. */
  contains?: string[];
  /** Bytes, both inclusive. */
  size?: { least?: number; most?: number };
  /** Modification time in seconds since 1970: `after` exclusive, `before` too. */
  after?: number;
  before?: number;
  /** Lower-case hex, from the beginning of the hash. */
  sha256?: string;
  types?: EntryType[];
}

/** One version of an entry, and the backups that hold it. */
export interface FoundVersion {
  stack: string;
  path: string;
  /** Hex of the path's bytes where they are not UTF-8; `path` is a stand-in then. */
  path_raw: string | null;
  type: EntryType;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  /** Of the newest backup that holds it. */
  mtime_s: number;
  mtime_ns: number;
  link: string | null;
  sha256: string | null;
  /** Ids, oldest backup first, separated by commas. */
  backups: string;
}

/** Versions in the order of their paths, the oldest first; raises IO, INTERRUPTED. */
export function searchEntries(
  set: ManifestSet,
  criteria: SearchCriteria,
): AsyncGenerator<FoundVersion[]> {
  const columns = plainColumns(VERSION_COLUMNS.split(", "));
  return set.batches<FoundVersion>(
    `SELECT stack, ${columns},
       arg_max(mtime_s, seq)::DOUBLE AS mtime_s, arg_max(mtime_ns, seq)::DOUBLE AS mtime_ns,
       string_agg(backup_id, ',' ORDER BY seq) AS backups
     FROM entries WHERE ${conditions(criteria).join(" AND ") || "true"}
     GROUP BY stack, ${VERSION_COLUMNS}
     ORDER BY entries.path, entries.path_raw, stack, min(seq)`,
  );
}

function conditions(criteria: SearchCriteria): string[] {
  const { names, paths, contains, size, after, before, sha256, types } = criteria;
  const found: string[] = [];
  if (names) {
    const ends = names.flatMap((name) => [
      `path = ${literal(name)}`,
      `ends_with(path, ${literal(`/${name}`)})`,
    ]);
    found.push(`(${ends.join(" OR ")})`);
  }
  if (paths) found.push(`path IN (${paths.map(literal).join(", ")})`);
  for (const part of contains ?? []) found.push(`contains(path, ${literal(part)})`);
  if (size?.least !== undefined) found.push(`size >= ${size.least}`);
  if (size?.most !== undefined) found.push(`size <= ${size.most}`);
  if (size) found.push("type = 'file'");
  if (after !== undefined) found.push(`mtime_s > ${after}`);
  if (before !== undefined) found.push(`mtime_s < ${before}`);
  if (sha256?.length === 64) found.push(`sha256 = ${literal(sha256)}`);
  else if (sha256) found.push(`starts_with(sha256, ${literal(sha256)})`);
  if (types) found.push(`type IN (${types.map(literal).join(", ")})`);
  return found;
}

/** The entry at a path in one backup. */
export interface PathState extends Omit<FoundVersion, "stack" | "backups"> {
  backup_id: number;
}

/** What lies at any of `paths` in each backup, oldest backup first. Raises IO, INTERRUPTED. */
export function followPath(set: ManifestSet, paths: readonly string[]): Promise<PathState[]> {
  const columns = plainColumns([...VERSION_COLUMNS.split(", "), "mtime_s", "mtime_ns"]);
  return set.rows<PathState>(
    `SELECT backup_id, ${columns} FROM entries
     WHERE path IN (${paths.map(literal).join(", ")}) ORDER BY seq, entries.path_raw NULLS FIRST`,
  );
}
