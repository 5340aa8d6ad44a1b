/** `diff`: what differs between two backups, or between a backup and the stack as it is now. */
import type { DiffRow, DiffTotal, DirectoryTotal } from "../catalog/tree_diff.ts";
import { DuckbackError } from "../core/errors.ts";
import type { Context } from "./context.ts";
import { findBackup, type ListedBackup } from "./list.ts";
import { liveManifest } from "./live_manifest.ts";
import { hasManifest, withManifests } from "./manifests.ts";

/** A backup's id, or the stack as it is now. */
export type DiffSide = number | "live";

export interface DiffRequest {
  from: DiffSide;
  to: DiffSide;
  /** Names of a directory's path that totals are told by. */
  depth: number;
  /** Rows that are handed over; all are counted. */
  limit: number;
}

export interface DiffOutcome {
  from: DiffSide;
  to: DiffSide;
  totals: Record<DiffTotal["change"], { entries: number; bytes: number }>;
  directories: DirectoryTotal[];
  /** Differences, handed over or not. */
  total: number;
  notes: string[];
}

/** Takes the differences, batch after batch, in the order of the paths. */
export type TakeRows = (rows: DiffRow[]) => void;

/** Raises NO_SUCH_BACKUP, ARCHIVE_MISSING where a manifest is not there, USAGE, IO, INTERRUPTED. */
export async function diff(
  ctx: Context,
  request: DiffRequest,
  take: TakeRows,
): Promise<DiffOutcome> {
  const { from, to } = request;
  if (from === "live" && to === "live") {
    throw new DuckbackError("USAGE", `Cannot compare "live" with itself`, {
      hint: "Give the id of a backup: duckback diff 12 live",
    });
  }
  const known = from === "live" ? null : await backupOf(ctx, from);
  const other = to === "live" ? null : await backupOf(ctx, to);
  if (known !== null && other !== null) {
    return await compare(ctx, request, [known, other], null, take);
  }
  using live = await liveManifest(ctx, (known ?? other)!);
  return await compare(ctx, request, [known ?? live.record, other ?? live.record], live, take);
}

async function backupOf(ctx: Context, id: number): Promise<ListedBackup> {
  const record = await findBackup(ctx, id);
  if (hasManifest(record)) return record;
  throw new DuckbackError(
    "ARCHIVE_MISSING",
    `Cannot compare backup ${id}: it is ${record.status} and kept no manifest`,
    { hint: "`duckback backup list` shows which backups are complete." },
  );
}

async function compare(
  ctx: Context,
  { from, to, depth, limit }: DiffRequest,
  records: ListedBackup[],
  live: { tops: string[]; notes: string[] } | null,
  take: TakeRows,
): Promise<DiffOutcome> {
  return await withManifests(ctx, records, async (set) => {
    if (set.unread.length > 0) throw unreadable(set.unread[0]);
    const { TreeDiff } = await import("../catalog/tree_diff.ts");
    const scope = { live: live !== null, within: live?.tops ?? null };
    const difference = await TreeDiff.between(set, scope);
    if (set.unread.length > 0) throw unreadable(set.unread[0]);
    let total = 0;
    for await (const batch of difference.rows()) {
      if (total < limit) take(batch.slice(0, limit - total));
      total += batch.length;
    }
    const none = () => ({ entries: 0, bytes: 0 });
    const totals: DiffOutcome["totals"] = {
      ...{ added: none(), removed: none(), changed: none(), renamed: none(), same: none() },
    };
    for (const { change, entries, bytes } of await difference.totals()) {
      totals[change] = { entries, bytes };
    }
    const directories = await difference.directories(depth);
    return { from, to, totals, directories, total, notes: live?.notes ?? [] };
  });
}

function unreadable(
  { backup_id, path, reason }: { backup_id: number; path: string; reason: string },
) {
  return new DuckbackError(
    "ARCHIVE_MISSING",
    `Cannot compare backup ${backup_id}: its manifest "${path}" cannot be read: ${reason}`,
    { hint: "Manifests lie beside their archives. Is the backup directory mounted?" },
  );
}
