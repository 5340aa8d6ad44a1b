/** A source that cannot be backed up at all, in words for whoever asked for it. */
import { DuckbackError } from "../core/errors.ts";
import type { Source } from "../core/model.ts";
import { ENOENT, ENOTDIR } from "../posix/libc.ts";
import { describeErrno } from "../posix/posix_error.ts";

/** SOURCE_MISSING or SOURCE_UNREADABLE, for the errno that its top gave. */
export function sourceFailure(source: Source, errno: number): DuckbackError {
  const missing = errno === ENOENT || errno === ENOTDIR;
  return new DuckbackError(
    missing ? "SOURCE_MISSING" : "SOURCE_UNREADABLE",
    `Cannot back up "${source.path}": ${describeErrno(errno)}`,
    {
      hint: missing
        ? `It is a source because: ${source.origin}. Create it, or leave it out with --exclude.`
        : "Run as root, or let this user read it.",
      details: { source: source.name, path: source.path },
    },
  );
}
