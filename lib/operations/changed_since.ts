/** What changed between each backup and the newest one of its kind, as far as the records tell it cheaply. */
import type { BackupRecord } from "../core/model.ts";
import { manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import type { Context } from "./context.ts";
import { isRestorable, type ListedBackup } from "./list.ts";

export interface ChangedSince {
  /** The backup that was compared with: the newest good one of the same stack and type. */
  newest_id: number;
  compose_files: boolean;
  /** Services that run another image in the newest. */
  images: string[];
  /** Files that differ; null where that was not looked at. */
  files: number | null;
  bytes: number | null;
}

/** Nobody waits longer than this for a list. */
const PATIENCE_MS = 1500;

/** By id; backups that cannot be restored, and the newest themselves, are left out. Never fails. */
export async function changedSince(
  ctx: Context,
  backups: ListedBackup[],
): Promise<Map<number, ChangedSince>> {
  const found = new Map<number, ChangedSince>();
  const end = performance.now() + PATIENCE_MS;
  const good = backups.filter(isRestorable);
  const { ManifestDiff } = await import("../catalog/manifest_diff.ts");
  await using diff = await ManifestDiff.open(`${ctx.home.dir}/manifest-diff.tmp`);
  for (const backup of good) {
    const newest = good.find((one) =>
      one.stack === backup.stack && one.backup_type === backup.backup_type
    )!;
    if (newest === backup) continue;
    const paths = [backup, newest].map((one) => manifestPath(one.backup_path));
    let files: { entries: number; bytes: number } | null = null;
    if (performance.now() < end && paths.every(exists)) {
      files = await diff.between(paths[0], paths[1]).catch(() => null);
    }
    found.set(backup.id, {
      newest_id: newest.id,
      compose_files: hash(backup) !== hash(newest),
      images: otherImages(backup, newest),
      files: files?.entries ?? null,
      bytes: files?.bytes ?? null,
    });
  }
  return found;
}

function hash(backup: BackupRecord): string | null {
  return backup.backup_metadata?.compose_hash ?? null;
}

function otherImages(then: BackupRecord, now: BackupRecord): string[] {
  const images = new Map(
    (now.backup_metadata?.services ?? []).map(({ service, image_id }) => [service, image_id]),
  );
  const other = (then.backup_metadata?.services ?? [])
    .filter(({ service, image_id }) => images.has(service) && images.get(service) !== image_id);
  return [...new Set(other.map(({ service }) => service))];
}
