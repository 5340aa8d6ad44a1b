/** Paths and globs that pick entries of an archive: `data/a.txt`, `conf`, `data/*.{jpg,png}`. */
// @ts-types="./picomatch.d.ts"
import picomatch from "picomatch";
import type { ManifestPart } from "../catalog/manifest.ts";
import { DuckbackError } from "../core/errors.ts";
import { isUtf8, printable } from "../core/paths.ts";

/** Hidden names are names like others; what begins with "!" is a name too. */
const OPTIONS = { dot: true, nonegate: true };

interface Pattern {
  /** As it was given. */
  text: string;
  /** Paths it stands for as it is, with all below them. */
  literal: string[];
  glob: { base: string; match: (path: string) => boolean } | null;
  found: boolean;
}

/** "./data/" as the archive names it: "data". Raises USAGE for a path that leads out. */
export function archivePath(text: string): string {
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new DuckbackError("USAGE", `Cannot take "${text}": a path in an archive has no ".."`, {
      hint: "`duckback ls ID` shows how the archive names it.",
    });
  }
  return parts.join("/");
}

/**
 * Each pattern takes what it names or matches, and all that lies below that. A name with characters
 * that mean something in a glob may be given as it is. Raises USAGE.
 */
export class Patterns {
  readonly #patterns: Pattern[];

  /** Without `globs` each text is a path and nothing else. */
  constructor(texts: readonly string[], { globs = true } = {}) {
    this.#patterns = texts.map((text) => globs ? compile(text) : asPath(text));
  }

  /** Parts of the archive that hold all that can match. */
  get parts(): ManifestPart[] {
    const paths = this.#patterns.flatMap(({ literal, glob }) => [
      ...literal,
      ...(glob ? [glob.base] : []),
    ]);
    const outermost = [...new Set(paths)].filter((path, _, all) =>
      !all.some((other) => other !== path && isBelow(path, other))
    );
    return outermost.map((path) => ({ path, take: "all" }));
  }

  /** Notes which patterns take `path`; true where one does. */
  take(path: string): boolean {
    let taken = false;
    for (const pattern of this.#patterns) {
      if (!matches(pattern, path)) continue;
      pattern.found = true;
      taken = true;
    }
    return taken;
  }

  matches(path: string): boolean {
    return this.#patterns.some((pattern) => matches(pattern, path));
  }

  /** Patterns that took nothing so far, as they were given. */
  get missed(): string[] {
    return this.#patterns.filter(({ found }) => !found).map(({ text }) => text);
  }
}

function asPath(text: string): Pattern {
  return { text, literal: [archivePath(text)], glob: null, found: false };
}

function compile(text: string): Pattern {
  const path = archivePath(text);
  const literal = [...new Set([path, path.replace(/\\(.)/g, "$1")])];
  const { base, isGlob } = picomatch.scan(path, OPTIONS);
  const glob = path !== "" && isGlob
    ? { base: plain(base), match: picomatch([path, `${path}/**`], OPTIONS) }
    : null;
  return { text, literal, glob, found: false };
}

/** A glob that entries are looked for with, and what a path must hold for it to match. */
export interface SearchGlob {
  match: (path: string) => boolean;
  /** Stretches without special characters. */
  contains: string[];
}

/** Null for a text that is no glob. */
export function searchGlob(text: string): SearchGlob | null {
  if (!picomatch.scan(text, OPTIONS).isGlob) return null;
  // What stands in brackets of any kind is one of several choices, or none.
  const outside = text.replace(/\\.|\[[^\]]*\]|\{.*\}|.\(.*\)/g, "*");
  const contains = outside.split(/[*?[\]{}()!+@|\\]+/).map((part) =>
    part.replace(/^\/+|\/+$/g, "")
  );
  return { match: picomatch([text], OPTIONS), contains: contains.filter((part) => part !== "") };
}

/** Directories at the start of a glob that need no matching. */
function plain(base: string): string {
  const parts = archivePath(base).split("/");
  const special = parts.findIndex((part) => /[\\*?[\]{}()!@+]/.test(part));
  return (special === -1 ? parts : parts.slice(0, special)).join("/");
}

function matches({ literal, glob }: Pattern, path: string): boolean {
  if (literal.some((name) => isBelow(path, name)) || glob?.match(path)) return true;
  if (isUtf8(path)) return false;
  const shown = printable(path);
  return literal.some((name) => isBelow(shown, name)) || (glob?.match(shown) ?? false);
}

/** True for `above` itself too; "" is above everything. */
export function isBelow(path: string, above: string): boolean {
  return above === "" || path === above ||
    (path.startsWith(above) && path[above.length] === "/");
}
