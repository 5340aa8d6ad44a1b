/** Which backups need which: an incremental one is nothing without its parent, and that one's parent. */
import type { Candidate } from "./policy.ts";

/** The parents of the given records by id, for looking up. */
export function byId(records: Candidate[]): Map<number, Candidate> {
  return new Map(records.map((record) => [record.id, record]));
}

/**
 * The ids a backup needs, nearest first; ends where a parent is not known (or loops). A run that failed
 * and left no archive needs nothing.
 */
export function needs(record: Candidate, all: Map<number, Candidate>): number[] {
  const ids: number[] = [];
  if (record.status === "failed" && !hasArchive(record)) return ids;
  let parent = record.parent_id;
  while (parent !== null && parent !== record.id && !ids.includes(parent)) {
    ids.push(parent);
    parent = all.get(parent)?.parent_id ?? null;
  }
  return ids;
}

/** True where all that a backup needs is known and on the disk. */
export function isWhole(record: Candidate, all: Map<number, Candidate>): boolean {
  return needs(record, all).every((id) => all.get(id)?.file_exists);
}

/** With a hash the archive was whole: where the run failed, it was the verification that did. */
export function hasArchive({ file_exists, backup_hash }: Candidate): boolean {
  return file_exists && backup_hash !== null;
}
