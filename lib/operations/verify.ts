/** `backup verify`: an archive is what its record says, by its hash, read back in full, or by a drill. */
import { ChainReader } from "../archive/chain_reader.ts";
import { matchArchive } from "../archive/hash_file.ts";
import { verifyArchive, type VerifyOptions, type VerifyReport } from "../archive/verify.ts";
import { asDuckbackError, DuckbackError, type ErrorData } from "../core/errors.ts";
import type { BackupRecord, ManifestEntry, VerifyLevel } from "../core/model.ts";
import { Slice } from "../core/turn.ts";
import { exists } from "../repository/pending_archive.ts";
import { manifestPath } from "../repository/naming.ts";
import { readSidecar } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import { type Chain, chainOf } from "./chain.ts";
import { checkChain } from "./check_chain.ts";
import { collectGarbage } from "../core/memory.ts";
import type { Context } from "./context.ts";
import { keepingCatalog, note, phase, withCatalog } from "./context.ts";
import { drill, type DrillReport } from "./drill.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup, isRestorable, listBackups, type ListedBackup } from "./list.ts";
import { checkQuickly } from "./quick_check.ts";
import { levelFor, storeVerdict, tellVerdict } from "./verdict.ts";

export interface VerifyRequest {
  /** Null: all that have an archive; for a drill the newest of each stack, unless `all`. */
  id: number | null;
  level: VerifyLevel;
  all?: boolean;
}

/** One archive's verdict. */
export interface VerifyResult {
  id: number;
  backup_name: string;
  backup_path: string;
  /** What was done: at least what was asked for. */
  level: VerifyLevel;
  ok: boolean;
  /** False where the archive is broken; a drill may fail though it is sound. */
  archive_ok: boolean;
  error: ErrorData | null;
  /** What is not as it should be beside an archive that is sound. */
  problems: string[];
  /** Null where the archive was not read through. */
  entries: number | null;
  bytes: number | null;
  verified_at: string;
  /** Measured time to recovery; null without a drill that passed. */
  drill_seconds: number | null;
  drill: DrillReport | null;
}

/**
 * Verifies one backup or several; stores and announces each verdict. Raises NO_SUCH_BACKUP, LOCKED,
 * INTERRUPTED; for a drill DOCKER_UNREACHABLE, which is no verdict on a backup.
 */
export async function verifyBackups(ctx: Context, request: VerifyRequest): Promise<VerifyResult[]> {
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "verify",
    description: `verify archives (${request.level})`,
    params: { ...request },
  };
  return await audited(ctx, action, async () => {
    const results: VerifyResult[] = [];
    for (const record of await chosen(ctx, request)) {
      const with_chain = request.id !== null || request.level === "drill";
      results.push(await verifyOne(ctx, record, request.level, with_chain));
    }
    return results;
  }, (results) => {
    const bad = results.filter((result) => !result.ok);
    return {
      status: bad.length > 0 ? "partial" : "completed",
      message: `${results.length - bad.length} good, ${bad.length} bad`,
    };
  });
}

