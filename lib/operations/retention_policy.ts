/** From settings and disk to what lib/retention decides on. */
import { basename } from "node:path";
import type { Settings } from "../config/settings.ts";
import type { BackupRecord } from "../core/model.ts";
import * as posix from "../posix/mod.ts";
import { archiveFiles, stem } from "../repository/naming.ts";
import type { Candidate, RetentionPolicy } from "../retention/policy.ts";
import type { Context } from "./context.ts";
import { allBackups, canSee } from "./list.ts";

export function policyOf(settings: Settings): RetentionPolicy {
  return {
    auto_days: settings.auto_backup_retention_days,
    manual_days: settings["backup.retention_days"],
    safety_days: settings["backup.safety_retention_days"],
    failed_days: settings["backup.failed_retention_days"],
    keep_last: settings["backup.keep_last"],
    keep_daily: settings["backup.keep_daily"],
    keep_weekly: settings["backup.keep_weekly"],
    keep_monthly: settings["backup.keep_monthly"],
    keep_yearly: settings["backup.keep_yearly"],
    timezone: settings.auto_backup_timezone,
    max_total_bytes: settings["backup.max_total_bytes"],
  };
}

/** All records of the home, newest first, with what the disk says of them. */
export async function candidates(ctx: Context): Promise<Candidate[]> {
  const records = await allBackups(ctx);
  return records.map((record) => ({
    ...record,
    file_exists: record.status === "failed"
      ? leftSomething(record)
      : record.file_exists && isAllThere(record),
    own_place: record.backup_path !== "-" && !hasOwnName(record),
  }));
}

/** duckback names what it puts into the archive directory after the backup; `--output` seldom does. */
export function hasOwnName({ backup_path, backup_name }: BackupRecord): boolean {
  return basename(stem(backup_path)) === backup_name;
}

/** An archive that was cut short is none to count on; its bytes are for `verify` to read. */
function isAllThere({ backup_path, backup_size }: BackupRecord): boolean {
  return backup_size === null || posix.statxIfExists(backup_path)?.size === backup_size;
}

function leftSomething(record: BackupRecord): boolean {
  return record.backup_path !== "-" && archiveFiles(record.backup_path).some(canSee);
}
