/** Opens the manifests of many backups for one question; archives may be offline or gone. */
import type { DatabaseOptions } from "../catalog/duckdb.ts";
import type { ManifestSet, UnreadManifest } from "../catalog/manifest_set.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { count } from "../core/units.ts";
import { manifestPath } from "../repository/naming.ts";
import { openScratch } from "../repository/scratch.ts";
import { registeredStacks } from "../repository/stack_registry.ts";
import type { Context } from "./context.ts";
import { note } from "./context.ts";
import { listBackups, type ListedBackup } from "./list.ts";
import { isBelow } from "./patterns.ts";

/** True where a backup ended well enough to have a manifest beside its archive. */
export function hasManifest(record: BackupRecord): boolean {
  return (record.status === "completed" || record.status === "partial") &&
    record.backup_path !== "-";
}

/** The backups that have a manifest, oldest first; of `--stack`, else of all stacks. */
export async function backupsWithManifest(ctx: Context): Promise<ListedBackup[]> {
  return (await listBackups(ctx)).filter(hasManifest).reverse();
}

/**
 * Lets `use` put questions to the manifests of `records`, oldest first. Manifests that are missing or
 * broken are left out, with a note each time; `use` finds them in the set.
 */
export async function withManifests<T>(
  ctx: Context,
  records: readonly BackupRecord[],
  use: (set: ManifestSet) => Promise<T>,
  limits: Pick<DatabaseOptions, "memory_limit" | "threads"> = {},
): Promise<T> {
  const { ManifestSet } = await import("../catalog/manifest_set.ts");
  using scratch = openScratch(ctx.home);
  await using set = await ManifestSet.open(
    records.map(({ id, stack, backup_path }) => ({
      backup_id: id,
      stack,
      path: manifestPath(backup_path),
    })),
    { ...limits, temp_directory: scratch.path, signal: ctx.signal },
  );
  try {
    return await use(set);
  } finally {
    noteUnread(ctx, set.unread);
  }
}

/** Manifests that are named one by one. */
const NAMED = 5;

function noteUnread(ctx: Context, unread: readonly UnreadManifest[]) {
  for (const { backup_id, path, reason } of unread.slice(0, NAMED)) {
    note(ctx, `Backup ${backup_id} is left out: its manifest "${path}": ${reason}`, "warning");
  }
  const more = unread.length - NAMED;
  if (more > 0) {
    note(ctx, `${count(more, "more backup")} left out for the same reasons.`, "warning");
  }
}

/**
 * The stack that a question about one stack means: `--stack`, the only one there is, or the one that is
 * registered for the working directory. Raises NO_SUCH_STACK, USAGE.
 */
export function stackMeant(ctx: Context, records: readonly BackupRecord[]): string {
  const stacks = [...new Set(records.map(({ stack }) => stack))].sort();
  if (ctx.stack !== null || stacks.length === 0) {
    if (ctx.stack !== null && stacks.includes(ctx.stack)) return ctx.stack;
    const which = ctx.stack === null ? "there is no backup" : `stack "${ctx.stack}" has no backup`;
    throw new DuckbackError("NO_SUCH_STACK", `Cannot look into backups: ${which} with a manifest`, {
      hint: "`duckback backup list` shows the backups there are.",
    });
  }
  if (stacks.length === 1) return stacks[0];
  const here = registeredStacks(ctx.home).find(({ work_dir }) => work_dir === ctx.work_dir);
  if (here && stacks.includes(here.name)) return here.name;
  throw new DuckbackError("USAGE", `Cannot tell which stack is meant: ${stacks.join(", ")}`, {
    hint: "Give --stack NAME.",
  });
}

/**
 * A path as archives name it. One that begins with a slash is a place on this host: each backup says
 * where in its archive that lies, so there may be several, or none.
 */
export function asArchived(records: readonly BackupRecord[], path: string): string[] {
  if (!path.startsWith("/")) return [trimmed(path)];
  const clean = `/${trimmed(path)}`;
  const found = records.flatMap(({ backup_metadata }) =>
    (backup_metadata?.sources ?? []).flatMap((source) => {
      if (!isBelow(clean, source.path)) return [];
      const rest = clean.slice(source.path.length + 1);
      if (rest === "") return [source.archive_path];
      return [source.archive_path === "." ? rest : `${source.archive_path}/${rest}`];
    })
  );
  return [...new Set(found)];
}

/** "./data//a/" is "data/a"; "." stays, as the working directory's own entry. */
function trimmed(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new DuckbackError("USAGE", `Cannot take "${path}": a path in an archive has no ".."`);
  }
  return parts.join("/") || ".";
}
