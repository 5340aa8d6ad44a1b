/** Which backups need which, as far as retention is concerned. */
import { ancestorsOf } from "../core/chain.ts";
import type { Candidate } from "./policy.ts";

/** What a backup needs, nearest first. A run that failed and left no archive needs nothing. */
export function needs(record: Candidate, all: readonly Candidate[]): Candidate[] {
  if (record.parent_id === null || record.status === "failed" && !hasArchive(record)) return [];
  return ancestorsOf(all, record.id).ancestors;
}

/** True where all that a backup needs is known, on the disk, and not known to be damaged. */
export function isWhole(record: Candidate, all: readonly Candidate[]): boolean {
  if (record.parent_id === null) return true;
  const { ancestors, missing } = ancestorsOf(all, record.id);
  return missing === null &&
    ancestors.every(({ file_exists, verify_status }) => file_exists && verify_status !== "failed");
}

/** With a hash the archive was whole: where the run failed, it was the verification that did. */
export function hasArchive({ file_exists, backup_hash }: Candidate): boolean {
  return file_exists && backup_hash !== null;
}
