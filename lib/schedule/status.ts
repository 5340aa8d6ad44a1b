/** `auto-backup status`: what is planned, what came of the last runs, and whether all is well. */
import { dirname } from "node:path";
import { nextRuns } from "../config/cron.ts";
import type { Settings } from "../config/settings.ts";
import type { BackupRecord } from "../core/model.ts";
import { formatDuration } from "../core/units.ts";
import { type Context, withCatalog } from "../operations/context.ts";
import { overdueStacks } from "../operations/overdue.ts";
import { currentSettings } from "../operations/settings.ts";
import * as posix from "../posix/mod.ts";
import { type LockHolder, lockHolder } from "../repository/lock.ts";
import { registeredStacks } from "../repository/stack_registry.ts";
import { ASLEEP_MS, dueRuns, type Plan, type PlannedTask } from "./due.ts";
import { readState, type RunEntry, runName, type ScheduleState, taskKey } from "./state.ts";
import { planOf } from "./tasks.ts";
import { scheduleWords } from "./words.ts";

export interface TaskView extends PlannedTask {
  schedule_text: string;
  /** ISO 8601 UTC; null where the schedule has no further moment. */
  next_run: string | null;
  last_run: RunEntry | null;
  /** Why it is tried again soon, or null. */
  waiting: string | null;
}

/** Something to do; `bad`: what is promised is not kept. */
export interface ScheduleProblem {
  bad: boolean;
  text: string;
}

export interface AutoBackupStatus {
  enabled: boolean;
  schedule: string;
  schedule_text: string;
  timezone: string;
  /** The next backup; null while they are off. */
  next_run: string | null;
  last_time: string | null;
  last_status: string | null;
  daemon: { running: boolean; pid: number | null; since: string | null; last_beat: string | null };
  tasks: TaskView[];
  /** Newest first. */
  history: RunEntry[];
  disk: DiskView;
  /** True where nothing of `problems` is bad. */
  healthy: boolean;
  problems: ScheduleProblem[];
}

export interface DiskView {
  directory: string;
  /** Bytes; null where the directory cannot be asked. */
  free_bytes: number | null;
  /** Bytes that the archives of the catalogue take. */
  used_bytes: number;
  backups: number;
}

/** So long after its moment a backup may still be at work before it counts as overdue. */
const LATE_MS = 60 * 60_000;
const SHOWN = 10;

/** Looks, changes nothing. */
export async function autoBackupStatus(ctx: Context): Promise<AutoBackupStatus> {
  const now = ctx.now();
  const settings = await currentSettings(ctx);
  const records = await withCatalog(ctx, ({ backups }) => backups.list({}));
  const state = readState(ctx.home);
  const plan = planOf(settings, registeredStacks(ctx.home));
  const daemon = daemonView(ctx);
  const overdue = settings.auto_backup_enabled ? await overdueStacks(ctx) : [];
  const tasks = plan.tasks.map((planned) => taskView(plan, planned, state, now));
  const disk = diskView(settings, records);
  const late = tasks.flatMap((task) => lateProblem(task, plan, state, daemon.running, now));
  const problems = [
    ...daemonProblems(settings, daemon, now),
    ...tasks.flatMap(failureProblem),
    ...late,
    ...overdue.filter(({ stack }) => !late.some((one) => one.stack === stack))
      .map(({ text }) => ({ bad: true, text: `${text}.` })),
    ...diskProblems(settings, disk),
  ];
  if (settings.auto_backup_enabled && !tasks.some(({ task }) => task === "backup")) {
    problems.push({ bad: true, text: "No stack is registered: run `duckback init` in each." });
  }
  return {
    enabled: settings.auto_backup_enabled,
    schedule: settings.auto_backup_schedule,
    schedule_text: scheduleWords(settings.auto_backup_schedule),
    timezone: settings.auto_backup_timezone,
    next_run: nextBackup(settings, now),
    last_time: settings.auto_backup_last_time,
    last_status: settings.auto_backup_last_status,
    daemon,
    tasks,
    history: state.runs.toReversed().slice(0, SHOWN),
    disk,
    healthy: !problems.some(({ bad }) => bad),
    problems,
  };
}

