/** Durations and sizes as compose files write them. */

const UNIT_NS: Record<string, number> = {
  ns: 1,
  us: 1e3,
  "µs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds of "1m30s" or "0.5s"; null for what is no duration. */
export function durationNs(text: string): number | null {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/gy)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) {
    return text === "0" ? 0 : null;
  }
  return Math.round(parts.reduce((sum, [, n, unit]) => sum + Number(n) * UNIT_NS[unit], 0));
}

/** Bytes of "64m", "1gb" or "4096"; null for what is no size. */
export function sizeBytes(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!found) return null;
  const power = ["", "k", "m", "g", "t"].indexOf(found[2].toLowerCase().replace("b", ""));
  return Math.round(Number(found[1]) * 1024 ** power);
}
