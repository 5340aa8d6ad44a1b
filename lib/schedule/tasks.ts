/** What each task does when its time comes: one operation, and a line that says what came of it. */
import type { Settings } from "../config/settings.ts";
import type { VerifyLevel } from "../core/model.ts";
import { count, formatBytes, formatDuration } from "../core/units.ts";
import type { Context } from "../operations/context.ts";
import type { RegisteredStack } from "../repository/stack_registry.ts";
import type { Plan, PlannedTask } from "./due.ts";
import type { TaskName } from "./state.ts";

/** What came of a task that did not raise. */
export interface TaskResult {
  status: "completed" | "partial" | "failed";
  message: string;
  /** The stack it was about; null for the whole home. */
  stack: string | null;
  backup_id: number | null;
}

/** Tasks that concern one stack each; the others concern the whole home. */
const BY_STACK: TaskName[] = ["backup"];

const WORK: Record<TaskName, (ctx: Context, slot: string | null) => Promise<TaskResult>> = {
  async backup(ctx, slot) {
    const { autoBackup } = await import("../operations/auto_backup.ts");
    const { backup, problems } = await autoBackup(ctx, slot);
    const made = [
      `backup ${backup.id}`,
      formatBytes(backup.backup_size ?? 0),
      ...(backup.downtime_ms ? [`services down for ${formatDuration(backup.downtime_ms)}`] : []),
    ].join(", ");
    return {
      status: problems.length > 0 ? "partial" : "completed",
      message: [made, ...problems].join("; "),
      stack: backup.stack,
      backup_id: backup.id,
    };
  },
  async prune(ctx) {
    const { prune, pruneSentence } = await import("../operations/prune.ts");
    const outcome = await prune(ctx, { dry_run: false, force: false });
    return {
      status: outcome.problems.length > 0 ? "failed" : "completed",
      message: [pruneSentence(outcome), ...outcome.problems].join("; "),
      stack: null,
      backup_id: null,
    };
  },
  async catalog(ctx) {
    const { checkCatalog } = await import("../operations/catalog_check.ts");
    const { backups, findings } = await checkCatalog(ctx, { dry_run: false });
    const open = findings.filter(({ repaired }) => !repaired);
    const told = open.map(({ path, message }) => `${path}: ${message}`);
    return {
      status: open.length > 0 ? "failed" : "completed",
      message: [`${count(backups, "backup")} looked at`, ...told].join("; "),
      stack: null,
      backup_id: null,
    };
  },
  verify: (ctx) => verifyAll(ctx, "full", "read in full"),
  drill: (ctx) => verifyAll(ctx, "drill", "restored for a drill"),
};

async function verifyAll(ctx: Context, level: VerifyLevel, done: string): Promise<TaskResult> {
  const { verifyBackups } = await import("../operations/verify.ts");
  const results = await verifyBackups(ctx, { id: null, level });
  const bad = results.filter((result) => !result.ok);
  const told = bad.map(({ id, error }) => `backup ${id}: ${error?.message ?? "it is not well"}`);
  return {
    status: bad.length > 0 ? "failed" : "completed",
    message: [`${count(results.length - bad.length, "archive")} ${done}`, ...told].join("; "),
    stack: null,
    backup_id: null,
  };
}

export const TASKS = Object.keys(WORK) as TaskName[];

/** Does a task's work. Raises what its operation raises. */
export function work(ctx: Context, task: TaskName, slot: string | null): Promise<TaskResult> {
  return WORK[task](ctx, slot);
}

export function concernsStack(task: TaskName): boolean {
  return BY_STACK.includes(task);
}

/** What the settings ask for, in the order in which it runs where several are due. */
export function planOf(settings: Settings, stacks: RegisteredStack[]): Plan {
  const schedules: Record<TaskName, string> = {
    backup: settings.auto_backup_enabled ? settings.auto_backup_schedule : "",
    prune: settings.auto_prune_schedule,
    catalog: settings.auto_catalog_schedule,
    verify: settings.auto_verify_schedule,
    drill: settings.auto_drill_schedule,
  };
  const tasks = TASKS.filter((task) => schedules[task] !== "").flatMap((task): PlannedTask[] =>
    (concernsStack(task) ? stacks.map(({ name }) => name) : [null])
      .map((stack) => ({ task, stack, schedule: schedules[task] }))
  );
  return {
    timezone: settings.auto_backup_timezone,
    grace_ms: settings.auto_backup_grace_minutes * 60_000,
    spread_ms: settings.auto_backup_spread_minutes * 60_000,
    tasks,
  };
}
