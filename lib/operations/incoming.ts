/** The entries of a backup that a rollback would bring in, and where each would lie. */
import { list } from "../archive/list.ts";
import { throwIfAborted } from "../core/errors.ts";
import type { BackupRecord, ManifestEntry } from "../core/model.ts";
import { manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import type { Context } from "./context.ts";
import { requireManifest } from "./extract_backup.ts";
import type { RollbackTarget } from "./rollback_plan.ts";

/**
 * Visits them in the archive's order, `n` being the target's place in `targets`. From the manifest;
 * where that is missing, the archive is read through. Raises ARCHIVE_CORRUPT, IO, INTERRUPTED.
 */
export async function visitIncoming(
  ctx: Context,
  record: BackupRecord,
  targets: RollbackTarget[],
  visit: (entry: ManifestEntry, live: string, n: number) => void,
): Promise<void> {
  const places = targets.map(({ source, live }) => ({
    top: source.archive_path,
    prefix: source.archive_path === "." ? "" : `${source.archive_path}/`,
    live,
  }));
  let last = 0;
  const place = (entry: ManifestEntry, n: number): boolean => {
    const { top, prefix, live } = places[n];
    if (entry.path === top) visit(entry, live, n);
    else if (entry.path.startsWith(prefix)) {
      visit(entry, `${live}/${entry.path.slice(prefix.length)}`, n);
    } else return false;
    last = n;
    return true;
  };
  for await (const batch of batchesOf(ctx, record)) {
    throwIfAborted(ctx.signal);
    for (const entry of batch) {
      // Entries of one source follow one another.
      if (place(entry, last)) continue;
      for (let n = 0; n < places.length && !(n !== last && place(entry, n)); n++);
    }
  }
}

async function* batchesOf(ctx: Context, record: BackupRecord): AsyncGenerator<ManifestEntry[]> {
  const incremental = record.backup_type === "INCREMENTAL";
  const manifest = incremental
    ? requireManifest(record.backup_path)
    : manifestPath(record.backup_path);
  if (exists(manifest)) {
    const { readManifest } = await import("../catalog/manifest.ts");
    yield* readManifest(manifest);
    return;
  }
  for await (const entry of list(record.backup_path, { signal: ctx.signal })) yield [entry];
}
