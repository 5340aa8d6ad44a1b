/** Whether an alert is news: the same event of the same stack is not told again and again. */
import type { AlertEvent } from "../core/events.ts";
import {
  type OpenAlerts,
  readOpenAlerts,
  type Spooled,
  writeOpenAlerts,
} from "../repository/alert_spool.ts";
import type { Home } from "../repository/home.ts";

/** Sets `repeated` of those not judged before, and remembers what was told. `hours` 0: all is news. */
export function judgeAlerts(home: Home, alerts: Spooled[], hours: number): void {
  const open = readOpenAlerts(home);
  const before = JSON.stringify(open);
  for (const { alert } of alerts) {
    if (alert.judged) continue;
    const { event } = alert;
    const solved = alert.solves.map((kind) => keyOf(kind, event)).filter((key) => open[key]);
    alert.repeated = alert.only_if_solving
      ? solved.length === 0
      : toldLately(open[keyOf(event.kind, event)], event, hours);
    for (const key of solved) delete open[key];
    const good = event.kind === "recovered" || event.kind === "backup_completed";
    if (!good && !alert.repeated) open[keyOf(event.kind, event)] = event.at;
    alert.judged = true;
  }
  if (JSON.stringify(open) !== before) writeOpenAlerts(home, open);
}

function toldLately(told: OpenAlerts[string] | undefined, { at }: AlertEvent, hours: number) {
  return told !== undefined && Date.parse(at) - Date.parse(told) < hours * 3_600_000;
}

function keyOf(kind: string, { stack }: AlertEvent): string {
  return `${kind} ${stack ?? ""}`;
}
