/** The record of an archive that no catalogue knows: from the one beside it, else from the archive itself. */
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import { readSidecar } from "../repository/sidecar.ts";
import { recordInArchive } from "./record_in_archive.ts";

/** A record that says what its archive is made of. */
export type DescribedRecord = BackupRecord & { backup_metadata: BackupMetadata };

/** Raises ARCHIVE_MISSING, and ARCHIVE_CORRUPT where duckback did not make it. Nothing is proved by it. */
export async function recordOfFile(path: string): Promise<DescribedRecord> {
  if (!exists(path)) {
    throw new DuckbackError("ARCHIVE_MISSING", `Cannot read archive "${path}": it does not exist`, {
      hint: "Give a backup's id (`duckback backup list`) or the path of an archive.",
    });
  }
  const beside = readSidecar(path);
  if (beside?.backup_metadata && beside.backup_hash !== null) {
    return described({ ...beside, backup_path: path });
  }
  return described(await recordInArchive(path));
}

/** Raises ARCHIVE_CORRUPT where a record does not say what its archive is made of. */
export function described(record: BackupRecord): DescribedRecord {
  const { backup_metadata: found, backup_path } = record;
  const isWhole = found !== null && typeof found === "object" &&
    typeof found.work_dir === "string" && typeof found.project === "string" &&
    [found.sources, found.services, found.skipped].every(Array.isArray);
  if (isWhole) return record as DescribedRecord;
  throw new DuckbackError(
    "ARCHIVE_CORRUPT",
    `Cannot use archive "${backup_path}": it does not say what it is made of`,
    { hint: "Take its files out as they are: duckback restore FILE --target DIR" },
  );
}
