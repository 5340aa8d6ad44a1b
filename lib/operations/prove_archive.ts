/** Proves a backup's archives before anything is taken from them. */
import { ChainReader } from "../archive/chain_reader.ts";
import { matchArchive } from "../archive/hash_file.ts";
import { verifyArchive, type VerifyOptions, type VerifyReport } from "../archive/verify.ts";
import { collectGarbage } from "../core/memory.ts";
import type { BackupRecord, ManifestEntry } from "../core/model.ts";
import { Slice } from "../core/turn.ts";
import { manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { type Chain, chainOf } from "./chain.ts";
import type { Context } from "./context.ts";
import { note, phase } from "./context.ts";
import { requireArchive } from "./usable.ts";
import { markBroken } from "./verdict.ts";

/** Files whose entries, passing through, leave garbage worth collecting. */
const MANY = 100_000;

/** What reading an archive in full found. */
export type CheckReport = VerifyReport & { problems: string[] };

/**
 * Reads the archive in full: its own SHA-256, each block's checksum, each header, and each file's
 * SHA-256 against the manifest where there is one that can be read (`problems` says so where not).
 * Raises ARCHIVE_MISSING or ARCHIVE_CORRUPT.
 */
export async function checkArchive(ctx: Context, record: BackupRecord): Promise<CheckReport> {
  requireArchive(record);
  phase(ctx, "verify", `Verifying ${record.backup_name}`);
  if ((record.file_count ?? 0) > MANY) collectGarbage();
  const check = (manifest: VerifyOptions["manifest"]) =>
    verifyArchive(record.backup_path, {
      sha256: record.backup_hash,
      manifest,
      progress: ctx.progress,
      totals: totalsOf(record),
      signal: ctx.signal,
    });
  const path = manifestPath(record.backup_path);
  if (!exists(path)) {
    return { ...await check(undefined), problems: [`its manifest "${path}" is not there`] };
  }
  const { isUnreadable, readManifest, readOwnRows } = await import("../catalog/manifest.ts");
  const rows = record.backup_type === "INCREMENTAL"
    ? readOwnRows(path, record.backup_name)
    : readManifest(path);
  try {
    const report = await check(rows);
    await checkRecipes(ctx, record, report.recipes);
    return { ...report, problems: [] };
  } catch (cause) {
    if (!isUnreadable(cause)) throw cause;
    note(ctx, `${cause.message}: the archive is checked without it.`, "warning");
    return { ...await check(undefined), problems: [cause.message] };
  }
}

/** Puts together what earlier archives hold parts of; each must have its SHA-256. */
async function checkRecipes(ctx: Context, record: BackupRecord, rows: readonly ManifestEntry[]) {
  if (rows.length === 0) return;
  const { archives } = await chainOf(ctx, record);
  using reader = new ChainReader(archives, ctx.signal, true);
  const slice = new Slice();
  const pause = () => slice.over() ? slice.turn() : undefined;
  for (const row of rows) await reader.read(row, NOTHING, pause);
}

const NOTHING = { entry() {}, data() {}, hole() {}, end() {} };

/** What the archive itself holds. */
function totalsOf({ backup_metadata, file_count, source_bytes }: BackupRecord) {
  return backup_metadata?.stored ?? { files: file_count ?? 0, bytes: source_bytes ?? 0 };
}

/**
 * Makes sure that nothing is taken from a damaged archive: one that was read back in full once must
 * still be the same to the bit, any other is read in full now. Raises what `checkArchive` does.
 */
export async function proveArchive(ctx: Context, record: BackupRecord): Promise<void> {
  await proveEarlier(ctx, await chainOf(ctx, record));
  await proveOne(ctx, record);
}

/** The same, but the backup's own archive is read in full whatever was proved of it before. */
export async function proveInFull(ctx: Context, record: BackupRecord): Promise<void> {
  await proveEarlier(ctx, await chainOf(ctx, record));
  await marking(ctx, record, () => checkArchive(ctx, record));
}

/** The same of the archives that a backup was made against. */
export async function proveEarlier(ctx: Context, { archives, links, records }: Chain) {
  for (const [i, { backup_name, sha256 }] of links.entries()) {
    const record = records[i];
    const path = archives.earlier.get(backup_name)!;
    if (record !== null && record.backup_path === path) await proveOne(ctx, record);
    else {
      phase(ctx, "verify", `Checking the SHA-256 of ${backup_name}`);
      await matchArchive(path, sha256, { progress: ctx.progress, signal: ctx.signal });
    }
  }
}

async function proveOne(ctx: Context, record: BackupRecord): Promise<void> {
  const read = record.verify_status === "passed" && record.verify_level !== "quick";
  if (!read || record.backup_hash === null) {
    await marking(ctx, record, () => checkArchive(ctx, record));
    return;
  }
  requireArchive(record);
  phase(ctx, "verify", `Checking the SHA-256 of ${record.backup_name}`);
  const { progress, signal } = ctx;
  const hash = record.backup_hash;
  await marking(
    ctx,
    record,
    () => matchArchive(record.backup_path, hash, { progress, signal }),
  );
}

/** An archive that is found to be broken is marked so: nobody is to be offered it again. */
async function marking(ctx: Context, record: BackupRecord, check: () => Promise<unknown>) {
  try {
    await check();
  } catch (cause) {
    await markBroken(ctx, record, cause);
    throw cause;
  }
}
