/** How the state changes when a run begins, ends, or is found dead. Pure; see state.ts. */
import { serve, triedAgain } from "./due.ts";
import { type RunEntry, type ScheduleState, taskKey, type TaskState } from "./state.ts";

/** With a run that begins. Its try counts from now on: it may never come to its end. */
export function begun(state: ScheduleState, entry: RunEntry): ScheduleState {
  const { slot, started_at } = entry;
  const known = state.tasks[taskKey(entry)];
  const runs = [...state.runs, entry];
  if (!known || slot === null) return { ...state, runs };
  const count = known.tries?.slot === slot ? known.tries.count + 1 : 1;
  const tries = { slot, count, at: started_at, code: "DIED" };
  return { ...withTask(state, entry, { ...known, tries }), runs };
}

/** With the end of the run that began as `entry`. */
export function ended(state: ScheduleState, entry: RunEntry, end: RunEntry): ScheduleState {
  const runs = state.runs.map((run) => run === entry ? end : run);
  return { ...settled(state, entry, end), runs };
}

/** Given the state found under the lock: runs that say `running` have died and are tried again. */
export function withoutDead(state: ScheduleState, now: Date): ScheduleState {
  let after = state;
  const runs = state.runs.map((run): RunEntry => {
    if (run.status !== "running") return run;
    const dead = {
      ...run,
      ended_at: now.toISOString(),
      status: "died" as const,
      code: "DIED",
      message: "it died before it was done",
    };
    after = settled(after, run, dead);
    return dead;
  });
  return { ...after, runs };
}

/** Its slot is served, or stays to be tried again. */
function settled(state: ScheduleState, entry: RunEntry, end: RunEntry): ScheduleState {
  const known = state.tasks[taskKey(entry)];
  const tries = known?.tries;
  if (!tries || entry.slot === null || tries.slot !== entry.slot) return state;
  const again = end.code !== null && triedAgain(end.code, tries.count);
  return withTask(
    state,
    entry,
    again
      ? { ...known, tries: { ...tries, at: end.ended_at!, code: end.code! } }
      : serve(known, entry.slot),
  );
}

function withTask(state: ScheduleState, entry: RunEntry, task: TaskState): ScheduleState {
  return { ...state, tasks: { ...state.tasks, [taskKey(entry)]: task } };
}
