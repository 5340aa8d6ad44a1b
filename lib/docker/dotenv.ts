/** `.env` files in compose's dialect. */
import { interpolate, InterpolationError, type Lookup } from "./interpolate.ts";

/** What is wrong, and the line (1-based) it is wrong in. */
export class DotenvError extends Error {
  constructor(message: string, readonly line: number) {
    super(message);
  }
}

/**
 * Given the text of a .env file, returns its variables in order. `#` begins a comment; values are
 * plain, 'literal' or "with $VARS and \n"; quoted ones may span lines; `export` is allowed; a bare
 * name takes its value from `outer`, which also wins inside `$VAR`. Raises DotenvError.
 */
export function parseDotenv(text: string, outer: Lookup): Map<string, string> {
  const found = new Map<string, string>();
  const source = text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n");
  const lookup: Lookup = (name) => outer(name) ?? found.get(name);
  const statement =
    /[^\S\n]*(?:export[^\S\n]+)?([^\s=:#'"]+)[^\S\n]*(?:([=:])[^\S\n]*|(?=#|\n|$))/y;
  let at = 0;
  while (at < source.length) {
    const skip = /(?:\s+|#[^\n]*)*/y;
    skip.lastIndex = at;
    skip.exec(source);
    at = skip.lastIndex;
    if (at >= source.length) break;
    statement.lastIndex = at;
    const head = statement.exec(source);
    if (!head || !/^[\p{L}\p{N}_.\-[\]]+$/u.test(head[1])) {
      throw new DotenvError(`"${lineAt(source, at)}" is not NAME=value`, lineNumber(source, at));
    }
    at = statement.lastIndex;
    const [, name, sign] = head;
    if (!sign) {
      const inherited = outer(name);
      if (inherited !== undefined) found.set(name, inherited);
      at = lineEnd(source, at);
      continue;
    }
    const { value, end } = readValue(source, at, lookup);
    found.set(name, value);
    at = end;
  }
  return found;
}

function readValue(source: string, at: number, lookup: Lookup): { value: string; end: number } {
  const quote = source[at];
  if (quote !== '"' && quote !== "'") {
    const end = lineEnd(source, at);
    // A `#` begins a comment at the start of the value or after white space.
    const value = source.slice(at, end).replace(/(^|\s)#.*$/s, "").trimEnd();
    return { value: expand(value, lookup), end };
  }
  for (let end = at + 1; end < source.length; end++) {
    if (source[end] === "\\") {
      end++;
    } else if (source[end] === quote) {
      const inner = source.slice(at + 1, end);
      const value = quote === "'"
        ? inner.replaceAll("\\'", "'")
        : expand(unescape(inner), lookup).replaceAll("\u0000", "$");
      return { value, end: lineEnd(source, end) };
    }
  }
  throw new DotenvError("the quoted value that begins here has no end", lineNumber(source, at));
}

/** `\$` stays a dollar sign: it passes through the expansion as a zero byte. */
function unescape(text: string): string {
  return text.replace(/\\(.)/gs, (whole, char: string) => {
    const known: Record<string, string> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };
    return char === "$" ? "\u0000" : known[char] ?? whole;
  });
}

/** Passwords often hold a `$` that begins no variable: such a value is taken as it stands. */
function expand(value: string, lookup: Lookup): string {
  try {
    return interpolate(value, lookup);
  } catch (error) {
    if (error instanceof InterpolationError) return value;
    throw error;
  }
}

function lineEnd(source: string, at: number): number {
  const end = source.indexOf("\n", at);
  return end < 0 ? source.length : end;
}

function lineNumber(source: string, at: number): number {
  return source.slice(0, at).split("\n").length;
}

function lineAt(source: string, at: number): string {
  // Secrets stand in these files: what follows the sign is not shown.
  return source.slice(at, lineEnd(source, at)).replace(/[=:].*$/, "=...");
}
