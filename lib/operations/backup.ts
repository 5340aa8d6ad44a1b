/**
 * `backup create`: the whole story of a backup.
 *
 * Lock, mend what a dead run left, plan, record the run, check that it can work, archive the bulk while
 * services run, stop them, archive what changed since, start them, make the archive durable, verify it,
 * look whether an automatic one is suspicious, wait for health. Whatever fails after the stop, the
 * services are started before the error leaves, and the row says why.
 */
import { dirname } from "node:path";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { isUnreachable } from "../docker/engine_failure.ts";
import type { JournalFile } from "../repository/journal.ts";
import { partialPath } from "../repository/naming.ts";
import { noteDirectory } from "./archive_directory.ts";
import { audited } from "./audit.ts";
import { announced } from "./backup_alerts.ts";
import {
  type BackupPlan,
  type BackupRequest,
  describe,
  planBackup,
  runs,
  writersRun,
} from "./backup_plan.ts";
import {
  beginRecord,
  complete,
  fail,
  recordVerification,
  type RunningRecord,
} from "./backup_record.ts";
import type { Context } from "./context.ts";
import { dumpedFiles } from "./dump_plan.ts";
import { takeDumps } from "./dumps.ts";
import { keepingCatalog, note, openJournal, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { beginHooks } from "./hooks.ts";
import { makeRoom } from "./make_room.ts";
import { openParent } from "./parent.ts";
import { type Estimate, preflight } from "./preflight.ts";
import { pruneAfter } from "./prune.ts";
import { planNow, Quiesced } from "./quiesced.ts";
import { registerStack } from "./stacks.ts";
import { lookForSuspicion } from "./suspect.ts";
import { dropExpired } from "./undo_trees.ts";
import { checkArchive } from "./prove_archive.ts";
import { beginArchive, openOutput } from "./write_archive.ts";

/** What came of it. `problems` is empty where `backup.status` is `completed` and all services run. */
export interface BackupOutcome {
  backup: BackupRecord;
  health: HealthOutcome | null;
  problems: string[];
  notes: string[];
}

/** Makes a backup of the stack the context names. */
export async function createBackup(ctx: Context, request: BackupRequest): Promise<BackupOutcome> {
  await using _catalog = keepingCatalog(ctx);
  return await announced(ctx, (begins) => makeBackup(ctx, request, begins));
}

async function makeBackup(
  ctx: Context,
  request: BackupRequest,
  begins: (plan: BackupPlan) => Promise<void>,
): Promise<BackupOutcome> {
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "backup",
    description: `${request.trigger} backup`,
    params: { ...request, stack: ctx.stack, work_dir: ctx.work_dir },
  };
  const outcome = await audited(ctx, action, async () => {
    const plan = await planBackup(ctx, request);
    await registerStack(ctx, plan.stack);
    await begins(plan);
    return await runBackup(ctx, plan);
  }, ({ backup }) => ({
    status: backup.status === "completed" ? "completed" : "partial",
    message: `${backup.backup_name}: ${backup.status}`,
  }));
  // Whoever makes automatic ones prunes after them: first they are looked at for signs of damage.
  const good = outcome.problems.length === 0;
  if (good && request.trigger !== "auto") await pruneAfter(ctx, outcome.backup, { locked: true });
  await dropExpired(ctx); // here, because backups are what is made regularly
  return outcome;
}

/** What `backup create --dry-run` shows; writes nothing. */
export async function previewBackup(
  ctx: Context,
  request: BackupRequest,
): Promise<{ plan: BackupPlan; estimate: Estimate }> {
  const plan = await planBackup(ctx, request);
  return { plan, estimate: await preflight(ctx, plan) };
}

/** The steps under an existing lock; a rollback makes its safety backup through here as well. */
export async function runBackup(ctx: Context, plan: BackupPlan): Promise<BackupOutcome> {
  for (const text of plan.notes) note(ctx, text);
  const running = await beginRecord(ctx, plan, await describe(ctx, plan));
  const journal = beginJournal(ctx, plan, running);
  try {
    const { start_error, health } = await archive(ctx, plan, running, journal);
    if (plan.verify) {
      await recordVerification(ctx, running, () => checkArchive(ctx, running.record));
    }
    if (plan.request.trigger === "auto") await lookForSuspicion(ctx, running);
    const outcome = await running.noteHealth(ctx, await health);
    if (start_error) throw start_error;
    const { record: backup, problems } = running;
    return { backup, health: outcome, problems, notes: plan.notes };
  } finally {
    journal.finish();
  }
}

/**
 * From the checks to a durable archive. A start that fails does not fail the archive: it comes back
 * as `start_error`, beside the services' health, which is still being waited for.
 */
async function archive(
  ctx: Context,
  plan: BackupPlan,
  running: RunningRecord,
  journal: JournalFile,
) {
  let start_error: DuckbackError | null = null;
  try {
    const estimate = await makeRoom(ctx, plan);
    using dumps = await takeDumps(ctx, plan, journal);
    running.metadata.dumps = dumps.records;
    running.dumped = dumpedFiles(plan);
    using output = openOutput(plan);
    const full = dumps.addTo(plan);
    const parent = await openParent(ctx, full);
    using writing = await beginArchive(ctx, full, running, output, { estimate, parent });
    if (twoPasses(plan)) {
      phase(ctx, "archive", `Archiving ${plan.stack.name}, services running`);
      await writing.precopy();
    }
    await using hooks = await beginHooks(ctx, plan, journal);
    const quiesce = plan.held ? null : await planNow(
      plan.engine,
      plan.stack,
      plan.mode,
      plan.quiesce_options,
    );
    {
      await using quiesced = await Quiesced.begin(ctx, plan.engine, quiesce, journal);
      running.metadata.consistency = plan.held ?? quiesced.consistency(writersRun(plan));
      phase(
        ctx,
        "archive",
        twoPasses(plan) ? "Archiving what changed" : `Archiving ${plan.stack.name}`,
      );
      await writing.copy();
      start_error = await quiesced.resume().then((report) => {
        running.noteResume(report, quiesced);
        return null;
      }, asDuckbackError);
      running.record.downtime_ms = quiesced.downtime_ms;
    }
    running.noteHooks(await hooks.end());
    // An engine that was away all along would only be waited for once more.
    const engine = isUnreachable(start_error?.cause) ? null : plan.engine;
    const health = awaitHealth(ctx, engine, quiesce, plan.health_timeout_ms);
    phase(ctx, "finish", "Finishing the archive");
    running.noteArchive(await writing.finish());
    if (start_error) running.serviceDown(start_error.message);
    await complete(ctx, plan, running, output);
    if (dirname(plan.path) === plan.directory) noteDirectory(ctx, plan.directory);
    return { start_error, health };
  } catch (cause) {
    const error = asDuckbackError(cause);
    await fail(ctx, running, error);
    throw error;
  }
}

/** Nothing is gained by a first pass where nobody waits for the second. */
function twoPasses(plan: BackupPlan): boolean {
  return plan.request.precopy && !plan.held && plan.path !== "-" && runs(plan.stack);
}

/** Written before anything is touched; knows the partial file and, later, what was stopped. */
function beginJournal(ctx: Context, plan: BackupPlan, running: RunningRecord): JournalFile {
  const file = plan.path === "-" ? null : plan.path;
  return openJournal(ctx, {
    kind: "backup",
    stack: plan.stack.name,
    work_dir: plan.stack.work_dir,
    backup_id: running.record.id,
    archive: file,
    partial: file && partialPath(file),
  });
}
