/** Stacks whose last good backup is too long ago, whatever the reason: nobody made one, or all failed. */
import { nextRuns } from "../config/cron.ts";
import type { Settings } from "../config/settings.ts";
import type { BackupRecord } from "../core/model.ts";
import { formatAge } from "../core/units.ts";
import { registeredStacks } from "../repository/stack_registry.ts";
import { announce } from "./announce.ts";
import { type Context, withCatalog } from "./context.ts";
import { currentSettings } from "./settings.ts";

/** One stack that has waited too long. */
export interface Overdue {
  stack: string;
  /** Of the last good backup, ISO 8601 UTC; null without any. */
  last: string | null;
  /** Since when it is overdue, ISO 8601 UTC. */
  since: string;
  /** One sentence. */
  text: string;
}

/** A backup that begins on time may end so much later. */
const ALLOWANCE_MS = 3_600_000;

/** All registered stacks that are overdue now, or the one that is named. */
export async function overdueStacks(ctx: Context, stack?: string): Promise<Overdue[]> {
  const settings = await currentSettings(ctx);
  const records = await withCatalog(ctx, ({ backups }) => backups.list({}));
  const found: Overdue[] = [];
  for (const { name, registered_at } of registeredStacks(ctx.home)) {
    if (stack !== undefined && name !== stack) continue;
    const one = overdueOf({ name, registered_at }, records, settings, ctx.now());
    if (one) found.push(one);
  }
  return found;
}

/** Announces each; the same one again only after `notify.repeat_hours`. */
export async function announceOverdue(ctx: Context): Promise<Overdue[]> {
  const found = await overdueStacks(ctx);
  for (const { stack, text, last } of found) {
    announce(ctx, {
      kind: "overdue",
      stack,
      title: last ? `No good backup of ${stack} for too long` : `No backup of ${stack} yet`,
      message: `${text}\nduckback auto-backup status, duckback backup list --stack ${stack}`,
      backup_id: null,
    });
  }
  return found;
}

/**
 * Null where all is well. The limit is `notify.overdue_hours`; where that is 0 and automatic backups
 * are on, it is the second moment of the schedule after the last good backup. A stack without a backup
 * counts from its registration.
 */
export function overdueOf(
  stack: { name: string; registered_at: string },
  records: BackupRecord[],
  settings: Settings,
  now: Date,
): Overdue | null {
  const ends = records.filter((one) => one.stack === stack.name && isGood(one))
    .map(madeAt).sort();
  const last = ends.at(-1) ?? null;
  const since = limitAfter(new Date(last ?? stack.registered_at), settings);
  if (since === null || since > now) return null;
  const text = last
    ? `The last good backup of ${stack.name} was made ${formatAge(last, now)}`
    : `There is no good backup of ${stack.name} yet`;
  const hours = settings["notify.overdue_hours"];
  const why = hours > 0 ? `the limit is ${hours} h (notify.overdue_hours)` : "two were due since";
  return { stack: stack.name, last, since: since.toISOString(), text: `${text}; ${why}` };
}

/** A chain's full copy is as old as what it holds. */
function madeAt({ created_at, completed_at, backup_metadata }: BackupRecord): string {
  if (backup_metadata?.consolidated_from !== undefined) return created_at;
  return completed_at ?? created_at;
}

/** A safety backup holds what a rollback replaced, not what the stack is. */
function isGood({ status, trigger, verify_status }: BackupRecord): boolean {
  return status === "completed" && trigger !== "safety" && verify_status !== "failed";
}

function limitAfter(start: Date, settings: Settings): Date | null {
  const hours = settings["notify.overdue_hours"];
  if (hours > 0) return new Date(start.getTime() + hours * 3_600_000);
  if (!settings.auto_backup_enabled) return null;
  const { auto_backup_schedule: schedule, auto_backup_timezone: timezone } = settings;
  const second = nextRuns(schedule, timezone, start, 2)[1];
  if (!second) return null;
  const late = settings.auto_backup_grace_minutes + settings.auto_backup_spread_minutes;
  return new Date(second.getTime() + late * 60_000 + ALLOWANCE_MS);
}
