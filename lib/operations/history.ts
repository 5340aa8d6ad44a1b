/** `history`: every version of one path that a backup has, and when it was not there. */
import type { UnreadManifest } from "../catalog/manifest_set.ts";
import { DuckbackError } from "../core/errors.ts";
import type { Context } from "./context.ts";
import { asArchived, backupsWithManifest, stackMeant, withManifests } from "./manifests.ts";
import { type Timeline, timelineOf } from "./timeline.ts";

export interface HistoryOutcome extends Timeline {
  stack: string;
  /** As archives name it. */
  path: string;
  /** Backups that were looked into. */
  searched: number;
  unread: UnreadManifest[];
}

/** Raises NO_SUCH_STACK, NO_SUCH_PATH, USAGE, IO, INTERRUPTED. */
export async function history(ctx: Context, path: string): Promise<HistoryOutcome> {
  const all = await backupsWithManifest(ctx);
  const stack = stackMeant(ctx, all);
  const records = all.filter((record) => record.stack === stack);
  const paths = asArchived(records, path);
  if (paths.length === 0) throw noSuchPath(path, stack, "no backup has a source that it lies in");
  return await withManifests(ctx, records, async (set) => {
    const { followPath } = await import("../catalog/entry_search.ts");
    const states = await followPath(set, paths);
    const read = new Set(set.used.map(({ backup_id }) => backup_id));
    const timeline = timelineOf(paths, records.filter(({ id }) => read.has(id)), states);
    if (timeline.versions.length === 0) {
      throw noSuchPath(path, stack, `none of ${read.size} backups has it`);
    }
    const { path: name } = timeline.versions.at(-1)!.state;
    return { stack, path: name, searched: read.size, unread: set.unread, ...timeline };
  });
}

function noSuchPath(path: string, stack: string, state: string): DuckbackError {
  return new DuckbackError(
    "NO_SUCH_PATH",
    `Cannot tell the history of "${path}" in stack "${stack}": ${state}`,
    { hint: "`duckback find NAME` looks for a name, `duckback find '*PART*'` for a part of one." },
  );
}
