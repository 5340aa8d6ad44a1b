/** `find`: which backups hold what matches a name, a glob, a size, a time or a hash. */
import type { FoundVersion, SearchCriteria } from "../catalog/entry_search.ts";
import type { UnreadManifest } from "../catalog/manifest_set.ts";
import { DuckbackError } from "../core/errors.ts";
import type { EntryType } from "../core/model.ts";
import type { Context } from "./context.ts";
import { findBackup } from "./list.ts";
import { asArchived, backupsWithManifest, hasManifest, withManifests } from "./manifests.ts";
import { searchGlob } from "./patterns.ts";

export interface FindRequest {
  /** A name or a path, either may be a glob; null for everything. */
  pattern: string | null;
  /** Bytes, both inclusive; files only. */
  size: { least?: number; most?: number } | null;
  /** Modified after, before: ISO 8601 UTC. */
  after: string | null;
  before: string | null;
  /** Hex, or its beginning. */
  sha256: string | null;
  types: EntryType[] | null;
  /** Only these backups. */
  backups: number[];
  /** Rows that are handed over; all are counted. */
  limit: number;
}

export interface FindOutcome {
  total: number;
  /** Manifests that were searched. */
  searched: number;
  unread: UnreadManifest[];
}

/**
 * Hands what matches to `take`, batch after batch, in the order of the paths. Raises NO_SUCH_BACKUP, USAGE,
 * IO, INTERRUPTED. Nothing found is no error.
 */
export async function find(
  ctx: Context,
  request: FindRequest,
  take: (rows: FoundVersion[]) => void,
): Promise<FindOutcome> {
  const records = await chosen(ctx, request.backups);
  const { criteria, match } = criteriaOf(request, (path) => asArchived(records, path));
  return await withManifests(ctx, records, async (set) => {
    const { searchEntries } = await import("../catalog/entry_search.ts");
    let total = 0;
    for await (const batch of searchEntries(set, criteria)) {
      const rows = batch.filter(({ path }) => match(path));
      if (total < request.limit) take(rows.slice(0, request.limit - total));
      total += rows.length;
    }
    return { total, searched: set.used.length, unread: set.unread };
  });
}

async function chosen(ctx: Context, ids: number[]) {
  if (ids.length === 0) return await backupsWithManifest(ctx);
  const records = [];
  for (const id of ids) {
    const record = await findBackup(ctx, id);
    if (!hasManifest(record)) {
      throw new DuckbackError(
        "ARCHIVE_MISSING",
        `Cannot search backup ${id}: it is ${record.status} and kept no manifest`,
        { hint: "`duckback backup list` shows which backups are complete." },
      );
    }
    records.push(record);
  }
  return records.sort((a, b) => a.created_at < b.created_at ? -1 : 1);
}

/** What DuckDB looks for, and what of it then counts: globs mean here what they mean everywhere else. */
export function criteriaOf(
  request: FindRequest,
  archived: (path: string) => string[],
): { criteria: SearchCriteria; match: (path: string) => boolean } {
  const criteria: SearchCriteria = {
    size: request.size ?? undefined,
    after: request.after === null ? undefined : Date.parse(request.after) / 1000,
    before: request.before === null ? undefined : Date.parse(request.before) / 1000,
    sha256: request.sha256?.toLowerCase(),
    types: request.types ?? undefined,
  };
  const any = () => true;
  if (request.pattern === null) return { criteria, match: any };
  const isPath = request.pattern.includes("/");
  const texts = isPath ? archived(request.pattern) : [request.pattern];
  const globs = texts.map(searchGlob);
  if (globs.every((glob) => glob === null)) {
    criteria[isPath ? "paths" : "names"] = texts.length > 0 ? texts : NOWHERE;
    return { criteria, match: any };
  }
  // One place in the archive is the rule; of several, what they need differs.
  if (globs.length === 1) criteria.contains = globs[0]!.contains;
  const name = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const literals = [...texts, ...texts.map((text) => text.replace(/\\(.)/g, "$1"))];
  const match = (path: string) => {
    const text = isPath ? path : name(path);
    return literals.includes(text) || globs.some((glob) => glob?.match(text));
  };
  return { criteria, match };
}

/** No entry has an empty path. */
const NOWHERE = [""];
