/**
 * `rollback`: puts a stack back to a backup, so that it can be undone.
 *
 * Lock, check the archive in full, journal, extract beside the live tree while services still run,
 * stop them, make a safety backup of what will be replaced, swap the trees, start the services, wait
 * for health. Whatever fails before the end, the old trees are swapped back and services run on them.
 */
import { extractArchive, type ExtractReport } from "../archive/extract.ts";
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { BackupRecord, Role } from "../core/model.ts";
import { count } from "../core/units.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import type { JournalFile } from "../repository/journal.ts";
import type { UndoRecord } from "../repository/undo_record.ts";
import { audited } from "./audit.ts";
import { runBackup } from "./backup.ts";
import type { Context } from "./context.ts";
import { note, openJournal, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { findBackup } from "./list.ts";
import { planNow, Quiesced } from "./quiesced.ts";
import { planRollback, type RollbackPlan, safetyPlan } from "./rollback_plan.ts";
import { noteStaged, prepareSwap, removeStaging, stagedPath, swapIn, swapOut } from "./swap.ts";
import { stepsAround } from "./swap_around.ts";
import { keepForUndo } from "./undo_trees.ts";
import { checkArchive, requireRestorable, verifyOne } from "./verify.ts";

export interface RollbackRequest {
  id: number;
  /** Which sources are replaced. */
  roles: Role[];
  /** Go on where the safety backup is only partial. */
  force: boolean;
  start_services: boolean;
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
  problems: string[];
}

/** Raises ARCHIVE_CORRUPT, ARCHIVE_MISSING, SAFETY_FAILED, RESTORE_FAILED and more; then nothing changed. */
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
    await checkArchive(ctx, record);
    return await replace(ctx, await planRollback(ctx, record, request.roles), request);
  }, (done) => ({
    status: done.problems.length > 0 ? "partial" : "completed",
    message: `${done.restored.length} sources restored from ${record.backup_name}`,
  }));
}

async function replace(
  ctx: Context,
  plan: RollbackPlan,
  request: RollbackRequest,
): Promise<RollbackOutcome> {
  const journal = beginJournal(ctx, plan);
  try {
    const report = await stage(ctx, plan, journal);
    const done = await swap(ctx, plan, request, journal);
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
    };
  } catch (cause) {
    await dropStaging(journal);
    throw cause;
  } finally {
    journal.finish();
  }
}

/** Removes what was extracted, unless a swap could not be taken back: then `recover` needs it. */
async function dropStaging(journal: JournalFile) {
  const { committed, swaps } = journal.data;
  if (committed || swaps.some((step) => step.phase !== "staged")) return;
  await removeStaging(swaps);
  journal.save({ swaps: [] });
}

/** Extracts each source beside (or inside) its live tree. Nothing live is touched. */
async function stage(
  ctx: Context,
  plan: RollbackPlan,
  journal: JournalFile,
): Promise<ExtractReport> {
  phase(ctx, "extract", `Extracting ${count(plan.targets.length, "source")}`);
  const id = String(plan.record.id) + "-" + ctx.now().getTime();
  try {
    plan.targets.forEach((target, n) => {
      posix.mkdirAll(target.live.slice(0, target.live.lastIndexOf("/")) || "/", 0o755);
      journal.data.swaps.push(prepareSwap(id, n, target, plan.keep));
      journal.save();
    });
  } catch (cause) {
    throw diskError("Cannot prepare the restore", cause);
  }
  const steps = [...journal.data.swaps];
  const report = await extractArchive(plan.record.backup_path, {
    routes: plan.targets.map((target, n) => ({
      from: target.source.archive_path,
      to: stagedPath(steps[n]),
    })),
    // What was there comes back; only root can make device nodes, and only root could have had any.
    allow_devices: posix.effectiveIds().uid === 0,
    max_bytes: plan.record.source_bytes ?? undefined,
    progress: ctx.progress,
    signal: ctx.signal,
  });
  for (const step of steps) {
    if (posix.statxIfExists(stagedPath(step)) === null) {
      throw new DuckbackError(
        "RESTORE_FAILED",
        `Cannot restore "${step.name}": the archive holds nothing of it`,
        { hint: "Nothing was changed. `duckback backup show` tells what the archive lacks." },
      );
    }
    noteStaged(step);
  }
  for (const step of steps) {
    for (const inner of stepsAround(id, journal.data.swaps.length, step, plan.keep)) {
      journal.data.swaps.push(inner);
      journal.save();
    }
  }
  journal.save();
  return report;
}

/** From the stop of the services to their health on the new trees. */
async function swap(
  ctx: Context,
  plan: RollbackPlan,
  request: RollbackRequest,
  journal: JournalFile,
) {
  let safety_backup: BackupRecord | null = null;
  const quiesce = await planNow(plan.engine, plan.stack, "stop");
  await using quiesced = await Quiesced.begin(ctx, plan.engine, quiesce, journal, {
    keep_stopped: !request.start_services,
    before_resume: () => swapBack(journal),
  });
  safety_backup = await makeSafetyBackup(ctx, plan, request, quiesced);
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
  const failure = unwell(problem, health);
  if (failure) {
    await returnToOld(ctx, plan, quiesce, journal);
    throw failure;
  }
  journal.save({ committed: true, undo: undoRecord(ctx, plan, journal) });
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

/** Why the restored trees cannot stay, or null. */
function unwell(
  start: DuckbackError | null,
  health: HealthOutcome | null,
): DuckbackError | null {
  const which = (health?.unhealthy ?? []).map((found) =>
    `${found.service} is ${found.health ?? found.state}`
  );
  if (!start && which.length === 0) return null;
  const why = start ? start.message : which.join(", ");
  return new DuckbackError(
    "RESTORE_FAILED",
    `Cannot roll back: on the restored files ${why}. Everything was put back as it was before`,
    {
      cause: start,
      hint: "`docker logs` of the service says more. To look at the restored files themselves: " +
        "duckback restore ID --target DIR",
      details: { unhealthy: health?.unhealthy ?? [] },
    },
  );
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
    const error = asDuckbackError(cause);
    if (error.code === "INTERRUPTED") throw error;
    throw new DuckbackError(
      "SAFETY_FAILED",
      `Cannot make the safety backup: ${error.message}. Nothing was rolled back`,
      { hint: error.hint ?? "Free space or repair what is named, then try again.", cause: error },
    );
  }
}

/** What `rollback --undo` needs; in the journal with the commit, so that no crash can lose it. */
function undoRecord(ctx: Context, plan: RollbackPlan, journal: JournalFile): UndoRecord {
  return {
    stack: plan.stack.name,
    work_dir: plan.stack.work_dir,
    backup_id: plan.record.id,
    backup_name: plan.record.backup_name,
    at: ctx.now().toISOString(),
    applied: true,
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
