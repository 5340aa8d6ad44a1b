/**
 * keep_last, keep_daily, keep_weekly, keep_monthly and keep_yearly, as `restic forget` has them:
 *
 *   for each rule: go from the newest to the oldest; keep the newest of each period until so many
 *   periods have been kept; periods without a backup do not count; while the number is not reached,
 *   the oldest is kept as well, so that history grows to its full length.
 *
 * A backup may be kept by several rules. One difference: of a period's backups the newest *completed*
 * one stands for it, a partial one only where there is no other.
 */
import { Calendar, type Period } from "./calendar.ts";
import { timeOf } from "./good.ts";
import type { Candidate, KeepRule, RetentionPolicy } from "./policy.ts";

const PERIODS: [Period, keyof RetentionPolicy & `keep_${string}`][] = [
  ["daily", "keep_daily"],
  ["weekly", "keep_weekly"],
  ["monthly", "keep_monthly"],
  ["yearly", "keep_yearly"],
];

/** Calls `keep` for each that a rule keeps. `usable` is one stack's, newest first. */
export function applyRules(
  usable: Candidate[],
  policy: RetentionPolicy,
  keep: (backup: Candidate, rule: KeepRule, text: string) => void,
): void {
  const completed = usable.filter(({ status }) => status === "completed");
  const last = completed.length > 0 ? completed : usable;
  for (const [n, backup] of last.slice(0, policy.keep_last).entries()) {
    keep(backup, "last", n === 0 ? "the last one" : `one of the last ${policy.keep_last}`);
  }
  const calendar = Calendar.of(policy.timezone);
  for (const [period, setting] of PERIODS) {
    const wanted = policy[setting];
    if (wanted === 0 || usable.length === 0) continue;
    const standing = new Map<string, Candidate>();
    for (const backup of usable) {
      const name = calendar.name(period, new Date(timeOf(backup)));
      const first = standing.get(name);
      const better = first?.status === "partial" && backup.status === "completed";
      if (!first || better) standing.set(name, backup);
    }
    for (const [name, backup] of [...standing].slice(0, wanted)) {
      keep(backup, period, `${period}, of ${name}`);
    }
    if (standing.size < wanted) keep(last[last.length - 1], period, `${period}, the oldest`);
  }
}
