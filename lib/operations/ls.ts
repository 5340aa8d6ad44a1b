/** `ls`: what a backup holds, one level of it or all below a path. */
import type { ManifestEntry } from "../core/model.ts";
import type { Context } from "./context.ts";
import { type Entries, entryAt, findEntries, noSuchPath, rowsOf } from "./entries.ts";
import { archivePath } from "./patterns.ts";
import { requireReadable } from "./usable.ts";

export interface LsRequest {
  /** A backup's id, or the path of an archive. */
  from: number | string;
  path: string;
  recursive: boolean;
}

/** An entry; or a directory that the archive has no entry for: "volumes", where "volumes/x" is a source. */
export type LsRow = ManifestEntry | { path: string; type: "directory"; implied: true };

export interface LsOutcome {
  archive: string;
  backup_id: number | null;
  path: string;
  /** In the archive's order, in batches of a few thousand at most. */
  rows: AsyncGenerator<LsRow[]>;
}

/** Raises NO_SUCH_BACKUP, NO_SUCH_PATH, ARCHIVE_MISSING; while rows are read ARCHIVE_CORRUPT, IO, INTERRUPTED. */
export async function ls(ctx: Context, request: LsRequest): Promise<LsOutcome> {
  const path = archivePath(request.path);
  // What a damaged archive held may be looked at.
  const entries = await findEntries(ctx, request.from, requireReadable);
  const self = path === "" ? null : await entryAt(ctx, entries, path);
  const rows = self !== null && self.type !== "directory"
    ? one(self)
    : below(ctx, entries, path, request.recursive);
  // The first batch now: what is wrong is told before anything is put out.
  const first = await rows.next();
  if (path !== "" && self === null && (first.done || first.value.length === 0)) {
    throw noSuchPath([request.path], request.from);
  }
  return {
    archive: entries.archive,
    backup_id: entries.record?.id ?? null,
    path,
    rows: following(first, rows),
  };
}

async function* one(row: ManifestEntry): AsyncGenerator<LsRow[]> {
  yield [row];
}

async function* following(
  first: IteratorResult<LsRow[], void>,
  rest: AsyncGenerator<LsRow[]>,
): AsyncGenerator<LsRow[]> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

async function* below(
  ctx: Context,
  entries: Entries,
  path: string,
  recursive: boolean,
): AsyncGenerator<LsRow[]> {
  if (recursive) {
    for await (const batch of rowsOf(ctx, entries, [{ path, take: "all" }])) {
      const rows = batch.filter((row) => row.path !== path && row.path !== ".");
      if (rows.length > 0) yield rows;
    }
    return;
  }
  if (entries.manifest === null) return yield* levelFromHeaders(ctx, entries, path);
  const { impliedDirectories } = await import("../catalog/manifest.ts");
  const implied = await impliedDirectories(entries.manifest, path);
  if (implied.length > 0) yield implied.map(asImplied);
  for await (const batch of rowsOf(ctx, entries, [{ path, take: "children" }])) {
    if (batch.length > 0) yield batch;
  }
}

/** Without a manifest: one reading of the archive for both kinds of rows. */
async function* levelFromHeaders(
  ctx: Context,
  entries: Entries,
  path: string,
): AsyncGenerator<LsRow[]> {
  const depth = path === "" ? 1 : path.split("/").length + 1;
  const known = new Set<string>();
  const deep = new Set<string>();
  for await (const batch of rowsOf(ctx, entries, [{ path, take: "all" }])) {
    const rows: LsRow[] = [];
    for (const row of batch) {
      if (row.path === path || row.path === ".") continue;
      const parts = row.path.split("/");
      if (parts.length > depth) deep.add(parts.slice(0, depth).join("/"));
      else rows.push(row);
      if (parts.length === depth && row.type === "directory") known.add(row.path);
    }
    if (rows.length > 0) yield rows;
  }
  const implied = [...deep].filter((name) => !known.has(name));
  if (implied.length > 0) yield implied.map(asImplied);
}

function asImplied(path: string): LsRow {
  return { path, type: "directory", implied: true };
}
