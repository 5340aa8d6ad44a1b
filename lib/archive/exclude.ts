/** gitignore patterns: what of a source is left out. The only file that imports `ignore`. */
import ignore from "ignore";

/**
 * Says whether to leave an entry out, given its path relative to its source and its archive path
 * (which inside the working directory is the path relative to that); "" for neither.
 */
export type Excluder = (inSource: string, inArchive: string, isDirectory: boolean) => boolean;

/** The library remembers every path it was asked about: a fresh one now and then bounds that. */
const ASKED_MOST = 50_000;

/** Null where there are no patterns, so that walks can skip the question. */
export function makeExcluder(patterns: string[]): Excluder | null {
  if (patterns.length === 0) return null;
  // Names like "..." are ordinary on Linux; the library takes them for paths out of the tree.
  const fresh = () => ignore({ ignorecase: false, allowRelativePaths: true }).add(patterns);
  let matcher = fresh();
  let asked = 0;
  return (inSource, inArchive, isDirectory) => {
    if (++asked > ASKED_MOST) {
      matcher = fresh();
      asked = 0;
    }
    const slash = isDirectory ? "/" : "";
    if (inSource !== "" && matcher.ignores(inSource + slash)) return true;
    return inArchive !== "" && inArchive !== inSource && matcher.ignores(inArchive + slash);
  };
}
