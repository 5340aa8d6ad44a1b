/** The path of an entry as an untrusted archive has it: clean and relative, or refused. */

/** What is wrong with a path, in words that follow the archive's name. */
export class PathError extends Error {
  override readonly name = "PathError";
}

/** The path without leading "./" and final "/". Throws PathError where it is absolute or leads upwards. */
export function cleanPath(raw: string): string {
  if (raw === "." || raw === "./") return ".";
  if (isClean(raw)) return raw;
  if (raw.startsWith("/")) throw new PathError("a path is absolute");
  if (raw.includes("\0")) throw new PathError("a path holds a NUL");
  const path = raw.replace(/^(\.\/)+/, "").replace(/\/$/, "");
  for (const part of path.split("/")) {
    if (part === "") throw new PathError("a path has an empty part");
    if (part === "." || part === "..") throw new PathError(`a path has a part "${part}"`);
  }
  return path;
}

const SLASH = 0x2f;
const DOT = 0x2e;

/** True where nothing is to be taken off a path and nothing is wrong with it: as almost always. */
function isClean(path: string): boolean {
  let begin = 0;
  for (let i = 0; i <= path.length; i++) {
    const code = i < path.length ? path.charCodeAt(i) : SLASH;
    if (code === 0) return false;
    if (code !== SLASH) continue;
    const length = i - begin;
    if (length === 0) return false;
    if (length <= 2 && path.charCodeAt(begin) === DOT && path.charCodeAt(i - 1) === DOT) {
      return false;
    }
    begin = i + 1;
  }
  return true;
}
