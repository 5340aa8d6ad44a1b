/** `backup delete`: one backup goes, unless it is the last good one or others need it. */
import { dependantsOf } from "../core/chain.ts";
import { DuckbackError } from "../core/errors.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { allBackups, findBackup, isRestorable, type ListedBackup } from "./list.ts";
import { removeBackups } from "./removal.ts";

export interface DeleteOptions {
  /** Even the only good one. */
  force: boolean;
  /** What depends on it as well. */
  cascade: boolean;
}

/**
 * Removes one backup with its archive. Returns what was removed, that one last. Raises NO_SUCH_BACKUP;
 * REFUSED for the last good one, and for one that incremental backups need, unless they go with it.
 */
export async function deleteBackup(
  ctx: Context,
  id: number,
  options: DeleteOptions,
): Promise<ListedBackup[]> {
  using _lock = await beginExclusive(ctx);
  const record = await findBackup(ctx, id);
  const all = await allBackups(ctx);
  const dependants = whoNeeds(all, id);
  if (dependants.length > 0 && !options.cascade) throw needed(record, dependants);
  // What is needed goes after what needs it: a crash in between leaves nothing without its base.
  const going = [...dependants.reverse(), record];
  const others = all.filter((other) => !going.some((one) => one.id === other.id));
  if (!options.force) requireAnother(record, others);
  const ids = going.map((one) => one.id);
  const action = {
    type: "delete",
    description: `delete backup ${ids.join(", ")}`,
    params: { ids },
  };
  return await audited(ctx, action, async () => {
    const { failures } = await removeBackups(ctx, going, all);
    if (failures.length > 0) throw failures[0].error;
    return going;
  }, () => ({ message: `${going.map((one) => one.backup_name).join(", ")} deleted` }));
}

/** Backups that need `id`, nearest first; runs that failed and left nothing need nothing. */
export function whoNeeds(all: readonly ListedBackup[], id: number): ListedBackup[] {
  return dependantsOf(all, id).filter(({ status, file_exists }) =>
    status !== "failed" || file_exists
  );
}

function needed({ id }: ListedBackup, dependants: ListedBackup[]): DuckbackError {
  const names = dependants.map((one) => one.id).sort((a, b) => a - b);
  const list = names.length === 1 ? `backup ${names[0]} needs` : `backups ${names.join(", ")} need`;
  return new DuckbackError("REFUSED", `Cannot delete backup ${id}: ${list} it`, {
    hint: "Add --cascade to delete what needs it too.",
    details: { needed_by: names },
  });
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
