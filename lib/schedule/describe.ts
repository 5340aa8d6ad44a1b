/** The schedule of automatic backups in words, with its next runs. */
import { nextRuns } from "../config/cron.ts";
import type { Context } from "../operations/context.ts";
import { currentSettings } from "../operations/settings.ts";
import { scheduleWords } from "./words.ts";

export interface ScheduleView {
  enabled: boolean;
  schedule: string;
  schedule_text: string;
  timezone: string;
  /** The next five, ISO 8601 UTC. */
  next_runs: string[];
}

const SHOWN = 5;

export async function describeSchedule(ctx: Context): Promise<ScheduleView> {
  const {
    auto_backup_enabled: enabled,
    auto_backup_schedule: schedule,
    auto_backup_timezone: timezone,
  } = await currentSettings(ctx);
  const runs = nextRuns(schedule, timezone, ctx.now(), SHOWN);
  return {
    enabled,
    schedule,
    schedule_text: scheduleWords(schedule),
    timezone,
    next_runs: runs.map((run) => run.toISOString()),
  };
}
