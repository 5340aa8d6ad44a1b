/** Parsers of what `find` looks for: sizes, times, hashes, kinds of entries. Wrong values raise USAGE. */
import { bytes } from "../config/values.ts";
import type { EntryType } from "../core/model.ts";
import { InvalidArgumentError } from "./commander.ts";

const SIZE = bytes();

/** "+10M" is more than that, "-10M" less, "10M" exactly; bytes, both ends inclusive. */
export function sizeRange(text: string): { least?: number; most?: number } {
  const [, sign, size] = /^([+-]?)(.+)$/.exec(text.trim()) ?? [];
  const value = SIZE.parse(size ?? "") as number | undefined;
  if (value === undefined) {
    throw new InvalidArgumentError(`Give ${SIZE.rule}; +SIZE is more than that, -SIZE less.`);
  }
  if (sign === "+") return { least: value + 1 };
  return sign === "-" ? { most: value - 1 } : { least: value, most: value };
}

const UNITS: Record<string, number> = { min: 60, h: 3600, d: 86_400, w: 604_800 };

/** "2026-11-01", "2026-11-01 10:00" (this host's time), ISO 8601, or an age: "30min", "12h", "7d", "2w". */
export function moment(text: string, now: Date): string {
  const age = /^(\d+)(min|h|d|w)$/.exec(text.trim());
  if (age) return new Date(now.getTime() - Number(age[1]) * UNITS[age[2]] * 1000).toISOString();
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text.trim());
  // A day alone would be taken for UTC.
  const at = /^\d{4}-\d{2}-\d{2}/.test(text.trim())
    ? new Date(day ? `${text.trim()}T00:00` : text.trim())
    : null;
  if (at === null || Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError(
      'Give a day (2026-11-01), a time ("2026-11-01 10:00", ISO 8601) or an age (30min, 12h, 7d, 2w).',
    );
  }
  return at.toISOString();
}

/** A SHA-256 in hex, or its beginning. */
export function hashStart(text: string): string {
  if (/^[0-9a-f]{6,64}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError("Give a SHA-256 in hex, or at least its first 6 digits.");
}

const TYPES: Record<string, EntryType> = {
  f: "file",
  d: "directory",
  l: "symlink",
  h: "hardlink",
  p: "fifo",
  c: "char",
  b: "block",
};

/** A kind of entry, in full or by the letter that `ls -l` shows; may be given more than once. */
export function entryTypes(text: string, before: EntryType[] | undefined): EntryType[] {
  const type = TYPES[text] ?? Object.values(TYPES).find((type) => type === text);
  if (type) return [...(before ?? []), type];
  const known = Object.entries(TYPES).map(([letter, name]) => `${letter} (${name})`).join(", ");
  throw new InvalidArgumentError(`Allowed: ${known}.`);
}
