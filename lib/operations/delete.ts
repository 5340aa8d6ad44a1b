/** `backup delete`: the row goes first, so that no row ever speaks of a file that is gone. */
import { DuckbackError } from "../core/errors.ts";
import { removeArchive } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup, isRestorable, type ListedBackup } from "./list.ts";

/** Removes one backup with its archive. Raises NO_SUCH_BACKUP; REFUSED for the last good one. */
export async function deleteBackup(
  ctx: Context,
  id: number,
  options: { force: boolean },
): Promise<ListedBackup> {
  using _lock = await beginExclusive(ctx);
  const record = await findBackup(ctx, id);
  if (!options.force) await requireAnother(ctx, record);
  const action = { type: "delete", description: `delete backup ${id}`, params: { id } };
  return await audited(ctx, action, async () => {
    await withCatalog(ctx, (catalog) => catalog.backups.delete(id));
    if (record.backup_path !== "-") removeArchive(record.backup_path);
    return record;
  }, () => ({ message: `${record.backup_name} deleted` }));
}

async function requireAnother(ctx: Context, record: ListedBackup) {
  if (!isRestorable(record)) return;
  const all = await withCatalog(ctx, (catalog) => catalog.backups.list({ stack: record.stack }));
  const others = all.filter((other) =>
    other.id !== record.id && (other.status === "completed" || other.status === "partial")
  );
  if (others.length > 0) return;
  throw new DuckbackError(
    "REFUSED",
    `Cannot delete backup ${record.id}: it is the only good one of stack "${record.stack}"`,
    { hint: "Make another one first, or add --force." },
  );
}
