/** A scheduler without clock, files and processes: the pure parts, one heartbeat after another. */
import {
  ASLEEP_MS,
  dueRuns,
  type Plan,
  type PlannedTask,
  settle,
} from "../../../lib/schedule/due.ts";
import { begun, ended } from "../../../lib/schedule/runs.ts";
import type { RunEntry, ScheduleState } from "../../../lib/schedule/state.ts";

export const MINUTE = 60_000;

export function backups(schedule: string, timezone: string, ...stacks: string[]): Plan {
  const tasks = (stacks.length > 0 ? stacks : ["shop"]).map((stack): PlannedTask => ({
    task: "backup",
    stack,
    schedule,
  }));
  return { timezone, grace_ms: 5 * MINUTE, spread_ms: 10 * MINUTE, tasks };
}

export class Simulation {
  state: ScheduleState = { version: 1, awake_since: "", tasks: {}, runs: [] };
  /** When each run began, and the slot it served. */
  readonly begun: { at: string; stack: string; slot: string }[] = [];
  #last_beat: Date | null = null;
  /** How runs end; null: killed before their end. */
  outcome: (run: RunEntry) => Partial<RunEntry> | null = () => ({ status: "completed" });

  constructor(public plan: Plan) {}

  /** One heartbeat. Runs take no time. */
  beat(time: string | Date) {
    const now = new Date(time);
    const silent_ms = now.getTime() - (this.#last_beat?.getTime() ?? 0);
    this.#last_beat = now;
    this.state = settle(this.plan, this.state, now, silent_ms > ASLEEP_MS);
    const due = dueRuns(this.plan, this.state, now, { salt: "host", beat_ms: MINUTE });
    for (const { task, stack, slot } of due) {
      const at = now.toISOString();
      this.begun.push({ at, stack: stack!, slot });
      const entry: RunEntry = {
        ...{ task, stack, slot, pid: 1, started_at: at, ended_at: null, status: "running" },
        ...{ code: null, message: null, backup_id: null },
      };
      this.state = begun(this.state, entry);
      const end = this.outcome(entry);
      if (end) this.state = ended(this.state, entry, { ...entry, ended_at: at, ...end });
    }
  }

  /** Heartbeats, `every` so many minutes: five are as good as one where nothing is waited for. */
  run(from: string, to: string, every = 5) {
    const end = Date.parse(to);
    for (let at = Date.parse(from); at <= end; at += every * MINUTE) this.beat(new Date(at));
  }

  get times(): string[] {
    return this.begun.map(({ at }) => at.slice(0, 16));
  }
}
