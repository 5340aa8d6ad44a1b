/** Whether the next automatic backup is a full one or builds on the newest. Pure. */
import { ancestorsOf } from "./chain.ts";
import type { BackupRecord } from "./model.ts";

/** The settings `backup.*` of the same names. */
export interface IncrementalPolicy {
  /** False: every backup is full. */
  incremental: boolean;
  /** A full one at least every so many days; 0: no such rule. */
  full_every_days: number;
  /** At most so many incremental ones on a full one; 0: no such rule. */
  max_chain: number;
  /** Together they are at most so many hundredths of the full one's size; 0: no such rule. */
  max_chain_share: number;
}

/** What of a record counts. */
export type KindRecord = Pick<
  BackupRecord,
  | "id"
  | "parent_id"
  | "backup_type"
  | "backup_size"
  | "created_at"
  | "status"
  | "trigger"
  | "verify_status"
>;

export interface NextKind {
  kind: "full" | "incremental";
  /** Half a sentence. */
  reason: string;
}

const DAY_MS = 86_400_000;

/** `records` are those of one stack, in any order. */
export function nextKind(
  records: readonly KindRecord[],
  policy: IncrementalPolicy,
  now: Date,
): NextKind {
  const full = (reason: string): NextKind => ({ kind: "full", reason });
  if (!policy.incremental) return full("backup.incremental is off");
  const newest =
    records.filter(isBase).sort((a, b) =>
      Date.parse(b.created_at) - Date.parse(a.created_at) || b.id - a.id
    )[0];
  if (newest === undefined) return full("there is no completed backup yet");
  const { ancestors, missing } = ancestorsOf(records, newest.id);
  const chain = [newest, ...ancestors];
  const base = chain.at(-1)!;
  if (missing !== null || base.backup_type !== "FULL") {
    return full(`what backup ${newest.id} needs is not there`);
  }
  const increments = chain.slice(0, -1);
  const { full_every_days: days, max_chain, max_chain_share: share } = policy;
  if (days > 0 && now.getTime() - Date.parse(base.created_at) >= days * DAY_MS) {
    return full(`the last full one is ${days} days old`);
  }
  if (max_chain > 0 && increments.length >= max_chain) {
    return full(`${increments.length} incremental ones build on backup ${base.id}`);
  }
  const bytes = increments.reduce((sum, { backup_size }) => sum + (backup_size ?? 0), 0);
  if (share > 0 && bytes * 100 > (base.backup_size ?? 0) * share) {
    return full(`what builds on backup ${base.id} comes to more than ${share} % of it`);
  }
  return { kind: "incremental", reason: `it builds on backup ${newest.id}` };
}

/** As `findParent` of lib/operations/parent.ts has it. */
function isBase({ status, trigger, backup_type, verify_status }: KindRecord): boolean {
  return status === "completed" && trigger !== "safety" && backup_type !== "DATA_ONLY" &&
    verify_status !== "failed";
}
