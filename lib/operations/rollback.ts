/**
 * `rollback`: puts a stack back to a backup, so that it can be undone.
 *
 * Lock, check the archive in full, compute the space, journal, extract beside the live tree while
 * services still run, compare then and now, stop them, make a safety backup of what will be replaced,
 * swap the trees, start the services, wait for health. Whatever fails before the end, the old trees
 * are swapped back and services run on them.
 */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { BackupRecord, Role } from "../core/model.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import { diskError } from "../repository/durable.ts";
import type { Journal, JournalFile } from "../repository/journal.ts";
import type { UndoRecord } from "../repository/undo_record.ts";
import { audited } from "./audit.ts";
import { runBackup } from "./backup.ts";
import type { Context } from "./context.ts";
import { note, openJournal, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { findBackup } from "./list.ts";
import { liveChanges } from "./live_changes.ts";
import { mergeLive } from "./merge.ts";
import { planNow, Quiesced } from "./quiesced.ts";
import { planRollback, type RollbackPlan, safetyPlan } from "./rollback_plan.ts";
import { requireRoom, roomNeeded, safetyFailed, withSafety } from "./rollback_room.ts";
import { dropStaging, stage } from "./stage.ts";
import { swapIn, swapOut } from "./swap.ts";
import { type Difference, refuseBreaking } from "./then_and_now.ts";
import { dropExpired, keepForUndo } from "./undo_trees.ts";
import { unwell } from "./unwell.ts";
import { proveInFull } from "./prove_archive.ts";
import { requireRestorable } from "./usable.ts";
import { verifyOne } from "./verify.ts";

export interface RollbackRequest {
  id: number;
  /** Which sources are replaced. */
  roles: Role[];
  /** Go on where the safety backup is only partial, or a service's database would not fit its image. */
  force: boolean;
  start_services: boolean;
  /** Keep what is on disk but not in the backup. */
  merge?: boolean;
  /** How many rollbacks are to be kept for undo, this one among them (1). */
  keep_old?: number;
}

export interface RollbackOutcome {
  backup: BackupRecord;
  /** Live paths that now hold what the backup held. */
  restored: string[];
  entries: number;
  bytes: number;
  safety_backup: BackupRecord | null;
  health: HealthOutcome | null;
  downtime_ms: number | null;
  /** What is not as it was when the backup was made. */
  differences: Difference[];
  /** Whether `rollback --undo` can take this back. */
  can_undo: boolean;
  problems: string[];
}

/**
 * Raises ARCHIVE_CORRUPT, ARCHIVE_MISSING, DISK_FULL, REFUSED, SAFETY_FAILED, RESTORE_FAILED and more;
 * then nothing changed.
 */
export async function rollback(ctx: Context, request: RollbackRequest): Promise<RollbackOutcome> {
  using _lock = await beginExclusive(ctx);
  const record = await findBackup(ctx, request.id);
  const action = {
    type: request.roles.includes("app") ? "rollback" : "rollback-data-only",
    description: `roll back to backup ${record.id}`,
    params: { ...request, backup_name: record.backup_name },
  };
  return await audited(ctx, action, async () => {
    requireRestorable(record);
    await proveInFull(ctx, record);
    await dropExpired(ctx);
    const plan = await planRollback(ctx, record, request.roles);
    return await runRollback(ctx, plan, request, beginJournal(ctx, plan));
  }, (done) => ({
    status: done.problems.length > 0 ? "partial" : "completed",
    message: `${done.restored.length} sources restored from ${record.backup_name}`,
  }));
}

/** Raises DISK_FULL where what will lie beside the live trees does not fit. */
async function requireSpace(ctx: Context, plan: RollbackPlan, merge: boolean) {
  const kept = merge ? (await liveChanges(ctx, plan, merge)).only_live : [];
  requireRoom(await withSafety(ctx, plan, await roomNeeded(ctx, plan, kept)), plan.record.id);
}

/**
 * The steps under an existing lock, once the archive is known to be sound; an upgrade that failed goes
 * back through here, with its own journal. `committed` is saved with the commit.
 */
export async function runRollback(
  ctx: Context,
  plan: RollbackPlan,
  request: RollbackRequest,
  journal: JournalFile,
  committed: () => Partial<Journal> = () => ({}),
): Promise<RollbackOutcome> {
  try {
    await requireSpace(ctx, plan, request.merge ?? false);
    const { report, differences: databases } = await stage(ctx, plan, journal);
    const differences = [...plan.differences, ...databases];
    refuseBreaking(differences, plan.record.id, request.force);
    for (const { message } of databases) note(ctx, message, "warning");
    const done = await swap(ctx, plan, request, journal, committed);
    await keepForUndo(ctx, journal);
    const problems = report.warnings.map((warning) => `${warning.path}: ${warning.message}`);
    problems.push(...await proveSafety(ctx, done.safety_backup));
    return {
      backup: plan.record,
      restored: plan.targets.map((target) => target.live),
      entries: report.entries,
      bytes: report.bytes,
      problems: [...plan.problems, ...problems],
      safety_backup: done.safety_backup,
      health: done.health,
      downtime_ms: done.downtime_ms,
      differences,
      can_undo: (request.keep_old ?? 1) > 0,
    };
  } catch (cause) {
    await dropStaging(journal);
    throw cause;
  } finally {
    journal.finish();
  }
}

/** From the stop of the services to their health on the new trees. */
async function swap(
  ctx: Context,
  plan: RollbackPlan,
  request: RollbackRequest,
  journal: JournalFile,
  committed: () => Partial<Journal>,
) {
  let safety_backup: BackupRecord | null = null;
  const quiesce = await planNow(plan.engine, plan.stack, "stop");
  await using quiesced = await Quiesced.begin(ctx, plan.engine, quiesce, journal, {
    keep_stopped: !request.start_services,
    before_resume: () => swapBack(journal),
  });
  safety_backup = await makeSafetyBackup(ctx, plan, request, quiesced);
  if (request.merge) await mergeLive(ctx, journal.data.swaps);
  throwIfAborted(ctx.signal);
  phase(ctx, "swap", "Putting the restored files in place");
  try {
    for (const step of journal.data.swaps) swapIn(step, () => journal.save());
  } catch (cause) {
    throw diskError("Cannot put the restored files in place", cause);
  }
  const problem = await quiesced.resume().then(() => null, asDuckbackError);
  const health = request.start_services && !problem
    ? await awaitHealth(ctx, plan.engine, quiesce, plan.health_timeout_ms)
    : null;
  const failure = unwell(
    "Cannot roll back: on the restored files",
    problem,
    health,
    "Everything was put back as it was before",
    "To look at the restored files themselves: duckback restore ID --target DIR",
  );
  if (failure) {
    await returnToOld(ctx, plan, quiesce, journal);
    throw failure;
  }
  journal.save({
    ...committed(),
    committed: true,
    undo: undoRecord(ctx, plan, request, journal),
  });
  return { safety_backup, health, downtime_ms: quiesced.downtime_ms };
}

function swapBack(journal: JournalFile) {
  for (const step of [...journal.data.swaps].reverse()) swapOut(step, () => journal.save());
}

/** The services did not come up on the restored trees: stop them, swap back, start them. */
async function returnToOld(
  ctx: Context,
  plan: RollbackPlan,
  quiesce: QuiescePlan | null,
  journal: JournalFile,
) {
  note(ctx, "Services are not well on the restored files: putting the old ones back.", "warning");
  const calm = { ...ctx, signal: new AbortController().signal };
  await using quiesced = await Quiesced.begin(calm, plan.engine, quiesce, journal);
  swapBack(journal);
  await quiesced.resume();
}

/** What is about to be replaced, as an archive of its own. Raises SAFETY_FAILED. */
async function makeSafetyBackup(
  ctx: Context,
  plan: RollbackPlan,
  request: RollbackRequest,
  quiesced: Quiesced,
): Promise<BackupRecord | null> {
  const safety = await safetyPlan(ctx, plan, quiesced.consistency(false));
  if (!safety) {
    note(ctx, "Nothing is replaced, so there is nothing to make a safety backup of.");
    return null;
  }
  phase(ctx, "safety", "Making a safety backup of what will be replaced");
  try {
    const { backup, problems } = await runBackup(ctx, safety);
    if (backup.status === "completed" || request.force) return backup;
    throw new DuckbackError("SAFETY_FAILED", `it is ${backup.status}: ${problems.join("; ")}`);
  } catch (cause) {
    throw safetyFailed(cause);
  }
}

/** What `rollback --undo` needs; in the journal with the commit, so that no crash can lose it. */
function undoRecord(
  ctx: Context,
  plan: RollbackPlan,
  request: RollbackRequest,
  journal: JournalFile,
): UndoRecord {
  return {
    stack: plan.stack.name,
    work_dir: plan.stack.work_dir,
    backup_id: plan.record.id,
    backup_name: plan.record.backup_name,
    at: ctx.now().toISOString(),
    applied: true,
    keep_old: request.keep_old,
    swaps: journal.data.swaps,
  };
}

/** The safety backup is read back only now that the services run. */
async function proveSafety(ctx: Context, safety: BackupRecord | null): Promise<string[]> {
  if (!safety) return [];
  const { ok, error } = await verifyOne(ctx, safety);
  if (!ok) return [`The safety backup is not good: ${error!.message}`];
  safety.verify_status = "passed";
  return [];
}

function beginJournal(ctx: Context, plan: RollbackPlan): JournalFile {
  return openJournal(ctx, {
    kind: "rollback",
    stack: plan.stack.name,
    work_dir: plan.stack.work_dir,
    backup_id: plan.record.id,
  });
}
