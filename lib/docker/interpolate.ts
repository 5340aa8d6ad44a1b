/** Variables in compose and .env files: `$NAME`, `${NAME}`, `${NAME:-default}` and their kin. */

/** What is wrong with a text, in words that follow a file and line. */
export class InterpolationError extends Error {}

export type Lookup = (name: string) => string | undefined;

const NAME = /[_a-zA-Z][_a-zA-Z0-9]*/y;
const OPERATOR = /:?[-?+]/y;

/**
 * Replaces variables as compose does: `${N:-word}`/`${N-word}` default where unset or empty/unset,
 * `${N:?word}`/`${N?word}` error, `${N:+word}`/`${N+word}` replacement where set; words may hold
 * variables; `$$` is a `$`. An unset variable is empty and told to `onUnset`. Raises
 * InterpolationError on anything else after a `$`, and for a required variable that is missing.
 */
export function interpolate(
  text: string,
  lookup: Lookup,
  onUnset: (name: string) => void = () => {},
): string {
  let out = "";
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf("$", at);
    if (dollar < 0) return out + text.slice(at);
    out += text.slice(at, dollar);
    at = dollar + 1;
    if (text[at] === "$") {
      out += "$";
      at++;
    } else if (text[at] === "{") {
      const end = closingBrace(text, dollar);
      out += braced(text.slice(dollar + 2, end), lookup, onUnset);
      at = end + 1;
    } else {
      const name = match(NAME, text, at);
      if (name === null) throw invalid(text.slice(dollar, dollar + 12));
      out += plain(name, lookup, onUnset);
      at += name.length;
    }
  }
  return out;
}

function plain(name: string, lookup: Lookup, onUnset: (name: string) => void): string {
  const value = lookup(name);
  if (value === undefined) onUnset(name);
  return value ?? "";
}

function braced(body: string, lookup: Lookup, onUnset: (name: string) => void): string {
  const name = match(NAME, body, 0);
  if (name === null) throw invalid(`\${${body}}`);
  if (name.length === body.length) return plain(name, lookup, onUnset);
  const operator = match(OPERATOR, body, name.length);
  if (operator === null) throw invalid(`\${${body}}`);
  const value = lookup(name);
  const isSet = operator.startsWith(":")
    ? value !== undefined && value !== ""
    : value !== undefined;
  const word = () => interpolate(body.slice(name.length + operator.length), lookup, onUnset);
  switch (operator.at(-1)) {
    case "-":
      return isSet ? value! : word();
    case "+":
      return isSet ? word() : "";
    default: {
      if (isSet) return value!;
      const said = word();
      throw new InterpolationError(
        `required variable ${name} is missing a value${said && `: ${said}`}`,
      );
    }
  }
}

/** Index of the brace that closes the one after the `$` at `dollar`; only `${` opens another. */
function closingBrace(text: string, dollar: number): number {
  let depth = 0;
  for (let at = dollar; at < text.length; at++) {
    if (text.startsWith("${", at)) {
      depth++;
      at++;
    } else if (text[at] === "}" && --depth === 0) {
      return at;
    }
  }
  throw invalid(text.slice(dollar));
}

function match(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function invalid(piece: string): InterpolationError {
  return new InterpolationError(`"${piece}" is no valid variable; write $$ for a plain $`);
}
