/** `query`: SQL of the user's over what the catalogue and the manifests tell, which changes nothing. */
import type { GuardedQuery, QueryColumn } from "../catalog/guarded_query.ts";
import type { UnreadManifest } from "../catalog/manifest_set.ts";
import { DuckbackError } from "../core/errors.ts";
import { exists, PendingArchive } from "../repository/pending_archive.ts";
import type { Context } from "./context.ts";
import { withCatalog } from "./context.ts";
import { listBackups } from "./list.ts";
import { hasManifest, withManifests } from "./manifests.ts";

/** What takes the rows: one of these is called, once for each batch. */
export interface QuerySink {
  form: "json" | "text";
  /** Before the first row; there may be none. */
  begin(columns: QueryColumn[]): void;
  json?(rows: string[]): void;
  text?(rows: (string | null)[][]): void;
}

export interface QueryOutcome {
  columns: QueryColumn[];
  rows: number;
  unread: UnreadManifest[];
}

/**
 * Runs one SELECT over the views; rows go to `sink`. Manifests that are missing or broken are left out.
 * Raises USAGE for a query that is wrong or does more than read, IO, INTERRUPTED.
 */
export async function query(ctx: Context, sql: string, sink: QuerySink): Promise<QueryOutcome> {
  return await guarded(ctx, sql, null, async (run, columns) => {
    sink.begin(columns);
    let rows = 0;
    const batches = sink.form === "json" ? run.json(columns) : run.texts();
    for await (const batch of batches) {
      rows += batch.length;
      if (sink.form === "json") sink.json!(batch as string[]);
      else sink.text!(batch as (string | null)[][]);
    }
    return rows;
  });
}

/** The same into a Parquet file (0600), which must not be there yet. Raises REFUSED, DISK_FULL too. */
export async function queryToParquet(
  ctx: Context,
  sql: string,
  path: string,
): Promise<QueryOutcome> {
  if (exists(path)) {
    throw new DuckbackError("REFUSED", `Cannot write "${path}": it exists already`, {
      hint: "Nothing is overwritten: choose another name.",
    });
  }
  using file = PendingArchive.create(path);
  const found = await guarded(ctx, sql, file.partial, (run) => run.writeParquet(file.partial));
  file.finish();
  return found;
}

async function guarded(
  ctx: Context,
  sql: string,
  output: string | null,
  use: (run: GuardedQuery, columns: QueryColumn[]) => Promise<number>,
): Promise<QueryOutcome> {
  // Of all stacks: the query itself can choose. The catalogue is closed again before it begins.
  const backups = (await listBackups({ ...ctx, stack: null })).reverse();
  const actions = await withCatalog(ctx, (catalog) => catalog.actions.list());
  return await withManifests(ctx, backups.filter(hasManifest), async (set) => {
    const { makeViews } = await import("../catalog/views.ts");
    const { GuardedQuery } = await import("../catalog/guarded_query.ts");
    await makeViews(set.db, backups, actions.reverse());
    const run = await GuardedQuery.prepare(set, sql, output);
    const columns = await run.columns();
    return { columns, rows: await use(run, columns), unread: set.unread };
  });
}
