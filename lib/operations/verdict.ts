/** What a verification found: kept in the catalogue and beside the archive, and told to who wants to know. */
import { asDuckbackError, type DuckbackError } from "../core/errors.ts";
import type { BackupRecord, VerifyLevel } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import { writeSidecar } from "../repository/sidecar.ts";
import { announce, announceWell } from "./announce.ts";
import type { Context } from "./context.ts";
import { note, withCatalog } from "./context.ts";

export interface Verdict {
  level: VerifyLevel;
  /** ISO 8601 UTC. */
  at: string;
  /** What is wrong with the archive; null where it is sound. */
  archive: DuckbackError | null;
  /** What is wrong with the archives that it needs; null where they are sound, or it is not known. */
  chain: DuckbackError | null;
  /** Why the drill failed; null where it passed or was none. */
  drill: DuckbackError | null;
  /** Of a drill that passed. */
  seconds: number | null;
}

/** Only a check as thorough as the one that failed takes its verdict back. */
export function levelFor(record: BackupRecord, asked: VerifyLevel): VerifyLevel {
  const deeper = record.verify_status === "failed" && record.verify_level !== "quick";
  return asked === "quick" && (deeper || record.backup_hash === null) ? "full" : asked;
}

/** A drill that failed says nothing against the archive, which can still be restored from. */
export async function storeVerdict(ctx: Context, record: BackupRecord, verdict: Verdict) {
  const { at, archive, drill, seconds } = verdict;
  const drilled = verdict.level === "drill" && archive === null;
  const columns = {
    verify_status: archive === null ? "passed" as const : "failed" as const,
    verified_at: at,
    verify_level: levelProved(record, verdict),
    ...(drilled
      ? {
        drill_status: drill === null ? "passed" as const : "failed" as const,
        drilled_at: at,
        drill_seconds: seconds,
      }
      : {}),
  };
  await withCatalog(ctx, (catalog) => catalog.backups.update(record.id, columns));
  if (exists(record.backup_path)) writeSidecar({ ...record, ...columns });
}

/** Where a check that was made for another purpose found the archive broken. Raises nothing. */
export async function markBroken(ctx: Context, record: BackupRecord, cause: unknown) {
  const error = asDuckbackError(cause);
  if (error.code !== "ARCHIVE_CORRUPT") return;
  const at = ctx.now().toISOString();
  const verdict: Verdict = {
    level: "full",
    at,
    archive: error,
    chain: null,
    drill: null,
    seconds: null,
  };
  await tellVerdict(ctx, record, verdict);
  try {
    await storeVerdict(ctx, record, verdict);
  } catch (failure) {
    note(ctx, `That could not be recorded: ${asDuckbackError(failure).message}`, "warning");
  }
}

const LEVELS: VerifyLevel[] = ["quick", "full", "drill"];

function levelProved(record: BackupRecord, { level, archive, drill }: Verdict): VerifyLevel {
  if (archive !== null) return level === "drill" ? "full" : level;
  const now = drill === null ? level : "full";
  // The same bits as were read through before: what that proved still holds.
  const before = record.verify_status === "passed" ? record.verify_level ?? "full" : now;
  return LEVELS.indexOf(before) > LEVELS.indexOf(now) ? before : now;
}

/**
 * Tells what is broken; and where that was told before and nothing of the stack is known to be broken any
 * more, that too. Behind `storeVerdict`.
 */
export async function tellVerdict(ctx: Context, record: BackupRecord, verdict: Verdict) {
  const { id, stack, backup_name } = record;
  const about = { stack, backup_id: id };
  const text = ({ message, hint, code }: DuckbackError) =>
    [`${backup_name}: ${message} (${code})`, hint].filter(Boolean).join("\n");
  if (verdict.archive !== null) {
    const title = `The archive of backup ${id} of ${stack} is broken`;
    announce(ctx, { ...about, kind: "verify_failed", title, message: text(verdict.archive) });
    return;
  }
  if (verdict.chain !== null) {
    const title =
      `Backup ${id} of ${stack} cannot be restored: an archive that it needs is broken or missing`;
    announce(ctx, { ...about, kind: "verify_failed", title, message: text(verdict.chain) });
    return;
  }
  if (await areSound(ctx, stack)) {
    const message = `${backup_name}: level ${verdict.level}`;
    announceWell(ctx, { ...about, title: `Archives of ${stack} are sound again`, message }, [
      "verify_failed",
    ]);
  }
  if (verdict.level !== "drill") return;
  if (verdict.drill !== null) {
    const title = `The drill of backup ${id} of ${stack} failed`;
    announce(ctx, { ...about, kind: "drill_failed", title, message: text(verdict.drill) });
  } else {
    const took = `${backup_name}: back within ${verdict.seconds} s`;
    announceWell(ctx, { ...about, title: `Drills of ${stack} pass again`, message: took }, [
      "drill_failed",
    ]);
  }
}

/** False where an archive of the stack did not pass its last verification. */
async function areSound(ctx: Context, stack: string): Promise<boolean> {
  const all = await withCatalog(ctx, (catalog) => catalog.backups.list({ stack }));
  return all.every(({ verify_status }) => verify_status !== "failed");
}
