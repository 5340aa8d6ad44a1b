/** `backup pin` and `unpin`: a pinned backup is never pruned. */
import { writeSidecar } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import { type Context, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup, type ListedBackup } from "./list.ts";

/** Row and sidecar say so; doing it twice does no harm. Raises NO_SUCH_BACKUP, LOCKED. */
export async function setPinned(
  ctx: Context,
  id: number,
  pinned: boolean,
): Promise<ListedBackup> {
  using _lock = await beginExclusive(ctx);
  const before = await findBackup(ctx, id);
  const verb = pinned ? "pin" : "unpin";
  const action = { type: verb, description: `${verb} backup ${id}`, params: { id } };
  return await audited(ctx, action, async () => {
    const record = await withCatalog(ctx, (catalog) => catalog.backups.update(id, { pinned }));
    if (before.file_exists) writeSidecar(record);
    return { ...record, file_exists: before.file_exists };
  }, () => ({ message: `${before.backup_name} is ${pinned ? "" : "not "}pinned` }));
}
