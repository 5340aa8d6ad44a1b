/** Readers of plain compose values that name what they expected, and where. */
import { isAbsolute, join, normalize } from "node:path";
import {
  composeInvalid,
  isPlainMap,
  type Mark,
  markOf,
  type Plain,
  type PlainMap,
} from "./compose_yaml.ts";

/** A value on its way from YAML to the model: what it is called and where it stands. */
export interface Found {
  value: Plain;
  /** "services.web.volumes[0]" */
  path: string;
  at: Mark;
}

export function wrong(found: Found, expected: string): never {
  throw composeInvalid(found.at, `${found.path}: ${expected}`);
}

/** The value under `key`; undefined where it is missing or null. */
export function child(parent: Found, key: string): Found | undefined {
  const map = parent.value as PlainMap;
  if (map[key] === undefined || map[key] === null) return undefined;
  return { value: map[key], path: join_(parent.path, key), at: markOf(map, key) };
}

function join_(path: string, key: string): string {
  return path ? `${path}.${key}` : key;
}

export function asMap(found: Found): Found {
  return isPlainMap(found.value) ? found : wrong(found, "must be a mapping");
}

/** Entries of a mapping, null values included; of nothing: none. */
export function entries(found: Found | undefined): [string, Found][] {
  if (!found) return [];
  const map = asMap(found).value as PlainMap;
  return Object.keys(map).map((key) => [
    key,
    { value: map[key], path: join_(found.path, key), at: markOf(map, key) },
  ]);
}

/** Items of a list; those tagged `!reset` are left out. */
export function items(found: Found | undefined): Found[] {
  if (!found) return [];
  const list = found.value;
  if (!Array.isArray(list)) return wrong(found, "must be a list");
  return list.map((value, index) => ({
    value,
    path: `${found.path}[${index}]`,
    at: markOf(list, index),
  })).filter((item) => item.at.tag !== "reset");
}

/** Items of a list, or the one value that stands in its place. */
export function oneOrMore(found: Found | undefined): Found[] {
  return found && !Array.isArray(found.value) ? [found] : items(found);
}

export function asText(found: Found): string {
  const { value } = found;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return wrong(found, "must be text");
}

export function textOf(parent: Found, key: string): string | undefined {
  const found = child(parent, key);
  return found && asText(found);
}

/** Interpolated values are text: "true" counts. */
export function asBool(found: Found): boolean {
  const { value } = found;
  if (typeof value === "boolean") return value;
  const text = String(value).toLowerCase();
  if (["true", "yes", "on", "1"].includes(text)) return true;
  if (["false", "no", "off", "0", ""].includes(text)) return false;
  return wrong(found, "must be true or false");
}

/** `{a: b}` or `["a=b", "c"]`. */
export function asPairs(found: Found | undefined): Record<string, string> {
  if (!found) return {};
  if (Array.isArray(found.value)) {
    return Object.fromEntries(
      items(found).map((item) => {
        const text = asText(item);
        const sign = text.indexOf("=");
        return sign < 0 ? [text, ""] : [text.slice(0, sign), text.slice(sign + 1)];
      }),
    );
  }
  return Object.fromEntries(
    entries(found).map(([key, value]) => [key, value.value === null ? "" : asText(value)]),
  );
}

/** Relative paths are meant from `base`, `~` from the home directory. */
export function absolute(path: string, base: string, home: string | undefined): string {
  const full = (path === "~" || path.startsWith("~/")) && home
    ? join(home, path.slice(1))
    : isAbsolute(path)
    ? normalize(path)
    : join(base, path);
  return full.length > 1 ? full.replace(/\/$/, "") : full;
}
