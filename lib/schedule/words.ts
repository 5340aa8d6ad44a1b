/** The only importer of cronstrue: schedules and times in words, for people. */
import cronstrue from "cronstrue";

/** "At 02:00", "Every 15 minutes, ..."; the expression itself where it cannot be told in words. */
export function scheduleWords(schedule: string): string {
  try {
    return cronstrue.toString(schedule, { use24HourTimeFormat: true });
  } catch {
    return schedule;
  }
}

/** "Sun 2026-10-25 02:30 CET" in a time zone. */
export function zonedTime(at: Date, timezone: string): string {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  });
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${part.weekday} ${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute} ` +
    part.timeZoneName;
}
