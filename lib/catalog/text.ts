/** Strings as DuckDB can keep them: what is not valid UTF-8 or is NUL goes in escaped, comes out as it was. */
import { isUtf8 } from "../core/paths.ts";

// DuckDB stores UTF-8 and refuses JSON with lone surrogates, which is what a byte of a Linux name that
// is not UTF-8 looks like in this program (core/paths.ts). U+FDD0 is a noncharacter: it marks four hex
// digits of the UTF-16 code unit that stood there, itself included.
const MARK = "\ufdd0";
// Without the u flag a lone surrogate cannot be told from half a pair, so it is done by hand below.
const SUSPECT = /[\0\ufdd0\ud800-\udfff]/;
const MARKED = /\ufdd0([0-9a-f]{4})/g;

/** The string in a form DuckDB keeps unharmed; `decodeText` is its inverse for every string. */
export function encodeText(text: string): string {
  if (!SUSPECT.test(text)) return text;
  let out = "";
  for (const char of text) {
    const code = char.charCodeAt(0);
    const lone = char.length === 1 && code >= 0xd800 && code <= 0xdfff;
    const escape = lone || code === 0 || char === MARK;
    out += escape ? MARK + code.toString(16).padStart(4, "0") : char;
  }
  return out;
}

export function decodeText(text: string): string {
  if (!text.includes(MARK)) return text;
  return text.replace(MARKED, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** A parameter for a JSON column: without it a string would be taken for JSON text. */
export class Json {
  constructor(readonly value: unknown) {}
}

/** The parameter for a nullable JSON column. */
export function jsonOrNull(value: unknown): Json | null {
  return value === null || value === undefined ? null : new Json(value);
}

/** A value as the text of a JSON column. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_, inner) => {
    if (typeof inner === "string") return encodeText(inner);
    if (inner !== null && typeof inner === "object" && !Array.isArray(inner)) {
      return mapKeys(inner as Record<string, unknown>, encodeText);
    }
    return inner;
  });
}

export function decodeJson(text: string): unknown {
  return JSON.parse(text, (_, inner) => {
    if (typeof inner === "string") return decodeText(inner);
    if (inner !== null && typeof inner === "object" && !Array.isArray(inner)) {
      return mapKeys(inner as Record<string, unknown>, decodeText);
    }
    return inner;
  });
}

function mapKeys(object: Record<string, unknown>, map: (key: string) => string) {
  const keys = Object.keys(object);
  if (keys.every((key) => map(key) === key)) return object;
  return Object.fromEntries(keys.map((key) => [map(key), object[key]]));
}

/** A text in SQL. Throws where it is not UTF-8. */
export function literal(text: string): string {
  if (!isUtf8(text)) throw new Error("its path is not UTF-8");
  return `'${text.replaceAll("'", "''")}'`;
}
