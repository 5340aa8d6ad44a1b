/** `backup verify`: an archive is what its record says, by its hash, read back in full, or by a drill. */
import { asDuckbackError, DuckbackError, type ErrorData } from "../core/errors.ts";
import type { BackupRecord, VerifyLevel } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import { readSidecar } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import { checkChain } from "./check_chain.ts";
import type { Context } from "./context.ts";
import { keepingCatalog, withCatalog } from "./context.ts";
import { drill, type DrillReport } from "./drill.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup, isRestorable, listBackups } from "./list.ts";
import { checkArchive, type CheckReport } from "./prove_archive.ts";
import { checkQuickly } from "./quick_check.ts";
import { requireArchive, requireReadable } from "./usable.ts";
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
  const verdict = { level: done, at, archive, chain, drill: run, seconds: seconds(drilled) };
  await storeVerdict(ctx, record, verdict);
  await tellVerdict(ctx, record, verdict);
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
