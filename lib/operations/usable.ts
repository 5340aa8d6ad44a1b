/** Which backups can be read, and which of them may be restored from. */
import { DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import type { ListedBackup } from "./list.ts";

/** Raises ARCHIVE_MISSING where a backup failed, is not done, or has lost its archive. */
export function requireReadable(record: BackupRecord) {
  if (record.status === "running" || record.status === "failed") {
    const state = record.status === "failed"
      ? `it failed: ${record.error_message}`
      : "it is not done";
    throw new DuckbackError("ARCHIVE_MISSING", `Cannot use backup ${record.id}: ${state}`, {
      hint: "`duckback backup list` shows the ones that are complete.",
    });
  }
  requireArchive(record);
}

/** The same, and ARCHIVE_CORRUPT where its last verification failed: nothing is taken from it. */
export function requireRestorable(record: BackupRecord & Pick<ListedBackup, "chain_problem">) {
  requireReadable(record);
  if (record.chain_problem !== undefined) {
    throw new DuckbackError(
      "ARCHIVE_MISSING",
      `Cannot use backup ${record.id}: ${record.chain_problem}`,
      { hint: "Bring that back, or choose another one: duckback backup list" },
    );
  }
  if (record.verify_status !== "failed") return;
  throw new DuckbackError(
    "ARCHIVE_CORRUPT",
    `Cannot use backup ${record.id}: its archive "${record.backup_path}" did not pass its ` +
      `verification of ${record.verified_at}`,
    {
      hint: `If it was put right since: duckback backup verify ${record.id}. Else choose another ` +
        "one: duckback backup list",
    },
  );
}

/** Raises ARCHIVE_MISSING where a record's archive is not there to be read. */
export function requireArchive(record: BackupRecord) {
  if (record.backup_path === "-") {
    throw new DuckbackError(
      "ARCHIVE_MISSING",
      `Cannot read backup ${record.id}: it was streamed to standard output and is not kept here`,
      { hint: "Unpack the file you sent it to with `tar`, or with `duckback restore FILE`." },
    );
  }
  if (exists(record.backup_path)) return;
  throw new DuckbackError(
    "ARCHIVE_MISSING",
    `Cannot read backup ${record.id}: its archive "${record.backup_path}" is not there`,
    {
      hint:
        "Was the backup directory unmounted or the file moved? `duckback backup list` shows others.",
    },
  );
}
