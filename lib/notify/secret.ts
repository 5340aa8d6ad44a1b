/** Secrets, read at the moment they are used. */
import { parseReference } from "../core/reference.ts";
import { SendError } from "./receiver.ts";

/** Given `env:NAME` or `file:/PATH`, returns what lies there (a file's first line). Raises SendError. */
export function resolveReference(text: string, env: Record<string, string>): string {
  const reference = parseReference(text);
  if (!reference) throw new SendError("it is no reference to a secret", false);
  const value = reference.from === "env" ? env[reference.name] : firstLine(reference.path);
  if (value) return value;
  const where = reference.from === "env"
    ? `the variable ${reference.name} is not set`
    : `the file ${reference.path} is empty`;
  throw new SendError(where, false);
}

function firstLine(path: string): string {
  try {
    return Deno.readTextFileSync(path).split("\n")[0].trim();
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "does not exist" : "cannot be read";
    throw new SendError(`the file ${path} ${why}`, false);
  }
}

/** The URL a setting names, be it written there or referred to. Raises SendError, without the URL. */
export function resolveUrl(text: string, env: Record<string, string>): URL {
  const found = parseReference(text) ? resolveReference(text, env) : text;
  const url = URL.parse(found);
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new SendError("what it refers to is no http or https URL", false);
}
