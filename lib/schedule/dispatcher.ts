/**
 * What the daemon does at a heartbeat: mend what a run that died left behind, have due.ts decide, and
 * run what is due in a process of its own, one after another. It opens no catalogue and no connection
 * itself.
 */
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import type { Context } from "../operations/context.ts";
import { alertsDue, checkDue } from "../repository/alert_spool.ts";
import type { Home } from "../repository/home.ts";
import { listJournals } from "../repository/journal.ts";
import { acquireLock, lockHolder } from "../repository/lock.ts";
import { type Child, type ChildResult, startChild } from "./child.ts";
import { ASLEEP_MS, type DueRun, dueRuns, type Plan, settle } from "./due.ts";
import { withoutDead } from "./runs.ts";
import type { RunReport } from "./run_task.ts";
import { readState, runName, taskKey, writeState } from "./state.ts";

export type Level = "debug" | "info" | "warning" | "error";
/** Where the daemon tells what it does. */
export type Log = (level: Level, text: string, fields?: Record<string, unknown>) => void;

/** How often to look whether a run of somebody else has ended. */
const BUSY_MS = 5000;
/** Beats that a task is left alone whose process failed without a word in the state. */
const HOLD_BEATS = 5;

export class Dispatcher {
  #work: Promise<void> | null = null;
  #child: Child | null = null;
  #slept: boolean;
  #plan: Plan | null = null;
  /** What the catalogue and the list of stacks looked like when the plan was made. */
  #planned_from = "";
  #last_warning = "";
  /** Until when (ms) a task is left alone. */
  readonly #holds = new Map<string, number>();

