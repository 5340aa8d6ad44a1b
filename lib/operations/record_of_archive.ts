/** The record of an archive of which nothing but the archive is left, and its manifest anew. */
import { type Inventory, takeInventory } from "../archive/inventory.ts";
import { readSelf } from "../archive/self.ts";
import type { ArchiveResult } from "../archive/archive_options.ts";
import { manifestLine } from "../catalog/manifest.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord } from "../core/model.ts";
import * as posix from "../posix/mod.ts";
import { manifestPath, manifestRowsPath } from "../repository/naming.ts";
import { withLaterFields, writeSidecar } from "../repository/sidecar.ts";
import { TextFile } from "../repository/text_file.ts";
import type { Context } from "./context.ts";

/** `.duckback/backup.json`: see `RunningRecord.firstEntry`. */
type FirstEntry = BackupRecord & { format: string };
/** `.duckback/result.json`: see `RunningRecord.lastEntry`; archives of earlier versions lack the rest. */
type LastEntry =
  & ArchiveResult
  & { archived_at: string; consistency: BackupMetadata["consistency"] }
  & Partial<Pick<BackupRecord, "status" | "error_message" | "downtime_ms">>;

/**
 * Reads an archive in full and writes manifest and sidecar beside it. What only the catalogue knew is
 * missing in the record: what it was verified with, how long it took. Raises ARCHIVE_CORRUPT where the
 * archive is damaged, was never finished or is not duckback's; DISK_FULL, NOT_WRITABLE, IO, INTERRUPTED.
 */
export async function recordOfArchive(ctx: Context, archive: string): Promise<BackupRecord> {
  const written = await recordInArchive(archive);
  const { archive_bytes, sha256, compression } = await makeManifestAnew(ctx, archive, written);
  const record = {
    ...written,
    backup_size: archive_bytes,
    backup_hash: sha256,
    compression_type: compression,
  };
  writeSidecar(record);
  return record;
}

/**
 * The record as the archive itself has it; a few megabytes are read, nothing is proved. Raises
 * ARCHIVE_CORRUPT where it was never finished or is not duckback's.
 */
export async function recordInArchive(archive: string): Promise<BackupRecord> {
  const { first, last } = await readSelf(archive) as { first: FirstEntry; last: LastEntry | null };
  if (last === null) {
    throw new DuckbackError(
      "ARCHIVE_CORRUPT",
      `Cannot take in "${archive}": the archive was never finished, or its end is damaged`,
      { hint: "`tar` may still get out what lies before the damage." },
    );
  }
  const { format: _format, ...begun } = first;
  const { consistency, warnings } = last;
  const partial = warnings.some((warning) => warning.incomplete);
  return withLaterFields({
    ...begun,
    backup_path: archive,
    backup_size: null,
    backup_hash: null,
    file_count: last.file_count,
    source_bytes: last.source_bytes,
    status: last.status ?? (partial ? "partial" : "completed"),
    error_message: last.error_message ?? (partial ? "Some files are not as they were" : null),
    downtime_ms: last.downtime_ms ?? null,
    completed_at: last.archived_at,
    backup_metadata: begun.backup_metadata && { ...begun.backup_metadata, consistency },
    warnings,
    verify_status: null,
  });
}

/** The manifest of an incremental one lists what is in other archives: its own cannot tell that. */
function refuseIncremental(archive: string, { backup_type }: Pick<BackupRecord, "backup_type">) {
  if (backup_type !== "INCREMENTAL") return;
  throw new DuckbackError(
    "ARCHIVE_MISSING",
    `Cannot take in "${archive}": it is an incremental backup whose record or manifest is lost`,
    {
      hint:
        "`tar` unpacks it behind those it builds on: .duckback/README in it says how. A backup made " +
        "against it needs both files too.",
    },
  );
}

/** Writes the manifest of an archive from what is in it; reads all of it. Raises as `recordOfArchive`. */
export async function makeManifestAnew(
  ctx: Context,
  archive: string,
  expected: Pick<BackupRecord, "backup_name" | "backup_type" | "file_count" | "source_bytes">,
): Promise<Inventory> {
  refuseIncremental(archive, expected);
  using rows = TextFile.create(manifestRowsPath(archive));
  const found = await takeInventory(archive, {
    onEntry: (entry) => rows.append(manifestLine(entry)),
    progress: ctx.progress,
    totals: { files: expected.file_count ?? 0, bytes: expected.source_bytes ?? 0 },
    signal: ctx.signal,
  });
  rows.flush();
  const { writeManifest } = await import("../catalog/manifest.ts");
  await writeManifest(rows.path, manifestPath(archive), expected.backup_name);
  posix.fsyncPath(manifestPath(archive));
  return found;
}
