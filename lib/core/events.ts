/** What somebody may want to be told of when nobody is watching: the events that alerts carry. */

/** Each says what happened; docs/alerts.md lists what raises it. */
export const EVENT_KINDS = [
  "backup_completed",
  "backup_partial",
  "backup_failed",
  "service_down",
  "verify_failed",
  "drill_failed",
  "prune_failed",
  "disk_low",
  "overdue",
  "suspicion",
  "recovered",
] as const;

/** The last two cannot be chosen: what pings begin with, and what `notify test` sends. */
export type EventKind = typeof EVENT_KINDS[number] | "backup_started" | "test";

/** One thing that happened. Texts hold no secrets. */
export interface AlertEvent {
  kind: EventKind;
  /** ISO 8601 UTC. */
  at: string;
  host: string;
  stack: string | null;
  /** One line: what happened. */
  title: string;
  /** What is known of it, and what to do next; may have several lines. */
  message: string;
  backup_id: number | null;
}
