/** Records in the making, for tests of retention. */
import type { Candidate, Circumstances, RetentionPolicy } from "../../../lib/retention/policy.ts";

export const DAY = 86_400_000;
export const NOW = new Date("2026-06-30T12:00:00Z");

/** No rule at all: what is kept is kept for what it is. */
export const NOTHING: RetentionPolicy = {
  auto_days: 1,
  manual_days: 1,
  safety_days: 1,
  failed_days: 1,
  keep_last: 0,
  keep_daily: 0,
  keep_weekly: 0,
  keep_monthly: 0,
  keep_yearly: 0,
  timezone: "UTC",
  max_total_bytes: 0,
};

export const HERE: Circumstances = { now: NOW, seen: [], stack: null, force: false };

/** A completed and verified automatic backup; `days` before NOW unless `created_at` says otherwise. */
export function backup(id: number, days: number, change: Partial<Candidate> = {}): Candidate {
  return {
    id,
    backup_name: `backup_${id}`,
    backup_type: "FULL",
    source_version: null,
    backup_path: `/backups/backup_${id}.tar.gz`,
    backup_size: 100,
    file_count: 1,
    compression_type: "gzip",
    backup_hash: "0".repeat(64),
    description: null,
    backup_metadata: null,
    created_at: new Date(NOW.getTime() - days * DAY).toISOString(),
    expires_at: null,
    trigger: "auto",
    status: "completed",
    stack: "shop",
    parent_id: null,
    started_at: null,
    completed_at: null,
    duration_ms: null,
    downtime_ms: null,
    source_bytes: 1000,
    error_message: null,
    warnings: [],
    verify_status: "passed",
    verified_at: null,
    verify_level: "full",
    drill_status: null,
    drilled_at: null,
    drill_seconds: null,
    pinned: false,
    suspicion: null,
    suspicion_cleared_at: null,
    file_exists: true,
    own_place: false,
    ...change,
  };
}

/** One a night, the newest (with the highest id) first: `from` days ago to `to` days ago. */
export function nightly(from: number, to: number, change: Partial<Candidate> = {}): Candidate[] {
  return Array.from({ length: from - to + 1 }, (_, n) => backup(1000 - to - n, to + n, change));
}
