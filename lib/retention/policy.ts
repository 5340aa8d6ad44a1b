/** What retention is given and what it answers: plain data, no clock, no disk. */
import type { BackupRecord } from "../core/model.ts";

/** Numbers of 0 mean "no such rule"; days are 24 hours. */
export interface RetentionPolicy {
  /** Days for automatic backups; counted back from the newest one (see ages.ts). */
  auto_days: number;
  /** The same for manual and pre-upgrade ones. */
  manual_days: number;
  /** Days for the safety backups of rollbacks. */
  safety_days: number;
  /** Days for the records of failed runs. */
  failed_days: number;
  keep_last: number;
  keep_daily: number;
  keep_weekly: number;
  keep_monthly: number;
  keep_yearly: number;
  /** In which days, weeks, months and years begin and end. */
  timezone: string;
  /** What all archives of the home may take together. */
  max_total_bytes: number;
}

/** A record, and what the disk says of it. */
export interface Candidate extends BackupRecord {
  /** Its archive is there in its full length; for a failed run: any file of it. */
  file_exists: boolean;
  /** It was written to a place of its own (`--output FILE`): nobody's business but its owner's. */
  own_place: boolean;
}

/** Why a record stays or goes: a word for programs, a sentence for people. */
export interface Reason {
  rule: KeepRule | RemoveRule;
  text: string;
}

export type KeepRule =
  | "running"
  | "suspicion"
  | "pinned"
  | "future"
  | "own_place"
  | "missing"
  | "newest"
  | "safety"
  | "failed"
  | "needed"
  | "days"
  | "expires"
  | "last"
  | "daily"
  | "weekly"
  | "monthly"
  | "yearly"
  | "held";

export type RemoveRule = "past" | "expired" | "size" | "failed_past" | "failed_files";

/** `remove_files`: the record of a failed run stays, what it left on the disk goes. */
export type RetentionAction = "keep" | "remove" | "remove_files";

export interface Verdict {
  backup: Candidate;
  action: RetentionAction;
  reasons: Reason[];
}

/** What the answer depends on besides records and policy. */
export interface Circumstances {
  now: Date;
  /** Further instants (ISO 8601) at which this home did something; records bring their own. */
  seen: string[];
  /** Only backups of this stack go; null: of all. */
  stack: string | null;
  /** Remove at once what is past its time, however much it is. */
  force: boolean;
}

export interface Decision {
  /** One a record of the chosen stacks, in the order given. */
  verdicts: Verdict[];
  /** Ids that are past their time and stay because they would be too many at once. */
  held: number[];
  /** Bytes of the archives that stay, of all stacks. */
  kept_bytes: number;
  /** By how much they exceed the size limit; 0 where they do not. */
  over_limit_bytes: number;
}