async function chosen(
  ctx: Context,
  { id, level, all: each = false }: VerifyRequest,
): Promise<BackupRecord[]> {
  if (id !== null) return [await findBackup(ctx, id)];
  if (level === "drill") {
    // What holds data alone has no services to start.
    const good = (await listBackups(ctx)).filter((record) =>
      isRestorable(record) && record.backup_type !== "DATA_ONLY"
    );
    const newest = (record: BackupRecord) =>
      record === good.find(({ stack }) => stack === record.stack);
    return each ? good : good.filter(newest);
  }
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

/**
 * Checks one archive and stores the verdict; `with_chain` those that it needs first, each with a verdict
 * of its own. Raises INTERRUPTED and DOCKER_UNREACHABLE.
 */
export async function verifyOne(
  ctx: Context,
  record: BackupRecord,
  asked: VerifyLevel = "full",
  with_chain = false,
): Promise<VerifyResult> {
  const since = performance.now();
  const level = levelFor(record, asked);
  let report: CheckReport | null = null;
  let drilled: DrillReport | null = null;
  const problems: string[] = [];
  const archive = await attempt(async () => {
    requireArchive(record);
    if (readSidecar(record.backup_path) === null) {
      problems.push("the record beside it could not be read and was written anew");
    }
    if (level === "quick") problems.push(...await checkQuickly(ctx, record));
    else report = await checkArchive(ctx, record);
  });
  const chain = archive === null ? await chainError(ctx, record, level, with_chain) : null;
  const run = level === "drill" && archive === null && chain === null
    ? await attempt(async () => {
      requireReadable(record);
      drilled = await drill(ctx, record, since);
    })
    : null;
  const at = ctx.now().toISOString();
  // A drill that could not begin for an earlier archive's sake has proved this one alone.
  const done = level === "drill" && chain !== null ? "full" : level;
  const verdict = { level: done, at, archive, drill: run, seconds: seconds(drilled) };
  await storeVerdict(ctx, record, verdict);
  tellVerdict(ctx, record, verdict);
  const error = archive ?? chain ?? run;
  return {
    id: record.id,
    backup_name: record.backup_name,
    backup_path: record.backup_path,
    level,
    ok: error === null,
    archive_ok: archive === null && chain === null,
    error: error?.toData() ?? null,
    problems: [...problems, ...(report as CheckReport | null)?.problems ?? []],
    entries: (report as CheckReport | null)?.entries ?? null,
    bytes: (report as CheckReport | null)?.bytes ?? null,
    verified_at: at,
    drill_seconds: seconds(drilled),
    drill: drilled,
  };
}

/** What is wrong with the archives that a backup needs. Raises INTERRUPTED. */
async function chainError(
  ctx: Context,
  record: BackupRecord,
  level: VerifyLevel,
  read: boolean,
): Promise<DuckbackError | null> {
  if (record.backup_type !== "INCREMENTAL") return null;
  return await attempt(() =>
    checkChain(ctx, record, async (earlier) => {
      if (!read) return;
      const { ok, error } = await verifyOne(ctx, earlier, level === "quick" ? level : "full");
      if (!ok) throw DuckbackError.fromData(error!);
    })
  );
}

function seconds(drilled: DrillReport | null): number | null {
  return drilled?.seconds ?? null;
}

/** What went wrong, or null. Raises what says nothing of the backup. */
async function attempt(work: () => Promise<void>): Promise<DuckbackError | null> {
  try {
    await work();
    return null;
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (error.code === "INTERRUPTED" || error.code === "DOCKER_UNREACHABLE") throw error;
    return error;
  }
}

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
    return void await checkArchive(ctx, record);
  }
  requireArchive(record);
  phase(ctx, "verify", `Checking the SHA-256 of ${record.backup_name}`);
  const { progress, signal } = ctx;
  await matchArchive(record.backup_path, record.backup_hash, { progress, signal });
}

/** Raises ARCHIVE_MISSING where a backup failed, is not done, or has lost its archive. */
export function requireReadable(record: BackupRecord) {
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

/** The same, and ARCHIVE_CORRUPT where its last verification failed: nothing is taken from it. */
export function requireRestorable(record: BackupRecord & Pick<ListedBackup, "chain_problem">) {
  requireReadable(record);
  if (record.chain_problem !== undefined) {
    throw new DuckbackError(
      "ARCHIVE_MISSING",
      `Cannot use backup ${record.id}: ${record.chain_problem}`,
      { hint: "Bring that back, or choose another one: duckback backup list" },
    );
  }
  if (record.verify_status !== "failed") return;
  throw new DuckbackError(
    "ARCHIVE_CORRUPT",
    `Cannot use backup ${record.id}: its archive "${record.backup_path}" did not pass its ` +
      `verification of ${record.verified_at}`,
    {
      hint: `If it was put right since: duckback backup verify ${record.id}. Else choose another ` +
        "one: duckback backup list",
    },
  );
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
