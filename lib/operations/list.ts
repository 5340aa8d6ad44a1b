/** Questions to the catalogue: which backups are there, and what is one of them. */
import { DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { lockHolder } from "../repository/lock.ts";
import { exists } from "../repository/pending_archive.ts";
import { readSidecar } from "../repository/sidecar.ts";
import { chainProblem } from "./chain.ts";
import type { Context } from "./context.ts";
import { withCatalog } from "./context.ts";

/** A record and whether its archive is on disk now. */
export type ListedBackup = BackupRecord & {
  file_exists: boolean;
  /** Of an incremental backup: what is wrong with one that it needs; missing where nothing is. */
  chain_problem?: string;
  /** Still `running` in the catalogue, but no run goes on in this home: `recover` settles it. */
  died?: true;
};

/** All backups of `--stack` (or of all stacks), newest first. */
export async function listBackups(ctx: Context): Promise<ListedBackup[]> {
  return await listOf(ctx, ctx.stack === null ? {} : { stack: ctx.stack });
}

async function listOf(ctx: Context, filter: { stack?: string }): Promise<ListedBackup[]> {
  const idle = isIdle(ctx);
  const records = await withCatalog(ctx, (catalog) => catalog.backups.list(filter));
  return markDead(ctx, idle, withChains(records));
}

function isIdle(ctx: Context): boolean {
  return lockHolder(ctx.home.lock) === null;
}

/** `idle` is from before the records were read: a run may have begun or ended since. */
function markDead(ctx: Context, idle: boolean, listed: ListedBackup[]): ListedBackup[] {
  if (!idle || !listed.some(({ status }) => status === "running") || !isIdle(ctx)) return listed;
  return listed.map((one) => one.status === "running" ? { ...one, died: true } : one);
}

/** `records` are all of their stacks. */
export function withChains(records: BackupRecord[]): ListedBackup[] {
  const listed = records.map(asListed);
  return listed.map((backup) => {
    const chain_problem = chainProblem(backup, listed);
    return chain_problem === null ? backup : { ...backup, chain_problem };
  });
}

/** All backups of all stacks, newest first. */
export async function allBackups(ctx: Context): Promise<ListedBackup[]> {
  return await listOf(ctx, {});
}

/** One backup; raises NO_SUCH_BACKUP. */
export async function findBackup(ctx: Context, id: number): Promise<ListedBackup> {
  const idle = isIdle(ctx);
  const record = await withCatalog(ctx, (catalog) => catalog.backups.get(id));
  if (!record) {
    throw new DuckbackError(
      "NO_SUCH_BACKUP",
      `Cannot find backup ${id}: the catalogue has none of that id`,
      {
        hint: "`duckback backup list` shows them all.",
      },
    );
  }
  if (record.backup_type !== "INCREMENTAL") return markDead(ctx, idle, [asListed(record)])[0];
  return (await listOf(ctx, { stack: record.stack })).find((other) => other.id === id)!;
}

/** A row still `running` whose archive and sidecar are complete is shown as what it has become. */
function asListed(record: BackupRecord): ListedBackup {
  const file_exists = record.backup_path !== "-" && canSee(record.backup_path);
  if (record.status === "running" && file_exists) {
    const settled = readSidecar(record.backup_path);
    if (settled?.id === record.id) return { ...settled, file_exists };
  }
  return { ...record, file_exists };
}

/** False too where one may not look (a dead mount, another user's directory): the list goes on. */
export function canSee(path: string): boolean {
  try {
    return exists(path);
  } catch {
    return false;
  }
}

/** True where a backup can be restored from: it ended well enough and its archive is there and sound. */
export function isRestorable(record: ListedBackup): boolean {
  return (record.status === "completed" || record.status === "partial") &&
    record.file_exists && record.verify_status !== "failed" && record.chain_problem === undefined;
}
