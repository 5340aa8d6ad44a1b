/** Moments as people type them: a date, a time, or how long ago. */
import { InvalidArgumentError } from "./commander.ts";

const UNITS: Record<string, number> = { min: 60, h: 3_600, d: 86_400, w: 604_800 };

/**
 * `2026-01-31` (the beginning of that day here), `2026-01-31 02:00` (here), an ISO 8601 time, or `90min`,
 * `12h`, `7d`, `2w` before `now`. For options; raises what commander reports as wrong usage.
 */
export function moment(now: () => Date): (text: string) => Date {
  return (text) => {
    const [, ago, unit] = /^(\d{1,6})(min|h|d|w)$/.exec(text) ?? [];
    if (ago) return new Date(now().getTime() - Number(ago) * UNITS[unit] * 1000);
    const date = /^\d{4}-\d{2}-\d{2}$/.test(text);
    const time = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/.test(
      text,
    );
    // Without an offset, a date alone would be taken for UTC.
    const at = new Date(date ? `${text}T00:00` : text.replace(" ", "T"));
    if ((date || time) && !Number.isNaN(at.getTime())) return at;
    throw new InvalidArgumentError(
      "Give a date (2026-01-31), a time (2026-01-31 02:00) or an age (90min, 12h, 7d, 2w).",
    );
  };
}
