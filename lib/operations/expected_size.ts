/** How large an archive will be, by the runs before it. */
import type { BackupRecord } from "../core/model.ts";

/** What decides which runs are like this one. */
export type Likeness = Pick<BackupRecord, "backup_type" | "compression_type">;

/** So many of the newest like runs are looked at; the one that compressed worst counts. */
const RUNS = 5;
/** Below this a ratio says more about headers than about content. */
const LEAST_BYTES = 1_000_000;
/** Trees change. */
const MARGIN = 1.1;

/**
 * Bytes an archive of `bytes` of content will need, and how many earlier runs say so; null without any.
 * `records` are the stack's, newest first. An incremental one is as large as what changed: the largest of
 * the last ones counts, and half as much again.
 */
export function expectedSize(
  records: BackupRecord[],
  like: Likeness,
  bytes: number,
): { archive_bytes: number | null; runs: number } {
  const increments = like.backup_type === "INCREMENTAL";
  const runs = records.filter((record) =>
    record.status === "completed" && record.trigger !== "safety" &&
    record.backup_type === like.backup_type && record.compression_type === like.compression_type &&
    record.backup_size !== null && (increments || (record.source_bytes ?? 0) > LEAST_BYTES)
  ).slice(0, RUNS);
  if (runs.length === 0) {
    return {
      archive_bytes: like.compression_type === "none" && !increments ? bytes : null,
      runs: 0,
    };
  }
  const sizes = runs.map(({ backup_size, source_bytes }) =>
    increments ? backup_size! * 1.5 : bytes * (backup_size! / source_bytes!) * MARGIN
  );
  return { archive_bytes: Math.ceil(Math.max(...sizes)), runs: runs.length };
}
