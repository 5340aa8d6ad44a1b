/** Failed runs: the record stays for diagnosis for its own time, what it left on the disk does not. */
import { hasArchive } from "./chains.ts";
import type { Candidate, Reason, RetentionAction } from "./policy.ts";

/**
 * `age_days` is the record's age; `superseded` says whether a newer good backup is there. An archive
 * that failed its verification is kept until then: it may be the best there is.
 */
export function judgeFailed(
  record: Candidate,
  failed_days: number,
  age_days: number,
  superseded: boolean,
): { action: RetentionAction; reason: Reason } {
  const has_files = record.file_exists && !record.own_place;
  if (has_files && hasArchive(record) && !superseded) {
    const text = "failed its verification, but nothing newer is good";
    return { action: "keep", reason: { rule: "failed", text } };
  }
  if (age_days > failed_days) {
    const text = `failed, more than ${failed_days} days ago`;
    return { action: "remove", reason: { rule: "failed_past", text } };
  }
  if (has_files) {
    const text = `failed: its files go, its record stays for ${failed_days} days`;
    return { action: "remove_files", reason: { rule: "failed_files", text } };
  }
  const text = `failed: its record stays for ${failed_days} days`;
  return { action: "keep", reason: { rule: "failed", text } };
}
