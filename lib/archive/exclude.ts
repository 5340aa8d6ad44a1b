/** gitignore patterns: what of a source is left out. The only file that imports `ignore`. */
import ignore from "ignore";
import type { ExcludeRule, ScopedPatterns } from "../core/model.ts";

/**
 * Says whether to leave an entry out, given its path relative to its source and its archive path
 * (which inside the working directory is the path relative to that); "" for neither.
 */
export type Excluder = (inSource: string, inArchive: string, isDirectory: boolean) => boolean;

/** The library remembers every path it was asked about: a fresh one now and then bounds that. */
const ASKED_MOST = 50_000;

/** Null where there are no patterns, so that walks can skip the question. */
export function makeExcluder(rules: ExcludeRule[]): Excluder | null {
  const general = rules.filter((rule) => typeof rule === "string");
  const excluders = [
    ...(general.length > 0 ? [everywhere(general)] : []),
    ...rules.filter((rule) => typeof rule !== "string").map(within),
  ];
  if (excluders.length < 2) return excluders[0] ?? null;
  return (...entry) => excluders.some((excludes) => excludes(...entry));
}

function everywhere(patterns: string[]): Excluder {
  const ignores = matcher(patterns);
  return (inSource, inArchive, isDirectory) => {
    const slash = isDirectory ? "/" : "";
    if (inSource !== "" && ignores(inSource + slash)) return true;
    return inArchive !== "" && inArchive !== inSource && ignores(inArchive + slash);
  };
}

/** Never the place itself, only what lies in it. */
function within({ under, names, patterns }: ScopedPatterns): Excluder {
  const ignores = matcher(patterns);
  // "data" alone is a name at any depth; only "data/cache" can mean a place by its name.
  const anchored = patterns.filter((pattern) => pattern.replace(/\/$/, "").includes("/"));
  const ignoresNamed = matcher(anchored);
  const prefix = under === "." ? "" : `${under}/`;
  return (_inSource, inArchive, isDirectory) => {
    if (inArchive === "" || inArchive === "." || !inArchive.startsWith(prefix)) return false;
    const inside = inArchive.slice(prefix.length);
    if (inside === "") return false;
    const slash = isDirectory ? "/" : "";
    return ignores(inside + slash) ||
      anchored.length > 0 && names.some((name) => ignoresNamed(`${name}/${inside}${slash}`));
  };
}

function matcher(patterns: string[]): (path: string) => boolean {
  // Names like "..." are ordinary on Linux; the library takes them for paths out of the tree.
  const fresh = () => ignore({ ignorecase: false, allowRelativePaths: true }).add(patterns);
  let current = fresh();
  let asked = 0;
  return (path) => {
    if (++asked > ASKED_MOST) {
      current = fresh();
      asked = 0;
    }
    return current.ignores(path);
  };
}
