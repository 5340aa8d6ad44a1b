/** `backup delete`: the row goes first, so that no row ever speaks of a file that is gone. */
import { DuckbackError } from "../core/errors.ts";
import { removeArchive } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup, isRestorable, listBackups, type ListedBackup } from "./list.ts";

/** Removes one backup with its archive. Raises NO_SUCH_BACKUP; REFUSED for the last good one. */
export async function deleteBackup(
  ctx: Context,
  id: number,
  options: { force: boolean },
): Promise<ListedBackup> {
  using _lock = await beginExclusive(ctx);
  const record = await findBackup(ctx, id);
  const all = await listBackups({ ...ctx, stack: null });
  const others = all.filter((other) => other.id !== id);
  if (!options.force) requireAnother(record, others);
  const action = { type: "delete", description: `delete backup ${id}`, params: { id } };
  return await audited(ctx, action, async () => {
    await withCatalog(ctx, (catalog) => catalog.backups.delete(id));
    if (ownsArchive(record, others)) removeArchive(record.backup_path);
    return record;
  }, () => ({ message: `${record.backup_name} deleted` }));
}

/** A run that failed left no archive: what has its path now belongs to somebody else. */
function ownsArchive(record: ListedBackup, others: ListedBackup[]): boolean {
  return record.backup_path !== "-" && record.backup_hash !== null &&
    others.every((other) => other.backup_hash === null || other.backup_path !== record.backup_path);
}

function requireAnother(record: ListedBackup, others: ListedBackup[]) {
  if (!isRestorable(record)) return;
  if (others.some((other) => other.stack === record.stack && isRestorable(other))) return;
  throw new DuckbackError(
    "REFUSED",
    `Cannot delete backup ${record.id}: it is the only good one of stack "${record.stack}"`,
    { hint: "Make another one first, or add --force." },
  );
}
