/** The only importer of croner: whether a schedule can be, and when it runs, in any time zone. */
import { Cron } from "croner";

const NICKNAMES = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

/**
 * A fixed time of day ("30 2 * * *", "30 2,14 * * *") that a change to summer time skips runs at the
 * first moment after the gap, one that comes twice runs once; intervals ("*\/20 * * * *") run on.
 */
function parse(text: string, timezone?: string): Cron {
  return new Cron(text.trim(), {
    timezone,
    mode: "5-part",
    fixedTimeRule: "no-wildcard",
    sloppyRanges: true, // "5/15" is what many crontabs have for "5-59/15"
  });
}

/** What is wrong with a cron expression, or null. */
export function checkCron(text: string): string | null {
  const trimmed = text.trim();
  if (trimmed.startsWith("@")) {
    if (NICKNAMES.includes(trimmed.toLowerCase())) return null;
    return `"${trimmed}" is not one of ${NICKNAMES.join(", ")}`;
  }
  const fields = trimmed.split(/\s+/).length;
  if (fields !== 5) return `it has ${fields} fields instead of 5`;
  try {
    return parse(trimmed).nextRun() === null ? "there is no such day of that month" : null;
  } catch (cause) {
    const told = cause instanceof Error ? cause.message : String(cause);
    return told.replace(/^CronPattern: /, "").replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase());
  }
}

/** The next `count` runs after `from`; fewer where the schedule ends. Raises for a bad expression. */
export function nextRuns(text: string, timezone: string, from: Date, count: number): Date[] {
  return parse(text, timezone).nextRuns(count, from);
}

/** The last run that lies at `at` or before; null where there was none. Raises for a bad expression. */
export function lastRun(text: string, timezone: string, at: Date): Date | null {
  // croner leaves the moment itself out.
  const next_second = new Date((Math.floor(at.getTime() / 1000) + 1) * 1000);
  return parse(text, timezone).previousRuns(1, next_second)[0] ?? null;
}