function nextBackup(settings: Settings, now: Date): string | null {
  if (!settings.auto_backup_enabled) return null;
  const { auto_backup_schedule, auto_backup_timezone } = settings;
  return nextRuns(auto_backup_schedule, auto_backup_timezone, now, 1)[0]?.toISOString() ?? null;
}

function taskView(plan: Plan, planned: PlannedTask, state: ScheduleState, now: Date): TaskView {
  const key = taskKey(planned);
  const tries = state.tasks[key]?.tries;
  return {
    ...planned,
    schedule_text: scheduleWords(planned.schedule),
    next_run: nextRuns(planned.schedule, plan.timezone, now, 1)[0]?.toISOString() ?? null,
    last_run: state.runs.findLast((run) => taskKey(run) === key) ?? null,
    waiting: tries ? `tried ${tries.count} times for ${tries.slot}: ${tries.code}` : null,
  };
}

function daemonView(ctx: Context): AutoBackupStatus["daemon"] {
  const holder: LockHolder | null = lockHolder(ctx.home.daemon_lock);
  let last_beat: string | null = null;
  try {
    last_beat = Deno.statSync(ctx.home.daemon_lock).mtime?.toISOString() ?? null;
  } catch {
    // There never was one.
  }
  const { pid = null, since = null } = holder ?? {};
  return { running: holder !== null, pid, since, last_beat };
}

/** From cron a heartbeat comes each minute as well, and no process stays. */
function daemonProblems(
  settings: Settings,
  daemon: AutoBackupStatus["daemon"],
  now: Date,
): ScheduleProblem[] {
  if (!settings.auto_backup_enabled) return [];
  const silent_ms = now.getTime() - Date.parse(daemon.last_beat ?? "1970-01-01");
  if (silent_ms <= ASLEEP_MS) return [];
  const last = daemon.last_beat
    ? `its last sign of life is ${formatDuration(silent_ms)} old`
    : "there never was one";
  const text = daemon.running
    ? `The daemon (pid ${daemon.pid}) hangs: ${last}`
    : `No daemon runs, ${last}: start it, or run \`duckback auto-backup install\``;
  return [{ bad: true, text }];
}

function failureProblem(task: TaskView): ScheduleProblem[] {
  const last = task.last_run;
  if (last && ["failed", "died", "interrupted"].includes(last.status)) {
    return [{ bad: true, text: `The last ${runName(task)} ${last.status}: ${last.message}` }];
  }
  if (last?.status !== "partial") return [];
  return [{ bad: false, text: `The last ${runName(task)} is incomplete: ${last.message}` }];
}

/** A moment of the schedule that went by long ago, and that nothing came of. */
function lateProblem(
  task: TaskView,
  plan: Plan,
  state: ScheduleState,
  alive: boolean,
  now: Date,
): (ScheduleProblem & { stack: string | null })[] {
  if (task.last_run?.status === "running" && alive) return [];
  const before = new Date(now.getTime() - plan.grace_ms - plan.spread_ms - LATE_MS);
  const only = { ...plan, grace_ms: 0, spread_ms: 0, tasks: [task] };
  const due = dueRuns(only, { ...state, awake_since: "" }, before, { salt: "", beat_ms: 0 });
  return due.map(({ slot, stack }) => ({
    bad: true,
    text: `${runName(task)} is overdue: nothing came of its run at ${slot}`,
    stack,
  }));
}

function diskView(settings: Settings, records: BackupRecord[]): DiskView {
  const kept = records.filter((record) =>
    record.status !== "failed" && dirname(record.backup_path) === settings.auto_backup_directory
  );
  let free_bytes: number | null = null;
  try {
    free_bytes = posix.freeSpace(settings.auto_backup_directory);
  } catch {
    // Not there yet, or not mounted.
  }
  return {
    directory: settings.auto_backup_directory,
    free_bytes,
    used_bytes: kept.reduce((sum, record) => sum + (record.backup_size ?? 0), 0),
    backups: kept.length,
  };
}

function diskProblems(settings: Settings, disk: DiskView): ScheduleProblem[] {
  const least = settings["backup.min_free_bytes"];
  if (disk.free_bytes === null || disk.free_bytes >= least) return [];
  const text = `${disk.directory} has less free than backup.min_free_bytes asks for`;
  return [{ bad: settings.auto_backup_enabled, text }];
}
