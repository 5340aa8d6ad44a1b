/** What others are told of a backup: that it went well, is incomplete, or failed and why. */
import { basename } from "node:path";
import { asDuckbackError } from "../core/errors.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import type { BackupOutcome } from "./backup.ts";
import { announce, announceWell } from "./announce.ts";
import type { Context } from "./context.ts";

/** What a good backup puts an end to. */
const SOLVED = ["backup_failed", "backup_partial", "overdue", "service_down"] as const;

/** Does a backup's `work` and announces what came of it; an error is announced and thrown on. */
export async function announced(
  ctx: Context,
  work: () => Promise<BackupOutcome>,
): Promise<BackupOutcome> {
  try {
    const outcome = await work();
    tellOutcome(ctx, outcome);
    return outcome;
  } catch (cause) {
    const error = asDuckbackError(cause);
    // Whoever holds the lock tells of its own run.
    if (error.code !== "LOCKED") {
      const stack = ctx.stack ?? basename(ctx.work_dir);
      const kind = error.code === "START_FAILED" ? "service_down" : "backup_failed";
      announce(ctx, {
        kind,
        stack,
        title: `Backup of ${stack} failed`,
        message: [`${error.message} (${error.code})`, error.hint].filter(Boolean).join("\n"),
        backup_id: null,
      });
    }
    throw cause;
  }
}

function tellOutcome(ctx: Context, { backup, health, problems }: BackupOutcome) {
  const { stack, id } = backup;
  const news = { stack, backup_id: id };
  const facts = [
    backup.backup_name,
    backup.backup_size === null ? "" : formatBytes(backup.backup_size),
    backup.duration_ms === null ? "" : `in ${formatDuration(backup.duration_ms)}`,
    backup.downtime_ms === null ? "" : `services down for ${formatDuration(backup.downtime_ms)}`,
  ].filter((text) => text !== "").join(", ");
  const unwell = health?.unhealthy ?? [];
  if (problems.length === 0) {
    const title = `Backup of ${stack} is complete`;
    announce(ctx, { ...news, kind: "backup_completed", title, message: facts });
    announceWell(ctx, { ...news, title: `Backups of ${stack} are well again`, message: facts }, [
      ...SOLVED,
    ]);
    return;
  }
  if (unwell.length > 0) {
    const which = unwell.map(({ service }) => service).join(", ");
    announce(ctx, {
      ...news,
      kind: "service_down",
      title: `Services of ${stack} are not well after a backup: ${which}`,
      message: problems.join("\n"),
    });
  }
  announce(ctx, {
    ...news,
    kind: "backup_partial",
    title: `Backup of ${stack} is incomplete`,
    message: [facts, ...problems].join("\n"),
  });
}
