/**
 * Tells a container that was never stopped from one that is just about to end: a run that died left
 * its stop request with the engine, which carries it out. Starting such a container does nothing, and
 * seconds later it is down.
 */
import type { Engine } from "./engine.ts";
import { locate } from "./locate.ts";
import type { Patience } from "./patient.ts";
import { graceSeconds, type QuiesceItem } from "./plan.ts";
import { Deadline, sleep } from "./retry.ts";

/** Time a kill may take on top of the grace, and longest wait for one with endless grace. */
const EXTRA_MS = 10_000;
const LONGEST_GRACE_MS = 600_000;

const SIGNALS: Record<string, string> = {
  "1": "HUP",
  "2": "INT",
  "3": "QUIT",
  "9": "KILL",
  "10": "USR1",
  "12": "USR2",
  "15": "TERM",
};

/**
 * Given containers of a plan that run, returns those that ended after all within their grace. The
 * engine's events tell which got a stop signal; where they do not reach back far enough, all are
 * watched for as long as a stop could still take.
 */
export async function endedAfterAll(
  engine: Engine,
  patience: Patience,
  items: QuiesceItem[],
  now: () => Date,
): Promise<QuiesceItem[]> {
  const waits = await pendingUntil(engine, patience, items, now());
  const ended = await Promise.all(waits.map(async ({ item, wait_ms }) => {
    const deadline = new Deadline(wait_ms);
    for (;;) {
      const found = await patience.call(() => locate(engine, item));
      if (!found || found.state === "exited" || found.state === "dead") return [item];
      if (deadline.over) return [];
      await sleep(Math.min(200, deadline.left_ms));
    }
  }));
  return ended.flat();
}

async function pendingUntil(
  engine: Engine,
  patience: Patience,
  items: QuiesceItem[],
  now: Date,
): Promise<{ item: QuiesceItem; wait_ms: number }[]> {
  if (items.length === 0) return [];
  const longest = Math.max(...items.map(longestStop));
  const since = new Date(now.getTime() - longest);
  const { kills, complete_since } = await patience.call(() => engine.recentKills(since, now));
  return items.flatMap((item) => {
    const start = Date.parse(item.started_at ?? "") || 0;
    const signals = kills.filter((kill) =>
      kill.container_id === item.id && kill.at > start && isStop(kill.signal, item)
    );
    const last = Math.max(...signals.map((kill) => kill.at));
    // A signal sent before what the events cover may still be at work.
    const from = signals.length > 0 ? last : complete_since;
    if (signals.length === 0 && complete_since <= Math.max(since.getTime(), start)) return [];
    const wait_ms = from + longestStop(item) - now.getTime();
    return wait_ms > 0 ? [{ item, wait_ms }] : [];
  });
}

function longestStop(item: QuiesceItem): number {
  return Math.min(graceSeconds(item) * 1000, LONGEST_GRACE_MS) + EXTRA_MS;
}

/** A reload by SIGHUP is no stop, unless that is how the container is stopped. */
function isStop(signal: string, item: QuiesceItem): boolean {
  const name = SIGNALS[signal] ?? signal.replace(/^SIG/, "");
  const own = SIGNALS[item.stop_signal] ?? item.stop_signal.replace(/^SIG/, "");
  return name === "KILL" || name === own || /^\d+$/.test(name) || /^\d+$/.test(own);
}
