/** Secrets are named in the settings, never held by them: `env:NAME` or `file:/PATH`. */

/** Where a secret lies. */
export type Reference = { from: "env"; name: string } | { from: "file"; path: string };

/** Given a setting's text, the reference it is, or null where it is none. */
export function parseReference(text: string): Reference | null {
  const [, from, where] = /^(env|file):(.+)$/s.exec(text) ?? [];
  if (from === "env") return /^[A-Za-z_]\w*$/.test(where) ? { from, name: where } : null;
  if (from === "file") {
    return where.startsWith("/") && !/[\0\n]/.test(where) ? { from, path: where } : null;
  }
  return null;
}

/** For rules and hints. */
export const REFERENCE_RULE =
  "env:NAME (an environment variable) or file:/PATH (a file's first line)";