  constructor(
    private readonly ctx: Context,
    private readonly log: Log,
    private readonly beat_ms: number,
    private last_beat: Date | null,
  ) {
    this.#slept = last_beat === null;
    ctx.signal.addEventListener("abort", () => this.#child?.stop());
  }

  /** Looks what is due and does it. While something runs, a beat only shows that the daemon lives. */
  beat(): Promise<void> {
    const now = this.ctx.now();
    const silent_ms = now.getTime() - (this.last_beat?.getTime() ?? 0);
    if (silent_ms > ASLEEP_MS) this.#slept = true;
    this.last_beat = now;
    touch(this.ctx.home.daemon_lock, now);
    this.#work ??= this.#all().finally(() => this.#work = null);
    return this.#work;
  }

  /** Resolves once nothing is under way any more. */
  async ended() {
    await this.#work;
  }

  async #all() {
    try {
      while (!this.ctx.signal.aborted && await this.#step()) { /* until nothing is due */ }
      await this.#watch();
    } catch (cause) {
      this.#warn(cause instanceof Error ? cause.message : String(cause));
    }
  }

  /** One thing at most; true where one was done and another may be due. */
  async #step(): Promise<boolean> {
    const { ctx } = this;
    if (await this.#mend()) return true;
    const plan = await this.#currentPlan();
    const due = plan && await this.#due(plan);
    if (due === "busy") return await this.#pause();
    if (!due || ctx.signal.aborted) return false;
    const busy = lockHolder(ctx.home.lock);
    if (busy) {
      this.#warn(`${runName(due)} is due and waits for "${busy.operation}" (pid ${busy.pid})`);
      return false;
    }
    await this.#run(due);
    return true;
  }

  /** Services that a run which died left down must not wait for the next run. */
  async #mend(): Promise<boolean> {
    const { home } = this.ctx;
    if (listJournals(home).length === 0 || lockHolder(home.lock) || this.#held("recover")) {
      return false;
    }
    this.log("warning", "A run died and left something to mend");
    const { code, document } = await this.#spawn(["recover"]);
    if (code === 0) this.log("info", "What a run that died left behind is mended");
    else if (code === EXIT_CODES.PARTIAL) {
      this.#warn(
        "What a run that died left behind is mended, but not all is well: duckback status",
      );
    } else {
      this.#warn(`What a run that died left behind is not mended: ${reason(code, document)}`);
      this.#hold("recover", 1); // services may be down
    }
    return code === 0;
  }

  /** Once an hour, and when an alert that did not arrive is to be tried again. */
  async #watch() {
    const { home, now, signal } = this.ctx;
    if (!checkDue(home, now()) && !alertsDue(home, now())) return;
    if (signal.aborted || this.#held("alerts")) return;
    const { code, document } = await this.#spawn(["notify", "check"]);
    if (code === 0) return;
    this.#hold("alerts");
    this.#warn(`Nobody could be told of what is overdue: ${reason(code, document)}`);
  }

  /** The plan by the settings as they are now; the last known one where they cannot be read. */
  async #currentPlan(): Promise<Plan | null> {
    const { home } = this.ctx;
    const from = [home.catalog, `${home.catalog}.wal`, home.stacks].map(signature).join(" ");
    if (from === this.#planned_from || this.#held("plan")) return this.#plan;
    const { code, document } = await this.#spawn(["auto-backup", "plan"]);
    if (code !== 0 || !document?.plan) {
      if (!this.ctx.signal.aborted) {
        this.#warn(`The settings cannot be read: ${reason(code, document)}`);
        this.#hold("plan");
      }
      return this.#plan;
    }
    if (JSON.stringify(document.plan) !== JSON.stringify(this.#plan)) {
      this.log("info", planText(document.plan), { plan: document.plan });
    }
    this.#plan = document.plan;
    this.#planned_from = from;
    return this.#plan;
  }

  /** What is to run now, or null; "busy" where a run that is not this daemon's is at work. */
  async #due(plan: Plan): Promise<DueRun | "busy" | null> {
    const { home } = this.ctx;
    const now = this.ctx.now();
    if (!this.#look(plan, now).news) return null;
    try {
      using _lock = await acquireLock(home.schedule_lock, {
        pid: Deno.pid,
        operation: this.ctx.command,
        since: now.toISOString(),
      });
      const { state, changed, due } = this.#look(plan, now);
      if (changed) writeState(home, state);
      this.#slept = false;
      return due;
    } catch (cause) {
      if (cause instanceof DuckbackError && cause.code === "LOCKED") return "busy";
      throw cause;
    }
  }

  /** Most beats bring no news, and then nothing is written. Only under the lock are dead runs dead. */
  #look(plan: Plan, now: Date) {
    const { home, host } = this.ctx;
    const before = readState(home);
    const state = settle(plan, withoutDead(before, now), now, this.#slept);
    const options = { salt: `${host} ${home.dir}`, beat_ms: this.beat_ms };
    const due = dueRuns(plan, state, now, options).find((run) => !this.#held(taskKey(run))) ?? null;
    const changed = JSON.stringify(state) !== JSON.stringify(before);
    return { state, due, changed, news: changed || due !== null };
  }

  /** So that what is due begins when the other run ends, and not at a later beat. */
  async #pause(): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, Math.min(this.beat_ms, BUSY_MS)));
    return true;
  }

  async #run(due: DueRun) {
    const { task, stack, slot, missed } = due;
    const late = missed ? ", missed while nobody was awake" : "";
    this.log("info", `${runName(due)} begins (due ${slot}${late})`, { ...due });
    const of = stack === null ? [] : ["--stack", stack];
    const before = triesOf(this.ctx.home, due);
    const result = await this.#spawn([...of, "auto-backup", "run", "--task", task, "--slot", slot]);
    const run: RunReport | undefined = result.document?.runs?.[0];
    // One that could not even write that it began would be tried again at once.
    if (run ? run.skipped : triesOf(this.ctx.home, due) === before) this.#hold(taskKey(due));
    if (!run) {
      this.log("error", `${runName(due)} failed: ${reason(result.code, result.document)}`, {
        ...due,
        exit_code: result.code,
      });
      return;
    }
    const level = run.status === "completed"
      ? "info"
      : run.status === "partial"
      ? "warning"
      : "error";
    this.log(level, `${runName(due)} ${run.status}: ${run.message}`, { ...run });
  }

  async #spawn(args: string[]): Promise<ChildResult> {
    const child = startChild(this.ctx.home.dir, args, (level, text) => this.log(level, text));
    this.#child = child;
    if (this.ctx.signal.aborted) child.stop();
    try {
      return await child.ended;
    } finally {
      this.#child = null;
    }
  }

  #hold(key: string, beats = HOLD_BEATS) {
    this.#holds.set(key, this.ctx.now().getTime() + beats * this.beat_ms);
  }

  #held(key: string): boolean {
    const until = this.#holds.get(key) ?? 0;
    const left = until - this.ctx.now().getTime();
    // More than a hold is long: the clock went back.
    return left > 0 && left <= HOLD_BEATS * this.beat_ms;
  }

  /** Tells what stays the same once, not each minute. */
  #warn(text: string) {
    if (text !== this.#last_warning) this.log("warning", text);
    this.#last_warning = text;
  }
}

/** How often a slot has been tried. */
function triesOf(home: Home, due: DueRun): number {
  const tries = readState(home).tasks[taskKey(due)]?.tries;
  return tries?.slot === due.slot ? tries.count : 0;
}

function planText({ tasks, timezone }: Plan): string {
  const each = tasks.map((one) => `${runName(one)} "${one.schedule}"`).join(", ");
  return tasks.length === 0 ? "Nothing has a schedule" : `The schedule is: ${each} (${timezone})`;
}

// deno-lint-ignore no-explicit-any
function reason(code: number, document: any): string {
  return document?.error?.message ??
    (code > 128 ? `signal ${code - 128} ended it` : `code ${code}`);
}

function signature(path: string): string {
  try {
    const { ino, size, mtime } = Deno.statSync(path);
    return `${ino}:${size}:${mtime?.getTime()}`;
  } catch {
    return "-";
  }
}

function touch(path: string, at: Date) {
  try {
    Deno.utimeSync(path, at, at);
  } catch {
    // The next beat tries again.
  }
}
