/** Days, ISO weeks, months and years in a time zone: the periods that keep_daily and the like count. */

export type Period = "daily" | "weekly" | "monthly" | "yearly";

/** Names the period an instant lies in; two instants have the same name exactly if they share it. */
export class Calendar {
  static readonly #made = new Map<string, Calendar>();
  readonly #format: Intl.DateTimeFormat;

  /** The calendar of a zone; made once, for making one takes milliseconds. */
  static of(timezone: string): Calendar {
    const calendar = Calendar.#made.get(timezone) ?? new Calendar(timezone);
    Calendar.#made.set(timezone, calendar);
    return calendar;
  }

  private constructor(timezone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: timezone,
      calendar: "iso8601",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
  }

  /** "2026-03-29", "2026-W13", "2026-03" or "2026". Weeks begin on Monday. */
  name(period: Period, at: Date): string {
    const day = this.#day(at);
    switch (period) {
      case "daily":
        return day;
      case "weekly":
        return isoWeek(day);
      case "monthly":
        return day.slice(0, -3);
      case "yearly":
        return day.slice(0, -6);
    }
  }

  #day(at: Date): string {
    const parts = this.#format.formatToParts(at);
    const value = (type: string) => parts.find((part) => part.type === type)!.value;
    return `${value("year")}-${value("month")}-${value("day")}`;
  }
}

const DAY = 86_400_000;

/** The week of a day as in ISO 8601: it belongs to the year its Thursday lies in. */
function isoWeek(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  const weekday = (date.getUTCDay() + 6) % 7;
  const thursday = new Date(date.getTime() + (3 - weekday) * DAY);
  const year = thursday.getUTCFullYear();
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY));
  return `${year}-W${String(week).padStart(2, "0")}`;
}
