/** Which backups one could restore from, and which of them is the last resort of its stack. */
import type { BackupType } from "../core/model.ts";
import { isWhole } from "./chains.ts";
import type { Candidate } from "./policy.ts";

/** Data alone is no substitute for a whole stack. */
export function isDataOnly({ backup_type }: { backup_type: BackupType }): boolean {
  return backup_type === "DATA_ONLY";
}

/** Made by somebody or by the schedule, and ended with an archive in the archive directory. */
export function isOrdinary(record: Candidate): boolean {
  return record.trigger !== "safety" && !record.own_place && record.file_exists &&
    (record.status === "completed" || record.status === "partial");
}

/** An ordinary one that nothing is known against. */
export function isUsable(record: Candidate, all: readonly Candidate[]): boolean {
  return isOrdinary(record) && record.verify_status !== "failed" && isWhole(record, all);
}

/** How well a backup is proved; the last resort is one of the best there are. */
function proof(record: Candidate, all: readonly Candidate[]): number {
  if (!isUsable(record, all)) return 0;
  if (record.status === "partial") return 1;
  if (record.verify_status !== "passed") return 2;
  return record.drill_status === "failed" ? 3 : 4;
}

/** True where a backup is completed, verified, and not found wanting since. */
export function isProven(record: Candidate, all: readonly Candidate[]): boolean {
  return proof(record, all) === 4;
}

/**
 * The newest of the best: completed and verified where there is one, else completed, else partial, else
 * whatever has an archive. Newest by date and newest by id: where the clock was wrong, that is two.
 */
export function lastResorts(records: Candidate[], all: readonly Candidate[]): Candidate[] {
  const ordinary = records.filter(isOrdinary);
  const ranks = new Map(ordinary.map((record) => [record, proof(record, all)]));
  const best = Math.max(...ranks.values());
  const chosen = ordinary.filter((record) => ranks.get(record) === best);
  if (chosen.length === 0) return [];
  const newest = (order: (one: Candidate, other: Candidate) => number) => chosen.sort(order)[0];
  return [...new Set([newest(newestFirst), newest((one, other) => other.id - one.id)])];
}

export function newestFirst(one: Candidate, other: Candidate): number {
  return timeOf(other) - timeOf(one) || other.id - one.id;
}

/** When a backup began: the time that counts, as in restic and borg. */
export function timeOf({ created_at }: Candidate): number {
  return Date.parse(created_at);
}
