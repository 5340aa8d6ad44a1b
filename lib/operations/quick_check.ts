/** The quick verification: the archive is there and is bit for bit the one that was recorded. */
import { corrupt } from "../archive/corrupt.ts";
import { matchArchive } from "../archive/hash_file.ts";
import type { BackupRecord } from "../core/model.ts";
import * as posix from "../posix/mod.ts";
import { manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";

/**
 * Compares size and SHA-256 with the record's, which has both. Returns what is not as it should be
 * beside it: a manifest that is gone or cannot be read. Raises ARCHIVE_CORRUPT, ARCHIVE_MISSING, IO,
 * INTERRUPTED.
 */
export async function checkQuickly(ctx: Context, record: BackupRecord): Promise<string[]> {
  const { backup_path: path, backup_size, backup_hash } = record;
  const { size } = posix.statx(path, { follow: true });
  if (backup_size !== null && size !== backup_size) {
    throw corrupt(path, `it has ${size} bytes, not ${backup_size} as recorded`);
  }
  phase(ctx, "verify", `Checking the SHA-256 of ${record.backup_name}`);
  await matchArchive(path, backup_hash!, { progress: ctx.progress, signal: ctx.signal });
  return await manifestProblems(manifestPath(path));
}

async function manifestProblems(path: string): Promise<string[]> {
  if (!exists(path)) return [`its manifest "${path}" is not there`];
  const { isUnreadable, readManifest } = await import("../catalog/manifest.ts");
  try {
    for await (const _ of readManifest(path));
    return [];
  } catch (cause) {
    if (!isUnreadable(cause)) throw cause;
    return [cause.message];
  }
}
