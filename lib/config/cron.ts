/** Five-field cron expressions: a strict check that says what is wrong. Runs nothing. */

interface Field {
  name: string;
  min: number;
  max: number;
  names: string[];
}

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const DAYS = "sun mon tue wed thu fri sat".split(" ");
const FIELDS: Field[] = [
  { name: "minute", min: 0, max: 59, names: [] },
  { name: "hour", min: 0, max: 23, names: [] },
  { name: "day of month", min: 1, max: 31, names: [] },
  { name: "month", min: 1, max: 12, names: MONTHS },
  // 7 is Sunday too.
  { name: "day of week", min: 0, max: 7, names: DAYS },
];
const NICKNAMES = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
/** Longest each month gets: a date beyond it never comes. */
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** What is wrong with a cron expression, or null. */
export function checkCron(text: string): string | null {
  if (text.startsWith("@")) {
    if (NICKNAMES.includes(text.toLowerCase())) return null;
    return `"${text}" is not one of ${NICKNAMES.join(", ")}`;
  }
  const parts = text.trim().split(/\s+/);
  if (parts.length !== 5) return `it has ${parts.length} fields instead of 5`;
  const sets: Set<number>[] = [];
  for (const [at, part] of parts.entries()) {
    const result = fieldValues(part, FIELDS[at]);
    if (typeof result === "string") return result;
    sets.push(result);
  }
  const [, , days, months] = sets;
  // With both day fields restricted cron runs on either, so only a free day of week can make it never.
  const reachable = [...months].some((month) => Math.min(...days) <= MONTH_DAYS[month - 1]);
  if (parts[4].startsWith("*") && !reachable) return "there is no such day of that month";
  return null;
}

/** The numbers a field stands for, or what is wrong with it. */
function fieldValues(text: string, field: Field): Set<number> | string {
  const values = new Set<number>();
  for (const item of text.split(",")) {
    const found = /^(\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:\/(\d+))?$/i.exec(item);
    if (!found) return `"${item}" cannot be the ${field.name}`;
    const [, all, first, last, step] = found;
    const from = all === "*" ? field.min : toNumber(first, field);
    // As in Vixie cron, a step needs a range; "5/15" is read as 5 to the end, as croner does.
    const to = all === "*" || (last === undefined && step !== undefined)
      ? field.max
      : toNumber(last ?? first, field);
    if (from === null || to === null) {
      return `"${item}" cannot be the ${field.name} (${field.min} to ${field.max})`;
    }
    if (from > to) return `"${item}" runs backwards (${field.name})`;
    const stride = step === undefined ? 1 : Number(step);
    if (stride < 1 || stride > field.max) {
      return `"${item}" has a step out of range (${field.name})`;
    }
    for (let value = from; value <= to; value += stride) values.add(value);
  }
  return values;
}

function toNumber(text: string, field: Field): number | null {
  const named = field.names.indexOf(text.toLowerCase());
  if (named >= 0) return named + field.min;
  if (!/^\d{1,2}$/.test(text)) return null;
  const value = Number(text);
  return value >= field.min && value <= field.max ? value : null;
}
