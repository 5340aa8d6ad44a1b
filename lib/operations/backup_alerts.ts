/** What others are told of a backup: that it begins, went well, is incomplete, or failed and why. */
import { basename, dirname } from "node:path";
import { asDuckbackError, type DuckbackError } from "../core/errors.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import { receiversOf } from "./alert_receivers.ts";
import { announce, announceWell, noteReceivers } from "./announce.ts";
import type { BackupOutcome } from "./backup.ts";
import type { BackupPlan } from "./backup_plan.ts";
import { type Context, note } from "./context.ts";
import { watchDisk } from "./disk_alerts.ts";
import { currentSettings } from "./settings.ts";

/** What a good backup puts an end to. */
const SOLVED = [
  "backup_failed",
  "backup_partial",
  "overdue",
  "service_down",
  "disk_low",
] as const;
/** A ping that a backup begins may take so long, beside the backup. */
const START_MS = 10_000;

/**
 * Does a backup's `work`, which says once what it is going to do, and announces what came of it. An
 * error is announced and thrown on.
 */
export async function announced(
  ctx: Context,
  work: (begins: (plan: BackupPlan) => Promise<void>) => Promise<BackupOutcome>,
): Promise<BackupOutcome> {
  let plan: BackupPlan | null = null;
  try {
    const outcome = await work(async (begun) => {
      plan = begun;
      await pingStart(ctx, begun.stack.name);
    });
    tellOutcome(ctx, outcome);
    const path = outcome.backup.backup_path;
    if (path !== "-") await watchQuietly(ctx, dirname(path));
    return outcome;
  } catch (cause) {
    const error = asDuckbackError(cause);
    const stack = (plan as BackupPlan | null)?.stack.name ?? ctx.stack ?? basename(ctx.work_dir);
    // Whoever holds the lock tells of its own run.
    if (error.code !== "LOCKED") tellFailure(ctx, stack, error);
    throw cause;
  }
}

/** The backup is made: a catalogue that cannot be read costs this look at the disk, not the backup. */
async function watchQuietly(ctx: Context, directory: string) {
  try {
    await watchDisk(ctx, directory);
  } catch (cause) {
    const { message } = asDuckbackError(cause);
    note(ctx, `How full the archives' disk is could not be told: ${message}`, "warning");
  }
}

/** In the background: not even a receiver that hangs holds up a backup. */
async function pingStart(ctx: Context, stack: string) {
  const settings = await currentSettings(ctx);
  const signal = AbortSignal.timeout(Math.min(START_MS, settings["notify.timeout_seconds"] * 1000));
  const event = {
    kind: "backup_started" as const,
    at: ctx.now().toISOString(),
    host: ctx.host,
    stack,
    title: "",
    message: "",
    backup_id: null,
  };
  const receivers = receiversOf(ctx, settings);
  // One that is away is asked again, and noted, when the backup is done.
  const sending = receivers.filter((one) => one.wants(event, false))
    .map((one) => one.send(event, signal));
  noteReceivers(ctx, settings, receivers, Promise.allSettled(sending));
}

function tellFailure(ctx: Context, stack: string, error: DuckbackError) {
  announce(ctx, {
    kind: "backup_failed",
    stack,
    title: `Backup of ${stack} failed`,
    message: [`${error.message} (${error.code})`, error.hint].filter(Boolean).join("\n"),
    backup_id: null,
  });
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
  if (problems.length === 0) {
    const title = `Backup of ${stack} is complete`;
    announce(ctx, { ...news, kind: "backup_completed", title, message: facts });
    const well = `Backups of ${stack} are well again`;
    announceWell(ctx, { ...news, title: well, message: facts }, SOLVED);
    return;
  }
  const unwell = health?.unhealthy ?? [];
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
