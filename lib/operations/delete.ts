/** `backup delete`: one backup goes, unless it is the last good one. */
import { DuckbackError } from "../core/errors.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { allBackups, findBackup, isRestorable, type ListedBackup } from "./list.ts";
import { removeBackups } from "./removal.ts";

/** Removes one backup with its archive. Raises NO_SUCH_BACKUP; REFUSED for the last good one. */
export async function deleteBackup(
  ctx: Context,
  id: number,
  options: { force: boolean },
): Promise<ListedBackup> {
  using _lock = await beginExclusive(ctx);
  const record = await findBackup(ctx, id);
  const all = await allBackups(ctx);
  const others = all.filter((other) => other.id !== id);
  if (!options.force) requireAnother(record, others);
  const action = { type: "delete", description: `delete backup ${id}`, params: { id } };
  return await audited(ctx, action, async () => {
    const { failures } = await removeBackups(ctx, [record], all);
    if (failures.length > 0) throw failures[0].error;
    return record;
  }, () => ({ message: `${record.backup_name} deleted` }));
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
