/** `backup verify`: an archive is what its record says, read back from the disk in full. */
import { matchArchive } from "../archive/hash_file.ts";
import { verifyArchive, type VerifyReport } from "../archive/verify.ts";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import { manifestPath } from "../repository/naming.ts";
import { writeSidecar } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import { collectGarbage } from "../core/memory.ts";
import type { Context } from "./context.ts";
import { keepingCatalog, phase, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup } from "./list.ts";

/** One archive's verdict. */
export interface VerifyResult {
  id: number;
  backup_name: string;
  backup_path: string;
  ok: boolean;
  error: { code: string; message: string; hint: string | null } | null;
  entries: number | null;
  bytes: number | null;
  verified_at: string;
}

/** Verifies one backup, or all that have an archive; stores each verdict. Raises only INTERRUPTED. */
export async function verifyBackups(ctx: Context, id: number | null): Promise<VerifyResult[]> {
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const action = { type: "verify", description: "verify archives", params: { id } };
  return await audited(ctx, action, async () => {
    const results: VerifyResult[] = [];
    for (const record of await chosen(ctx, id)) results.push(await verifyOne(ctx, record));
    return results;
  }, (results) => {
    const bad = results.filter((result) => !result.ok);
    return {
      status: bad.length > 0 ? "partial" : "completed",
      message: `${results.length - bad.length} good, ${bad.length} bad`,
    };
  });
}

async function chosen(ctx: Context, id: number | null): Promise<BackupRecord[]> {
  if (id !== null) return [await findBackup(ctx, id)];
  const all = await withCatalog(ctx, (catalog) => catalog.backups.list(filterOf(ctx)));
  return all.filter((record) => record.status !== "running" && hasArchive(record));
}

/** Failed runs left no archive, and a streamed one went elsewhere: neither can be verified. */
function hasArchive(record: BackupRecord): boolean {
  return record.backup_path !== "-" && (record.backup_hash !== null || exists(record.backup_path));
}

function filterOf(ctx: Context) {
  return ctx.stack === null ? {} : { stack: ctx.stack };
}

/** Checks one archive and stores the verdict. Raises only INTERRUPTED. */
export async function verifyOne(ctx: Context, record: BackupRecord): Promise<VerifyResult> {
  let report: VerifyReport | null = null;
  let error: DuckbackError | null = null;
  try {
    report = await checkArchive(ctx, record);
  } catch (cause) {
    error = asDuckbackError(cause);
    if (error.code === "INTERRUPTED") throw error;
  }
  const at = ctx.now().toISOString();
  await storeVerdict(ctx, record, error === null, at);
  return {
    id: record.id,
    backup_name: record.backup_name,
    backup_path: record.backup_path,
    ok: error === null,
    error: error?.toData() ?? null,
    entries: report?.entries ?? null,
    bytes: report?.bytes ?? null,
    verified_at: at,
  };
}

async function storeVerdict(ctx: Context, record: BackupRecord, ok: boolean, at: string) {
  const verdict = {
    verify_status: ok ? "passed" as const : "failed" as const,
    verified_at: at,
    verify_level: "full" as const,
  };
  await withCatalog(ctx, (catalog) => catalog.backups.update(record.id, verdict));
  if (exists(record.backup_path)) writeSidecar({ ...record, ...verdict });
}

/** Files whose entries, passing through, leave garbage worth collecting. */
const MANY = 100_000;

/**
 * Reads the archive in full: its own SHA-256, each block's checksum, each header, and each file's
 * SHA-256 against the manifest where there is one. Raises ARCHIVE_MISSING or ARCHIVE_CORRUPT.
 */
export async function checkArchive(ctx: Context, record: BackupRecord): Promise<VerifyReport> {
  requireArchive(record);
  phase(ctx, "verify", `Verifying ${record.backup_name}`);
  if ((record.file_count ?? 0) > MANY) collectGarbage();
  return await verifyArchive(record.backup_path, {
    sha256: record.backup_hash,
    manifest: await manifestRows(record),
    progress: ctx.progress,
    totals: { files: record.file_count ?? 0, bytes: record.source_bytes ?? 0 },
    signal: ctx.signal,
  });
}

/**
 * Makes sure that nothing is taken from a damaged archive: one that was read back in full once must
 * still be the same to the bit, any other is read in full now. Raises what `checkArchive` does.
 */
export async function proveArchive(ctx: Context, record: BackupRecord): Promise<void> {
  if (record.verify_status !== "passed" || record.backup_hash === null) {
    return void await checkArchive(ctx, record);
  }
  requireArchive(record);
  phase(ctx, "verify", `Checking the SHA-256 of ${record.backup_name}`);
  const { progress, signal } = ctx;
  await matchArchive(record.backup_path, record.backup_hash, { progress, signal });
}

/** Raises ARCHIVE_MISSING where a backup failed, is not done, or has lost its archive. */
export function requireRestorable(record: BackupRecord) {
  if (record.status === "running" || record.status === "failed") {
    const state = record.status === "failed"
      ? `it failed: ${record.error_message}`
      : "it is not done";
    throw new DuckbackError("ARCHIVE_MISSING", `Cannot use backup ${record.id}: ${state}`, {
      hint: "`duckback backup list` shows the ones that are complete.",
    });
  }
  requireArchive(record);
}

/** Raises ARCHIVE_MISSING where a record's archive is not there to be read. */
export function requireArchive(record: BackupRecord) {
  if (record.backup_path === "-") {
    throw new DuckbackError(
      "ARCHIVE_MISSING",
      `Cannot read backup ${record.id}: it was streamed to standard output and is not kept here`,
      { hint: "Unpack the file you sent it to with `tar`, or with `duckback restore FILE`." },
    );
  }
  if (exists(record.backup_path)) return;
  throw new DuckbackError(
    "ARCHIVE_MISSING",
    `Cannot read backup ${record.id}: its archive "${record.backup_path}" is not there`,
    {
      hint:
        "Was the backup directory unmounted or the file moved? `duckback backup list` shows others.",
    },
  );
}

/** The manifest's rows in the archive's order; undefined where there is no manifest. */
async function manifestRows(record: BackupRecord) {
  const path = manifestPath(record.backup_path);
  if (!exists(path)) return undefined;
  const { readManifest } = await import("../catalog/manifest.ts");
  return readManifest(path);
}
