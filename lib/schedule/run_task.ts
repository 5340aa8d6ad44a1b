/**
 * One run of a task, from its note in the state to its end: the same for a scheduled run and for one
 * that somebody asked for. The daemon has it done by a process of its own.
 */
import { asDuckbackError, DuckbackError, type ErrorData, throwIfAborted } from "../core/errors.ts";
import { type Context, note } from "../operations/context.ts";
import { currentSettings } from "../operations/settings.ts";
import { acquireLock } from "../repository/lock.ts";
import { registeredStacks } from "../repository/stack_registry.ts";
import { isServed, type Plan } from "./due.ts";
import { begun, ended, withoutDead } from "./runs.ts";
import { readState, type RunEntry, taskKey, type TaskName, writeState } from "./state.ts";
import { concernsStack, planOf, work } from "./tasks.ts";

export interface WantedRun {
  task: TaskName;
  stack: string | null;
  /** The moment of the schedule that it serves; null for one that somebody asked for. */
  slot: string | null;
}

/** How a run ended. */
export interface RunReport extends RunEntry {
  error: ErrorData | null;
  /** True where there was nothing to do: the slot is served, or its schedule was taken away. */
  skipped: boolean;
}

/** What the settings and the registered stacks ask for now. */
export async function currentPlan(ctx: Context): Promise<Plan> {
  return planOf(await currentSettings(ctx), registeredStacks(ctx.home));
}

/**
 * What `auto-backup run` means: the stack that was named, else every registered one; tasks of the whole
 * home once. Raises NO_SUCH_STACK where there is none.
 */
export function wantedRuns(ctx: Context, task: TaskName, slot: string | null): WantedRun[] {
  const named = ctx.stack !== null || ctx.place_given || ctx.compose_files !== undefined;
  if (named || !concernsStack(task)) return [{ task, stack: ctx.stack, slot }];
  const stacks = registeredStacks(ctx.home);
  if (stacks.length > 0) return stacks.map(({ name }) => ({ task, stack: name, slot }));
  throw new DuckbackError("NO_SUCH_STACK", `Cannot run ${task}: no stack is registered here`, {
    hint: "Run `duckback init` where the compose file lies, or give --work-dir DIR.",
  });
}

/**
 * Runs tasks one after another; one's failure does not keep the others from their run. Raises LOCKED
 * where another run of the scheduler is at work, and what keeps the state from being written.
 */
export async function runTasks(
  ctx: Context,
  wanted: WantedRun[],
): Promise<RunReport[]> {
  using _lock = await acquireLock(ctx.home.schedule_lock, {
    pid: Deno.pid,
    operation: ctx.command,
    since: ctx.now().toISOString(),
  });
  const reports: RunReport[] = [];
  for (const { task, stack, slot } of wanted) {
    throwIfAborted(ctx.signal);
    reports.push(await runOne({ ...ctx, stack: stack ?? ctx.stack }, task, slot));
  }
  return reports;
}

async function runOne(ctx: Context, task: TaskName, slot: string | null): Promise<RunReport> {
  const entry: RunEntry = {
    task,
    stack: ctx.stack,
    slot,
    pid: Deno.pid,
    started_at: ctx.now().toISOString(),
    ended_at: null,
    status: "running",
    code: null,
    message: null,
    backup_id: null,
  };
  const state = withoutDead(readState(ctx.home), ctx.now());
  const reason = slot === null
    ? null
    : isServed(state.tasks[taskKey(entry)], slot)
    ? "this slot is served already"
    : await isPlanned(ctx, entry)
    ? null
    : "it has no schedule any more";
  if (reason) return { ...entry, status: "completed", message: reason, error: null, skipped: true };
  const running = begun(state, entry);
  writeState(ctx.home, running);
  const { error, ...end } = await attempt(ctx, task, slot);
  const done = {
    ...entry,
    ...end,
    stack: end.stack ?? entry.stack,
    ended_at: ctx.now().toISOString(),
  };
  try {
    writeState(ctx.home, ended(running, entry, done));
  } catch (cause) {
    // It counts as died then; a backup that was made is found in the catalogue and not made twice.
    note(ctx, `How it ended could not be noted: ${asDuckbackError(cause).message}`, "warning");
  }
  return { ...done, error, skipped: false };
}

async function isPlanned(ctx: Context, { task, stack }: RunEntry): Promise<boolean> {
  const plan = await currentPlan(ctx);
  return plan.tasks.some((one) => one.task === task && one.stack === stack);
}

async function attempt(ctx: Context, task: TaskName, slot: string | null) {
  try {
    return { ...await work(ctx, task, slot), code: null, error: null };
  } catch (cause) {
    const error = asDuckbackError(cause);
    return {
      status: error.code === "INTERRUPTED" ? "interrupted" as const : "failed" as const,
      code: error.code,
      message: error.message,
      stack: null,
      backup_id: null,
      error: error.toData(),
    };
  }
}
