/**
 * An automatic backup: mend what died, make the backup (which quiesces, resumes and verifies), note
 * how it ended, prune. Whatever fails ends it: nothing is ever deleted after a backup that failed.
 */
import { asDuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { type BackupOutcome, createBackup } from "./backup.ts";
import { announced } from "./backup_alerts.ts";
import { DEFAULT_REQUEST } from "./backup_plan.ts";
import { type Context, note, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { pruneAfter } from "./prune.ts";
import { currentSettings } from "./settings.ts";
import { verifyBackups } from "./verify.ts";

export interface AutoBackupOutcome {
  backup: BackupRecord;
  /** Why it is not simply `completed`; empty where it is, and all services run. */
  problems: string[];
}

/**
 * Backs up the stack the context names. `slot` is the moment of the schedule that asks for it (ISO
 * 8601 UTC): a backup that was made for it already, by a run that died after, is not made twice.
 */
export async function autoBackup(ctx: Context, slot: string | null): Promise<AutoBackupOutcome> {
  try {
    const made = slot === null ? null : await madeFor(ctx, slot);
    const outcome = made ? await announced(ctx, () => proved(ctx, made)) : await createBackup(ctx, {
      ...DEFAULT_REQUEST,
      kind: "policy",
      trigger: "auto",
      scheduled_for: slot,
    });
    await remember(ctx, outcome.backup.status);
    await pruneAfter(ctx, outcome.backup, { locked: false });
    return { backup: outcome.backup, problems: outcome.problems };
  } catch (cause) {
    await remember(ctx, `failed: ${asDuckbackError(cause).code}`);
    throw cause;
  }
}

/** The backup that an earlier try for the same slot completed, or null. */
async function madeFor(ctx: Context, slot: string): Promise<BackupRecord | null> {
  // A run that died may have completed its archive, but not its row.
  using _lock = await beginExclusive(ctx);
  const { stack } = ctx;
  const records = stack === null
    ? []
    : await withCatalog(ctx, ({ backups }) => backups.list({ stack }));
  return records.find(({ status, backup_metadata }) =>
    (status === "completed" || status === "partial") && backup_metadata?.scheduled_for === slot
  ) ?? null;
}

/** What the run that died had still to do for its backup. */
async function proved(ctx: Context, made: BackupRecord): Promise<BackupOutcome> {
  note(ctx, `Backup ${made.id} was made for this slot already.`);
  const settings = await currentSettings(ctx);
  if (made.verify_status !== null || !settings["backup.verify_after_backup"]) {
    const problems = made.verify_status === "failed" ? ["it is damaged"] : [];
    return { backup: made, health: null, problems, notes: [] };
  }
  const [verdict] = await verifyBackups(ctx, { id: made.id, level: "full" });
  return {
    backup: { ...made, verify_status: verdict.ok ? "passed" : "failed" },
    health: null,
    problems: verdict.error ? [verdict.error.message] : [],
    notes: [],
  };
}

/** A catalogue that cannot be written costs this note, not the backup. */
async function remember(ctx: Context, status: string) {
  const at = ctx.now();
  try {
    await withCatalog(ctx, ({ settings }) =>
      settings.setAll({
        auto_backup_last_time: at.toISOString(),
        auto_backup_last_status: status,
      }, at));
  } catch (cause) {
    note(ctx, `How it ended could not be recorded: ${asDuckbackError(cause).message}`, "warning");
  }
}
