/**
 * Backups leave the home: the row first, so that no row ever speaks of a file that is gone; then archive
 * and sidecars. A journal knows them all from before the first row goes, so that a run that dies in
 * between leaves no file that nobody knows of.
 */
import { ancestorsOf } from "../core/chain.ts";
import { asDuckbackError, type DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import type { DoomedBackup } from "../repository/journal.ts";
import { readSidecar, removeArchive } from "../repository/sidecar.ts";
import { removeTraces } from "../repository/traces.ts";
import { type Context, note, openJournal, withCatalog } from "./context.ts";

export interface Removal {
  removed: BackupRecord[];
  /** Archives that could not be removed: their rows are back, and what they need stays with them. */
  failures: { record: BackupRecord; error: DuckbackError }[];
}

/**
 * Removes `doomed` in the order given, which must have what needs others before those; `all` are the
 * catalogue's rows, to tell whose a file is. The caller holds the lock. A signal ends it between two of
 * them. Raises CATALOG_WRITE, INTERRUPTED.
 */
export async function removeBackups(
  ctx: Context,
  doomed: BackupRecord[],
  all: BackupRecord[],
): Promise<Removal> {
  const removal: Removal = { removed: [], failures: [] };
  if (doomed.length === 0) return removal;
  const owners = new Set(doomed.filter((record) => ownsArchive(record, all)));
  const journal = openJournal(ctx, {
    kind: "removal",
    stack: doomed[0].stack,
    work_dir: ctx.work_dir,
    backup_id: null,
    doomed: [...owners].map(({ id, backup_name, backup_path }) => ({
      id,
      backup_name,
      archive: backup_path,
    })),
  });
  try {
    for (const record of doomed) {
      throwIfAborted(ctx.signal);
      if (isNeeded(record, removal, all)) continue;
      await withCatalog(ctx, (catalog) => catalog.backups.delete(record.id));
      try {
        if (owners.has(record)) removeFiles(record.backup_path);
        removal.removed.push(record);
      } catch (cause) {
        await withCatalog(ctx, (catalog) => catalog.backups.adopt(record));
        removal.failures.push({ record, error: asDuckbackError(cause) });
      }
    }
  } finally {
    journal.finish();
  }
  return removal;
}

/** True where what could not be removed needs it. */
function isNeeded({ id }: BackupRecord, { failures }: Removal, all: BackupRecord[]): boolean {
  return failures.some(({ record }) =>
    ancestorsOf(all, record.id).ancestors.some((ancestor) => ancestor.id === id)
  );
}

/** A run that failed left no archive: what has its path now belongs to somebody else. */
function ownsArchive(record: BackupRecord, all: BackupRecord[]): boolean {
  return record.backup_path !== "-" && record.backup_hash !== null &&
    all.every((other) =>
      other.id === record.id || other.backup_hash === null ||
      other.backup_path !== record.backup_path
    );
}

/** An archive with all that lies beside it. Raises NOT_WRITABLE, IO where the archive stays. */
export function removeFiles(archive: string): void {
  removeArchive(archive);
  removeTraces(archive);
}

/**
 * Ends what a run that died had begun: files whose row is gone are removed, all others stay. Returns the
 * names of what was removed. Never throws over a file: what cannot be removed gets its row back.
 */
export async function endRemoval(ctx: Context, doomed: DoomedBackup[]): Promise<string[]> {
  const removed: string[] = [];
  for (const { id, backup_name, archive } of doomed) {
    const row = await withCatalog(ctx, (catalog) => catalog.backups.findByName(backup_name));
    if (row?.id === id) continue;
    const record = readSidecar(archive);
    try {
      removeFiles(archive);
      removed.push(backup_name);
    } catch (cause) {
      note(ctx, `${asDuckbackError(cause).message}; it stays in the catalogue`, "warning");
      if (record) await withCatalog(ctx, (catalog) => catalog.backups.adopt(record));
    }
  }
  return removed;
}
