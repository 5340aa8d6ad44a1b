/** The kinds of values a setting can have: how each is checked, read from text and shown. */
import * as v from "valibot";
import { checkCron } from "./cron.ts";

/** Value types of `app_config.config_type`. */
export type SettingType =
  | "boolean"
  | "integer"
  | "bytes"
  | "string"
  | "enum"
  | "cron"
  | "timezone"
  | "path"
  | "list"
  | "timestamp";

/** One kind of value. `schema` checks a stored (JSON) value, `parse` turns typed text into one. */
export interface Kind {
  type: SettingType;
  /** What is allowed, for people: completes "must be ...". */
  rule: string;
  example: string;
  schema: v.GenericSchema<unknown>;
  /** Text as typed to a candidate value, which `schema` then checks; undefined where it cannot be. */
  parse: (text: string) => unknown;
  format: (value: unknown) => string;
  /** Set where people may type a secret by mistake: the text then, for messages and audit rows. */
  mask?: (text: string) => string;
}

const plain = (value: unknown) => String(value);

export function boolean(): Kind {
  const words: Record<string, boolean> = {
    true: true,
    yes: true,
    on: true,
    "1": true,
    false: false,
    no: false,
    off: false,
    "0": false,
  };
  return {
    type: "boolean",
    rule: "true or false",
    example: "true",
    schema: v.boolean(),
    parse: (text) =>
      Object.hasOwn(words, text.toLowerCase()) ? words[text.toLowerCase()] : undefined,
    format: plain,
  };
}

export function integer(min: number, max: number, example: number, unit = ""): Kind {
  return {
    type: "integer",
    rule: `an integer from ${min} to ${max}${unit && ` (${unit})`}`,
    example: String(example),
    schema: v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max)),
    parse: (text) => /^[+-]?\d+$/.test(text) ? Number(text) : undefined,
    format: plain,
  };
}

export function oneOf(...words: [string, string, ...string[]]): Kind {
  return {
    type: "enum",
    rule: `one of ${words.join(", ")}`,
    example: words[0],
    schema: v.picklist(words),
    parse: (text) => text.toLowerCase(),
    format: plain,
  };
}

export function string(): Kind {
  return {
    type: "string",
    rule: "any text",
    example: "text",
    schema: v.string(),
    parse: (text) => text,
    format: plain,
  };
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Sizes: `10GiB`, `10G` (both 1024-based), `10GB` (1000-based), `1.5 MiB`, or bytes. */
export function bytes(): Kind {
  return {
    type: "bytes",
    rule:
      "a size: a number with B, KiB, MiB, GiB, TiB (1024), KB, MB, GB, TB (1000) or nothing (bytes)",
    example: "10GiB",
    schema: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    parse: parseBytes,
    format: (value) => formatBytes(value as number),
  };
}

function parseBytes(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])(i?b)?|b)?$/i.exec(text);
  if (!found) return undefined;
  const power = found[2] ? "kmgtp".indexOf(found[2].toLowerCase()) + 1 : 0;
  const base = found[3]?.toLowerCase() === "b" ? 1000 : 1024;
  return Math.round(Number(found[1]) * base ** power);
}

/** The exact size in the largest unit that needs no fraction, so that it can be typed in again. */
function formatBytes(size: number): string {
  let unit = 0;
  while (size > 0 && size % 1024 === 0 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return unit === 0 ? String(size) : `${size}${UNITS[unit]}`;
}

/** `empty`: what the empty text stands for, where it is allowed. */
export function cron(options: { empty?: string } = {}): Kind {
  const off = options.empty === undefined ? "" : `; "" for ${options.empty}`;
  return {
    type: "cron",
    rule: "a cron expression of five fields (minute hour day-of-month month day-of-week) or " +
      `@hourly, @daily, @weekly, @monthly, @yearly${off}`,
    example: "30 3 * * 1-5",
    schema: v.pipe(
      v.string(),
      v.rawCheck(({ dataset, addIssue }) => {
        if (!dataset.typed || (dataset.value === "" && options.empty !== undefined)) return;
        const problem = checkCron(dataset.value);
        if (problem) addIssue({ message: problem });
      }),
    ),
    parse: (text) => text.trim().replace(/\s+/g, " "),
    format: plain,
  };
}

export function timezone(): Kind {
  return {
    type: "timezone",
    rule: "a time zone of the IANA database, or UTC",
    example: "Europe/Berlin",
    schema: v.pipe(v.string(), v.check(isTimezone, "there is no such time zone")),
    parse: (text) => text,
    format: plain,
  };
}

function isTimezone(name: string): boolean {
  // Offsets ("+02:00") are accepted by Intl but know no daylight saving time.
  if (!/^[A-Za-z]/.test(name)) return false;
  if (name === "UTC") return true; // the default: asking Intl takes as long as opening the catalogue
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export function path(): Kind {
  return {
    type: "path",
    rule: "an absolute path",
    example: "/srv/backups",
    schema: v.pipe(
      v.string(),
      v.startsWith("/", "it does not begin with /"),
      v.check((text) => !text.includes("\0"), "it holds a NUL character"),
    ),
    parse: cleanPath,
    format: plain,
  };
}

function cleanPath(text: string): string {
  return text.replace(/\/{2,}/g, "/").replace(/(.)\/$/, "$1");
}

/** Lists are typed as JSON (`["*.tmp", "cache/"]`) or with commas (`*.tmp, cache/`). */
export function list(example: string): Kind {
  return {
    type: "list",
    rule: 'a list: words with commas between them, or JSON (["a", "b"]); "" for none',
    example,
    schema: v.array(v.pipe(v.string(), v.nonEmpty("an item is empty"))),
    parse: parseList,
    format: (value) => formatList(value as string[]),
  };
}

function parseList(text: string): unknown {
  if (text.trimStart().startsWith("[")) {
    try {
      return JSON.parse(text);
    } catch {
      // "[ab]*.txt" is a pattern: fall through.
    }
  }
  return text.trim() === "" ? [] : text.split(",").map((item) => item.trim());
}

/** With commas where that reads back as the same list, else as JSON. */
function formatList(items: string[]): string {
  const text = items.join(",");
  const back = parseList(text);
  const same = Array.isArray(back) && back.length === items.length &&
    back.every((item, at) => item === items[at]);
  return same ? text : JSON.stringify(items);
}

/**
 * `base`, a string or a list, with a rule of its own: `problemIn` says what is wrong with the text (of
 * each item), or null.
 */
export function ruled(
  base: Kind,
  rule: string,
  example: string,
  problemIn: (text: string) => string | null,
  mask?: (text: string) => string,
): Kind {
  const check = v.rawCheck<unknown>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const text of [dataset.value].flat()) {
      const problem = problemIn(text as string);
      if (problem !== null) return addIssue({ message: problem });
    }
  });
  return { ...base, rule, example, schema: v.pipe(base.schema, check), mask };
}

export function timestamp(): Kind {
  return {
    type: "timestamp",
    rule: "an ISO 8601 time in UTC",
    example: "2026-01-31T02:00:00.000Z",
    schema: v.pipe(v.string(), v.isoTimestamp()),
    parse: (text) => text,
    format: plain,
  };
}

/** The first thing wrong with a value, or null. */
export function problemOf(kind: Kind, value: unknown): string | null {
  const result = v.safeParse(kind.schema, value);
  return result.success ? null : result.issues[0].message;
}
