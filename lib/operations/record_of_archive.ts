/** The record of an archive of which nothing but the archive is left. */
import type { BackupRecord } from "../core/model.ts";
import { writeSidecar } from "../repository/sidecar.ts";
import type { Context } from "./context.ts";
import { makeManifestAnew } from "./manifest_anew.ts";
import { recordInArchive } from "./record_in_archive.ts";

/**
 * Reads an archive in full and writes manifest and sidecar beside it. What only the catalogue knew is
 * missing in the record: what it was verified with, how long it took. Raises ARCHIVE_CORRUPT where the
 * archive is damaged, was never finished or is not duckback's, ARCHIVE_MISSING where it builds on others
 * that are not there; DISK_FULL, NOT_WRITABLE, IO, INTERRUPTED.
 */
export async function recordOfArchive(ctx: Context, archive: string): Promise<BackupRecord> {
  const written = await recordInArchive(archive);
  const found = await makeManifestAnew(ctx, written);
  const { archive_bytes, sha256, compression, stored } = found;
  const { backup_type, backup_metadata } = written;
  const record = {
    ...written,
    backup_metadata: backup_type === "INCREMENTAL" && backup_metadata !== null
      ? { ...backup_metadata, stored }
      : backup_metadata,
    backup_size: archive_bytes,
    backup_hash: sha256,
    compression_type: compression,
  };
  writeSidecar(record);
  return record;
}
