/** What an archive says of its own backup, where nothing else does. */
import { readSelf } from "../archive/self.ts";
import type { ArchiveResult } from "../archive/archive_options.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord } from "../core/model.ts";
import { withLaterFields } from "../repository/sidecar.ts";

/** `.duckback/backup.json`: see `RunningRecord.firstEntry`. */
type FirstEntry = BackupRecord & { format: string };
/** `.duckback/result.json`: see `RunningRecord.lastEntry`; archives of earlier versions lack the rest. */
type LastEntry =
  & ArchiveResult
  & { archived_at: string; consistency: BackupMetadata["consistency"] }
  & Partial<Pick<BackupRecord, "status" | "error_message" | "downtime_ms">>;

/**
 * The record as the archive itself has it; a few megabytes are read, nothing is proved. Raises
 * ARCHIVE_CORRUPT where it was never finished or is not duckback's.
 */
export async function recordInArchive(archive: string): Promise<BackupRecord> {
  const { first, last } = await readSelf(archive) as { first: FirstEntry; last: LastEntry | null };
  if (last === null) {
    throw new DuckbackError(
      "ARCHIVE_CORRUPT",
      `Cannot take in "${archive}": the archive was never finished, or its end is damaged`,
      { hint: "`tar` may still get out what lies before the damage." },
    );
  }
  const { format: _format, ...begun } = first;
  const { consistency, warnings } = last;
  const partial = warnings.some((warning) => warning.incomplete);
  return withLaterFields({
    ...begun,
    backup_path: archive,
    backup_size: null,
    backup_hash: null,
    file_count: last.file_count,
    source_bytes: last.source_bytes,
    status: last.status ?? (partial ? "partial" : "completed"),
    error_message: last.error_message ?? (partial ? "Some files are not as they were" : null),
    downtime_ms: last.downtime_ms ?? null,
    completed_at: last.archived_at,
    backup_metadata: begun.backup_metadata && { ...begun.backup_metadata, consistency },
    warnings,
    verify_status: null,
  });
}
