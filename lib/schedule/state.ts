/**
 * What the scheduler has done: a small file in the home, so that the daemon knows it without loading
 * DuckDB. Only who holds `schedule.lock` writes it.
 */
import type { Home } from "../repository/home.ts";
import { ensurePrivateDir, writeDurably } from "../repository/durable.ts";

/** What can have a schedule. */
export type TaskName = "backup" | "prune" | "catalog" | "verify" | "drill";

/** One task's past, as far as it decides about its future. */
export interface TaskState {
  /** Schedule and time zone that `served` belongs to. */
  rule: string;
  /** Slots that are done with, in the order in which they were; ISO 8601 UTC. */
  served: string[];
  /** The slot that is being tried and did not end well so far; null for none. */
  tries: { slot: string; count: number; at: string; code: string } | null;
}

/** One run, for people. */
export interface RunEntry {
  task: TaskName;
  stack: string | null;
  /** Null for one that somebody asked for. */
  slot: string | null;
  pid: number;
  started_at: string;
  ended_at: string | null;
  /** `died`: its process was killed before it was done. */
  status: "running" | "completed" | "partial" | "failed" | "interrupted" | "died";
  code: string | null;
  /** One line: what came of it. */
  message: string | null;
  backup_id: number | null;
}

export interface ScheduleState {
  version: 1;
  /** Since when a daemon has looked at the clock without a longer break. */
  awake_since: string;
  /** By `taskKey`. */
  tasks: Record<string, TaskState>;
  /** Oldest first. */
  runs: RunEntry[];
}

const KEPT_RUNS = 50;

/** "verify", "backup:shop". */
export function taskKey({ task, stack }: { task: TaskName; stack: string | null }): string {
  return stack === null ? task : `${task}:${stack}`;
}

/** The same for people: "verify", "backup of shop". */
export function runName({ task, stack }: { task: TaskName; stack: string | null }): string {
  return stack === null ? task : `${task} of ${stack}`;
}

/** The state of a home; a fresh one where there is none, or none that can be read. */
export function readState(home: Home): ScheduleState {
  try {
    const state = JSON.parse(Deno.readTextFileSync(home.schedule));
    if (state?.version === 1) return state;
  } catch {
    // Begun anew: there is nothing to catch up then.
  }
  return { version: 1, awake_since: "", tasks: {}, runs: [] };
}

/** Replaces the state, durably. Raises DISK_FULL, NOT_WRITABLE, IO. */
export function writeState(home: Home, state: ScheduleState): void {
  ensurePrivateDir(home.dir);
  const runs = state.runs.slice(-KEPT_RUNS);
  writeDurably(home.schedule, JSON.stringify({ ...state, runs }, null, 1));
}
