/** That the archives which an incremental backup needs hold what its manifest says of them. */
import { corrupt } from "../archive/corrupt.ts";
import { matchArchive } from "../archive/hash_file.ts";
import type { BackupRecord } from "../core/model.ts";
import { printable } from "../core/paths.ts";
import { manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { chainOf } from "./chain.ts";
import type { Context } from "./context.ts";
import { requireManifest } from "./extract_backup.ts";

/**
 * `verify` proves the archive of one of those backups. Raises what it does, ARCHIVE_MISSING,
 * ARCHIVE_CORRUPT.
 */
export async function checkChain(
  ctx: Context,
  record: BackupRecord,
  verify: (earlier: BackupRecord) => Promise<void>,
): Promise<void> {
  const { archives, links, records } = await chainOf(ctx, record);
  const manifest = requireManifest(record.backup_path);
  const { unknownRow } = await import("../catalog/manifest_chain.ts");
  for (const [i, { backup_name, sha256 }] of links.entries()) {
    const path = archives.earlier.get(backup_name)!;
    const earlier = records[i];
    if (earlier !== null && earlier.backup_path === path) await verify(earlier);
    else await matchArchive(path, sha256, { progress: ctx.progress, signal: ctx.signal });
    if (!exists(manifestPath(path))) continue; // its rows are checked as they are read
    const unknown = await unknownRow(manifest, backup_name, manifestPath(path));
    if (unknown === null) continue;
    throw corrupt(path, `backup ${record.id} needs "${printable(unknown)}" of it, which it lacks`);
  }
}
