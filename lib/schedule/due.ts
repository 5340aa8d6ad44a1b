/**
 * What is due, decided by (plan, state, now) alone: no clock, no files.
 *
 *   slot = the schedule's last moment at or before now
 *   due  = slot is later than what was served, its retry may begin, and a missed one has waited
 *
 * One slot is served once: after any outage only the newest is left to catch up, and a clock that goes
 * back finds it served already.
 */
import { createHash } from "node:crypto";
import { lastRun } from "../config/cron.ts";
import type { ErrorCode } from "../core/errors.ts";
import { type ScheduleState, taskKey, type TaskName, type TaskState } from "./state.ts";

/** One thing that has a schedule. */
export interface PlannedTask {
  task: TaskName;
  /** Null where it concerns the whole home. */
  stack: string | null;
  /** Cron expression. */
  schedule: string;
}

/** Everything the settings and the registered stacks say. */
export interface Plan {
  timezone: string;
  grace_ms: number;
  spread_ms: number;
  /** In the order in which they run where several are due. */
  tasks: PlannedTask[];
}

/** A run that is to begin now. */
export interface DueRun {
  task: TaskName;
  stack: string | null;
  /** The moment of the schedule that it serves; ISO 8601 UTC. */
  slot: string;
  /** True where nobody was awake at that moment. */
  missed: boolean;
}

/** Without a heartbeat for longer than this nobody was awake: off, suspended, or the clock jumped. */
export const ASLEEP_MS = 5 * 60_000;
/** Slots so far ahead of the clock are of a clock that went wrong. */
const AHEAD_MS = 60 * 60_000;
const REMEMBERED = 10;

/** Errors that the mere passing of time may end: tried until the next slot takes over. */
const PASSING: ErrorCode[] = [
  "LOCKED",
  "CATALOG_LOCKED",
  "DOCKER_UNREACHABLE",
  "DISK_FULL",
  "NOT_WRITABLE",
  "INTERRUPTED",
];
/** Errors that a second try may not meet again; each try may stop services, so there are few. */
const CHANCE: ErrorCode[] = [
  "DOCKER_FAILED",
  "STOP_FAILED",
  "START_FAILED",
  "IO",
  "CATALOG_WRITE",
  "INTERNAL",
];
const CHANCES = 4;
const LONGEST_WAIT_BEATS = 60;

/** Whether a slot is tried again after its `count`-th try ended with `code` ("DIED": it was killed). */
export function triedAgain(code: string, count: number): boolean {
  if (PASSING.includes(code as ErrorCode)) return true;
  return (code === "DIED" || CHANCE.includes(code as ErrorCode)) && count <= CHANCES;
}

/**
 * What the passing of time did to the state: who slept, what is new or was changed in the plan, and so
 * has nothing to catch up. `slept`: before this heartbeat there was none for long.
 */
export function settle(
  plan: Plan,
  state: ScheduleState,
  now: Date,
  slept: boolean,
): ScheduleState {
  const at = now.toISOString();
  const awake_since = slept || state.awake_since > at ? at : state.awake_since;
  const tasks: Record<string, TaskState> = {};
  for (const planned of plan.tasks) {
    const rule = `${planned.schedule} ${plan.timezone}`;
    const known = state.tasks[taskKey(planned)];
    if (!known) tasks[taskKey(planned)] = { rule, served: [at], tries: null };
    else if (known.rule !== rule) {
      tasks[taskKey(planned)] = { rule, served: remember(known.served, at), tries: null };
    } else if (lastServed(known, now) === null) {
      // The clock was ahead, or is behind: from here on, whichever it was.
      tasks[taskKey(planned)] = { ...known, served: [at, ...known.served] };
    } else tasks[taskKey(planned)] = known;
  }
  return { ...state, awake_since, tasks };
}

/** All that is due, in the order in which it is to run. `salt` is this host's own. */
export function dueRuns(
  plan: Plan,
  state: ScheduleState,
  now: Date,
  options: { salt: string; beat_ms: number },
): DueRun[] {
  return plan.tasks.flatMap((planned) => {
    const known = state.tasks[taskKey(planned)];
    const slot = lastRun(planned.schedule, plan.timezone, now);
    const served = known && lastServed(known, now);
    if (!slot || !served || slot <= served) return [];
    const tried = known.tries?.slot === slot.toISOString() ? known.tries : null;
    const late = new Date(slot.getTime() + plan.grace_ms).toISOString();
    const missed = tried === null && late < state.awake_since;
    const begin = tried
      ? Date.parse(tried.at) + waitBeats(tried.code, tried.count) * options.beat_ms
      : missed
      ? Date.parse(state.awake_since) + plan.grace_ms + spread(options.salt, plan.spread_ms)
      : slot.getTime();
    // A clock that went back must not make a retry wait for its return.
    const ready = now.getTime() >= begin || (tried !== null && now.toISOString() < tried.at);
    if (!ready) return [];
    return [{ task: planned.task, stack: planned.stack, slot: slot.toISOString(), missed }];
  });
}

/** True where a slot has been served, or a later one. */
export function isServed(task: TaskState | undefined, slot: string): boolean {
  return task !== undefined && (lastServed(task, new Date(slot))?.toISOString() ?? "") >= slot;
}

/** A task's state once `slot` is done with. Slots that a clock ahead served before it are forgotten. */
export function serve(task: TaskState, slot: string): TaskState {
  const limit = new Date(Date.parse(slot) + AHEAD_MS).toISOString();
  return {
    ...task,
    served: remember(task.served.filter((served) => served <= limit), slot),
    tries: null,
  };
}

function remember(served: string[], slot: string): string[] {
  return [...served, slot].slice(-REMEMBERED);
}

/** The latest slot that was served, by a clock that is not far ahead of `now`. */
function lastServed(task: TaskState, now: Date): Date | null {
  const limit = new Date(now.getTime() + AHEAD_MS).toISOString();
  const last = task.served.filter((slot) => slot <= limit).sort().at(-1);
  return last === undefined ? null : new Date(last);
}

/**
 * Beats until the next try: 1, 2, 4, ... 60. What was killed or interrupted is done again at once, the
 * first time; what waits for another run's end looks at each beat.
 */
function waitBeats(code: string, count: number): number {
  if (count === 1 && (code === "DIED" || code === "INTERRUPTED")) return 0;
  if (code === "LOCKED") return 1;
  return Math.min(2 ** (count - 1), LONGEST_WAIT_BEATS);
}

/** The same for one host each time; over many hosts, names alike or not, evenly in [0, range). */
function spread(salt: string, range: number): number {
  const hash = createHash("sha256").update(salt).digest();
  return Math.floor(hash.readUInt32BE(0) / 2 ** 32 * range);
}
