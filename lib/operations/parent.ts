/** Which backup an incremental one is made against, and what that has. */
import type { BackupRecord, Selection, Source } from "../core/model.ts";
import type { Parent } from "../archive/archive_options.ts";
import { DuckbackError } from "../core/errors.ts";
import { manifestPath, parentRowsPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import type { BackupPlan } from "./backup_plan.ts";
import { chainOf } from "./chain.ts";
import type { Context } from "./context.ts";
import { isRestorable, listBackups, type ListedBackup } from "./list.ts";

/** What is to be backed up. */
export interface Wanted {
  stack: string;
  sources: Source[];
  selection: Selection;
}

/** The newest completed backup of the same sources; else why there is none, in half a sentence. */
export async function findParent(
  ctx: Context,
  wanted: Wanted,
): Promise<{ parent: BackupRecord; reason: null } | { parent: null; reason: string }> {
  const all = await listBackups({ ...ctx, stack: wanted.stack });
  // A rollback's safety copy is for the rollback's sake, and goes when that is forgotten.
  const whole = all.filter(({ backup_type, status, trigger }) =>
    status === "completed" && trigger !== "safety" && backup_type !== "DATA_ONLY"
  );
  const of = (reason: string) => ({ parent: null, reason });
  if (whole.length === 0) return of("there is no completed backup of this stack yet");
  const usable = whole.filter((backup) => isRestorable(backup) && isRecorded(backup));
  if (usable.length === 0) return of("no earlier backup is whole and says enough of its files");
  const same = usable.filter((backup) => isSame(backup, wanted));
  if (same.length === 0) return of("no earlier backup has the same sources and exclusions");
  return { parent: same[0], reason: null };
}

/** Backups of earlier versions, and copies from elsewhere, may lack what changes are told by. */
function isRecorded({ backup_path, backup_hash, backup_size, backup_metadata }: ListedBackup) {
  return backup_metadata?.selection !== undefined && backup_hash !== null &&
    backup_size !== null && exists(manifestPath(backup_path));
}

function isSame({ backup_metadata }: BackupRecord, { sources, selection }: Wanted): boolean {
  const key = (list: Source[]) =>
    JSON.stringify(
      list.map(({ kind, name, path, archive_path }) => [archive_path, kind, name, path]).sort(),
    );
  return key(backup_metadata!.sources) === key(sources) &&
    JSON.stringify(backup_metadata!.selection) === JSON.stringify(selection);
}

/** Writes out what the parent has of the plan's sources, for the archive's making. Raises DISK_FULL, IO. */
export async function openParent(ctx: Context, plan: BackupPlan): Promise<Parent | undefined> {
  if (plan.parent === null) return undefined;
  const { archives } = await chainOf(ctx, plan.parent);
  const rows_path = parentRowsPath(plan.path);
  const manifest = manifestPath(plan.parent.backup_path);
  const { exportRows, rowsAt } = await import("../catalog/manifest_parent.ts");
  if (await exportRows(manifest, plan.sources, rows_path, ctx.signal)) {
    const name = plan.parent.backup_name;
    return { name, archives, rows_path, entries: (rows) => rowsAt(manifest, rows) };
  }
  throw new DuckbackError(
    "IO",
    `Cannot build on backup ${plan.parent.id}: its manifest lacks columns`,
    {
      hint: "Make a full one: duckback backup create --kind full",
    },
  );
}
