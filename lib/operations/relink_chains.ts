/** Chains are known by names, rows by ids: a catalogue that is made anew may give a backup another id. */
import { asDuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import { writeSidecar } from "../repository/sidecar.ts";
import { type Context, note, withCatalog } from "./context.ts";

/**
 * Gives every incremental backup the id of the one that it was made against, or null where the catalogue
 * does not have that; in the row and, where it can be written, in the record beside the archive. Raises
 * CATALOG_WRITE.
 */
export async function relinkChains(ctx: Context): Promise<void> {
  const changed = await withCatalog(ctx, async ({ backups }) => {
    const all = await backups.list({});
    const wrong = misled(all);
    const rows: BackupRecord[] = [];
    for (const { id, parent_id } of wrong) rows.push(await backups.update(id, { parent_id }));
    return rows;
  });
  for (const row of changed) {
    if (!exists(row.backup_path)) continue;
    try {
      writeSidecar(row);
    } catch (cause) {
      note(ctx, `${asDuckbackError(cause).message}: it is not up to date`, "warning");
    }
  }
}

/** Rows whose parent is another one than they say, with the right one. Pure. */
export function misled(
  all: readonly BackupRecord[],
): { id: number; parent_id: number | null }[] {
  const ids = new Map(all.map(({ backup_name, id }) => [backup_name, id]));
  return all.flatMap(({ id, parent_id, backup_type, backup_metadata }) => {
    const last = backup_metadata?.chain?.at(-1);
    if (backup_type !== "INCREMENTAL" || last === undefined) return [];
    const right = ids.get(last.backup_name) ?? null;
    return right === parent_id ? [] : [{ id, parent_id: right }];
  });
}
