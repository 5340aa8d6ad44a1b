/** `backup acknowledge`: somebody has looked, and what was suspicious about a backup is none. */
import { DuckbackError } from "../core/errors.ts";
import { exists } from "../repository/pending_archive.ts";
import { writeSidecar } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup, type ListedBackup } from "./list.ts";

/** Once more does no harm. Raises NO_SUCH_BACKUP; REFUSED where nothing was suspicious. */
export async function acknowledge(ctx: Context, id: number): Promise<ListedBackup> {
  using _lock = await beginExclusive(ctx);
  const record = await findBackup(ctx, id);
  if (record.suspicion === null) {
    throw new DuckbackError(
      "REFUSED",
      `Cannot acknowledge backup ${id}: nothing about it is suspicious`,
      { hint: "`duckback status` names the backups that are." },
    );
  }
  if (record.suspicion_cleared_at !== null) return record;
  const codes = record.suspicion.map(({ code }) => code).join(", ");
  const action = {
    type: "acknowledge",
    description: `acknowledge backup ${id}`,
    params: { id, suspicion: codes },
  };
  return await audited(ctx, action, async () => {
    const cleared = { suspicion_cleared_at: ctx.now().toISOString() };
    await withCatalog(ctx, (catalog) => catalog.backups.update(id, cleared));
    if (exists(record.backup_path)) writeSidecar({ ...record, ...cleared });
    return { ...record, ...cleared };
  }, () => ({ message: `${record.backup_name}: ${codes} acknowledged` }));
}
