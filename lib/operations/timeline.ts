/** The life of one path: its versions, and in which backups it had which of them or none. Pure. */
import type { PathState } from "../catalog/entry_search.ts";
import type { BackupRecord } from "../core/model.ts";
import { isBelow } from "./patterns.ts";

/** A backup as far as a timeline goes. */
export type Moment = Pick<BackupRecord, "id" | "created_at" | "backup_metadata" | "warnings">;

/** One content with its mode, owner and link. */
export interface PathVersion {
  /** From 1 on, by first appearance. */
  version: number;
  /** As the first backup has it. */
  state: PathState;
  /** Ids, oldest first. */
  backups: number[];
  first_seen: string;
  last_seen: string;
}

/** A stretch of backups that agree about the path. */
export interface Stretch {
  /** Null where they do not have it. */
  version: number | null;
  /** Ids, oldest first. */
  backups: number[];
  /** When the first and the last of them were made. */
  from: string;
  to: string;
  /** The last backup before that had it, or had it not; null for the first stretch. */
  after: number | null;
}

export interface Timeline {
  versions: PathVersion[];
  stretches: Stretch[];
}

/**
 * `moments` are the backups whose manifests were read, oldest first. Those that would not have the path
 * though it was there (of other sources, or unable to read it) say nothing about it and are left out.
 * Before it first appears it is not absent: nothing is told of that time.
 */
export function timelineOf(
  paths: readonly string[],
  moments: readonly Moment[],
  states: readonly PathState[],
): Timeline {
  const found = new Map<number, PathState>();
  // A path with the bytes asked for counts before one that only looks like it.
  for (const state of states) if (!found.has(state.backup_id)) found.set(state.backup_id, state);
  const versions: PathVersion[] = [];
  const stretches: Stretch[] = [];
  for (const moment of moments) {
    const state = found.get(moment.id) ?? null;
    if (state === null && (versions.length === 0 || !wouldHave(moment, paths))) continue;
    const version = state === null ? null : versionOf(versions, state, moment);
    const last = stretches.at(-1);
    if (last && last.version === version) {
      last.backups.push(moment.id);
      last.to = moment.created_at;
    } else {
      stretches.push({
        version,
        backups: [moment.id],
        from: moment.created_at,
        to: moment.created_at,
        after: last?.backups.at(-1) ?? null,
      });
    }
  }
  return { versions, stretches };
}

function versionOf(versions: PathVersion[], state: PathState, { id, created_at }: Moment): number {
  let known = versions.find((one) => isSame(one.state, state));
  if (!known) {
    known = {
      version: versions.length + 1,
      ...{ state, backups: [], first_seen: created_at, last_seen: created_at },
    };
    versions.push(known);
  }
  known.backups.push(id);
  known.last_seen = created_at;
  return known.version;
}

const FIELDS = ["path_raw", "type", "size", "mode", "uid", "gid", "link", "sha256"] as const;

function isSame(one: PathState, other: PathState): boolean {
  return FIELDS.every((field) => one[field] === other[field]);
}

function wouldHave({ backup_metadata, warnings }: Moment, paths: readonly string[]): boolean {
  const sources = backup_metadata?.sources;
  const inSources = !sources ||
    sources.some(({ archive_path: top }) =>
      top === "." || paths.some((path) => isBelow(path, top) || isBelow(top, path))
    );
  const lost = warnings.some((warning) =>
    warning.incomplete && paths.some((path) => isBelow(path, warning.path || "?"))
  );
  return inSources && !lost;
}
