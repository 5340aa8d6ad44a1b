/** The total size limit: the oldest go first, but nothing that is protected, and no base before its increments. */
import { needs } from "./chains.ts";
import { newestFirst } from "./good.ts";
import type { Candidate, Reason } from "./policy.ts";

/** What keeps a backup only as long as there is room. */
const SOFT: Reason["rule"][] = [
  "needed",
  "days",
  "expires",
  "last",
  "daily",
  "weekly",
  "monthly",
  "yearly",
  "held",
];

export function isSoft(rules: Reason["rule"][]): boolean {
  return rules.every((rule) => SOFT.includes(rule));
}

/** Bytes a record's archive takes in the archive directory. */
export function bytesOf(record: Candidate): number {
  return record.file_exists && !record.own_place ? record.backup_size ?? 0 : 0;
}

/**
 * Those of `kept` that must go until `limit` holds, or until nothing is left that `mayGo`. Damaged ones
 * first, then by age; of a chain its end first.
 */
export function overLimit(
  kept: Candidate[],
  limit: number,
  all: readonly Candidate[],
  mayGo: (record: Candidate) => boolean,
): Candidate[] {
  let total = kept.reduce((sum, record) => sum + bytesOf(record), 0);
  const gone = new Set<Candidate>();
  const order = kept.filter((record) => mayGo(record) && bytesOf(record) > 0)
    .sort((one, other) => damaged(one) - damaged(other) || newestFirst(other, one));
  for (const record of order) {
    if (total <= limit) break;
    if (gone.has(record)) continue;
    const dependants = kept.filter((other) =>
      !gone.has(other) && needs(other, all).includes(record)
    );
    if (!dependants.every(mayGo)) continue;
    const depth = (one: Candidate) => needs(one, all).length;
    for (const one of [...dependants.sort((a, b) => depth(b) - depth(a)), record]) {
      if (total <= limit) break;
      gone.add(one);
      total -= bytesOf(one);
    }
  }
  return [...gone];
}

function damaged({ verify_status }: Candidate): number {
  return verify_status === "failed" ? 0 : 1;
}
