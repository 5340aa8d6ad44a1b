/**
 * `upgrade`: a backup, the command that upgrades, a look whether the services are well; and all of it
 * back where it was (files, data, containers) where they are not.
 */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import { BoundedText } from "../core/bounded_text.ts";
import type { BackupRecord } from "../core/model.ts";
import type { UpgradeRecord, UpgradeStatus } from "../catalog/types.ts";
import type { Engine } from "../docker/engine.ts";
import type { Stack } from "../docker/stack.ts";
import type { JournalFile, PendingUpgrade } from "../repository/journal.ts";
import { audited } from "./audit.ts";
import { runBackup } from "./backup.ts";
import { DEFAULT_REQUEST, planBackup } from "./backup_plan.ts";
import type { Context } from "./context.ts";
import { note, openJournal, phase, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { bringBack, type StackBefore, stackBefore } from "./old_containers.ts";
import { runRollback } from "./rollback.ts";
import { planRollback } from "./rollback_plan.ts";
import { findProgram, processStart, runCommand } from "./run_command.ts";
import { currentSettings } from "./settings.ts";
import { findStack, registerStack } from "./stacks.ts";
import { requireWell } from "./upgrade_health.ts";
import { dropExpired } from "./undo_trees.ts";
import { proveArchive } from "./prove_archive.ts";

export interface UpgradeRequest {
  to_version: string;
  /** Null: what the last upgrade went to, else the newest backup's version. */
  from_version: string | null;
  /** Program and arguments. */
  command: string[];
  /** False: no backup, and so no way back. */
  backup: boolean;
  /** How long services may take to be well; null: `backup.health_timeout_seconds`. */
  health_timeout_s: number | null;
  /** Told of what the command puts out. */
  onOutput: (text: string) => void;
}

export interface UpgradeOutcome {
  upgrade: UpgradeRecord;
  backup: BackupRecord | null;
  /** Services that are not well, and were not before either. */
  problems: string[];
}

/** An upgrade under way. */
interface Run {
  row: UpgradeRecord;
  request: UpgradeRequest;
  stack: Stack;
  engine: Engine | null;
  before: StackBefore;
  journal: JournalFile;
  log: BoundedText;
  /** Whether the way back is to be gone: `upgrade.rollback_enabled`. */
  may_roll_back: boolean;
  timeout_ms: number;
  backup: BackupRecord | null;
}

/**
 * Raises UPGRADE_FAILED where the command or the services failed, INTERRUPTED where a signal came, with
 * what became of it in the message and in `upgrade_history`; what the backup raises where that fails,
 * and then the command did not run.
 */
export async function upgrade(ctx: Context, request: UpgradeRequest): Promise<UpgradeOutcome> {
  requireProgram(ctx, request.command[0]);
  using _lock = await beginExclusive(ctx);
  const { stack, engine } = await findStack(ctx, { need_engine: true });
  const action = {
    type: "upgrade",
    description: `upgrade stack ${stack.name} to ${request.to_version}`,
    // Its arguments may hold secrets.
    params: { stack: stack.name, to_version: request.to_version, program: request.command[0] },
  };
  return await audited(ctx, action, async () => {
    await registerStack(ctx, stack);
    await dropExpired(ctx);
    const settings = await currentSettings(ctx);
    const before = stackBefore(stack);
    const row = await beginRow(ctx, stack, request);
    const log = new BoundedText();
    const wanted = request.backup && settings["upgrade.auto_backup_enabled"];
    try {
      const backup = wanted ? await backUp(ctx, row) : null;
      throwIfAborted(ctx.signal);
      const seconds = request.health_timeout_s ?? settings["backup.health_timeout_seconds"];
      return await carryOut(ctx, {
        ...{ row, request, stack, engine, before, log, backup },
        journal: beginJournal(ctx, stack, row, before, backup),
        may_roll_back: settings["upgrade.rollback_enabled"],
        timeout_ms: seconds * 1000,
      });
    } catch (cause) {
      if (row.status === "RUNNING") {
        const { code, message } = asDuckbackError(cause);
        await settle(ctx, row, log, { status: "FAILED", error_message: `${code}: ${message}` });
      }
      throw cause;
    }
  }, ({ upgrade, problems }) => ({
    status: problems.length > 0 ? "partial" : "completed",
    message: `${upgrade.status}: ${upgrade.upgrade_id}`,
  }));
}

/** Raises USAGE before anything is stopped for it. */
function requireProgram(ctx: Context, program: string) {
  if (findProgram(program, ctx.env, ctx.work_dir) !== null) return;
  throw new DuckbackError("USAGE", `Cannot run "${program}": there is no such program`, {
    hint: "duckback upgrade --to VERSION -- COMMAND ARGUMENTS; for a shell's words: -- sh -c '...'",
  });
}

async function beginRow(
  ctx: Context,
  stack: Stack,
  request: UpgradeRequest,
): Promise<UpgradeRecord> {
  const started_at = ctx.now().toISOString();
  return await withCatalog(ctx, async ({ upgrades, backups }) => {
    const [last] = await upgrades.list({ stack: stack.name, status: "SUCCESS" });
    const named = (await backups.list({ stack: stack.name })).find((one) =>
      one.source_version !== null
    );
    const row: Omit<UpgradeRecord, "id"> = {
      upgrade_id: `upgrade_${stack.name}_${started_at.replace(/[-:.Z]/g, "")}`,
      stack: stack.name,
      from_version: request.from_version ?? last?.to_version ?? named?.source_version ?? null,
      to_version: request.to_version,
      upgrade_type: "manual",
      status: "RUNNING",
      scheduled_at: null,
      started_at,
      completed_at: null,
      backup_id: null,
      error_message: null,
      rollback_reason: null,
      upgrade_log: null,
    };
    return { ...row, id: await upgrades.insert(row) };
  });
}

/** Raises what a backup raises, and UPGRADE_FAILED where it is not complete: it is the way back. */
async function backUp(ctx: Context, row: UpgradeRecord): Promise<BackupRecord> {
  const plan = await planBackup(ctx, {
    ...DEFAULT_REQUEST,
    trigger: "pre-upgrade",
    files_only: true,
    version: row.from_version,
    description: `before the upgrade to ${row.to_version}`,
  });
  const { backup, problems } = await runBackup(ctx, plan);
  row.backup_id = backup.id;
  await withCatalog(ctx, ({ upgrades }) => upgrades.update(row.id, { backup_id: backup.id }));
  if (backup.status === "completed") return backup;
  throw new DuckbackError(
    "UPGRADE_FAILED",
    `Cannot upgrade: backup ${backup.id}, the way back, is ${backup.status}: ${
      problems.join("; ")
    }. The command did not run`,
    { hint: "Mend what is named; or go without a way back: --no-backup" },
  );
}

function beginJournal(
  ctx: Context,
  stack: Stack,
  row: UpgradeRecord,
  before: StackBefore,
  backup: BackupRecord | null,
): JournalFile {
  const pending: PendingUpgrade = {
    id: row.id,
    to_version: row.to_version!,
    backup_id: backup?.id ?? null,
    phase: "command",
    reason: null,
    process: null,
    before,
  };
  return openJournal(ctx, {
    kind: "upgrade",
    stack: stack.name,
    work_dir: stack.work_dir,
    backup_id: null,
    upgrade: pending,
  });
}

/** The command and the look; the way back where one of them fails. */
async function carryOut(ctx: Context, run: Run): Promise<UpgradeOutcome> {
  const { row, log, journal } = run;
  try {
    let problems: string[];
    try {
      problems = await attempt(ctx, run);
    } catch (cause) {
      throw await goBack(ctx, run, asDuckbackError(cause));
    }
    await settle(ctx, row, log, { status: "SUCCESS", error_message: problems.join("; ") || null });
    journal.save({ upgrade: null });
    return { upgrade: row, backup: run.backup, problems };
  } finally {
    journal.finish();
  }
}

/** Returns what is not well and was not before. Raises UPGRADE_FAILED, UNHEALTHY, INTERRUPTED and more. */
async function attempt(ctx: Context, run: Run): Promise<string[]> {
  const { request, journal, log, engine, before } = run;
  const pending = journal.data.upgrade!;
  const since = ctx.now();
  phase(ctx, "upgrade", `Running ${request.command[0]}`);
  const { code, text } = await runCommand({
    argv: request.command,
    cwd: run.stack.work_dir,
    env: ctx.env,
    signal: ctx.signal,
    onStart: (pid) =>
      journal.save({ upgrade: { ...pending, process: { pid, started: processStart(pid) ?? "" } } }),
    onOutput: (piece) => {
      log.append(piece);
      request.onOutput(piece);
    },
  });
  throwIfAborted(ctx.signal);
  if (code !== 0) {
    throw new DuckbackError("UPGRADE_FAILED", `${request.command[0]} ended with ${text}`);
  }
  const problems = engine ? await requireWell(ctx, engine, before, since, run.timeout_ms) : [];
  throwIfAborted(ctx.signal);
  return problems;
}

/** Returns the error that the run ends with: why, and what became of the stack. */
async function goBack(ctx: Context, run: Run, failure: DuckbackError): Promise<DuckbackError> {
  const { row, log, backup, journal } = run;
  const end = async (status: UpgradeStatus, what: string, hint: string, cause?: DuckbackError) => {
    const rollback_reason = status === "ROLLED_BACK" ? failure.message : null;
    const error_message = [failure.message, cause?.message].filter(Boolean).join(". ");
    await settle(ctx, row, log, { status, rollback_reason, error_message });
    const code = failure.code === "INTERRUPTED" && status === "ROLLED_BACK"
      ? "INTERRUPTED"
      : "UPGRADE_FAILED";
    return new DuckbackError(
      code,
      `Cannot upgrade stack "${run.stack.name}" to ${row.to_version}: ${failure.message}. ${what}`,
      { hint, cause: failure, details: { ...failure.details, ...cause?.details, upgrade: row } },
    );
  };
  const as_it_is = "The stack is as the command left it";
  if (backup === null || !run.may_roll_back) {
    journal.save({ upgrade: null });
    return await end(
      "FAILED",
      `${as_it_is}: ${backup ? "upgrade.rollback_enabled is false" : "no backup was made before"}`,
      backup ? backHint(backup.id) : "`duckback backup list` shows what one can go back to.",
    );
  }
  note(ctx, `${failure.message}: going back to backup ${backup.id}.`, "warning");
  // A signal has done its work by now: what follows must reach its end.
  const calm = { ...ctx, signal: new AbortController().signal };
  try {
    await rollBack(calm, run, backup, failure.message);
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (!journal.data.committed) journal.save({ upgrade: null });
    return await end(
      "FAILED",
      `${journal.data.committed ? error.message : `${as_it_is}: ${error.message}`}`,
      error.hint ?? backHint(backup.id),
      error,
    );
  }
  journal.save({ upgrade: null });
  return await end(
    "ROLLED_BACK",
    `Files, data and containers are as they were before (backup ${backup.id})`,
    `What the command put out: duckback upgrade show ${row.id}`,
  );
}

/** How a person goes back to before an upgrade. */
export function backHint(backup_id: number): string {
  return `To go back: duckback rollback ${backup_id} --rollback-data, then docker compose up -d`;
}

/** Files and data, then the containers that ran on them. Services stay down in between. */
async function rollBack(ctx: Context, run: Run, backup: BackupRecord, reason: string) {
  const { journal, before, engine, log, request } = run;
  const pending = { ...journal.data.upgrade!, reason, process: null };
  journal.save({ upgrade: { ...pending, phase: "rollback" } });
  await proveArchive(ctx, backup);
  const plan = await planRollback(ctx, backup, ["app", "data"], { known: run });
  const how = { id: backup.id, roles: plan.targets.map(({ source }) => source.role) };
  // What the new images would not start on is not for them.
  try {
    await runRollback(ctx, plan, { ...how, force: true, start_services: false }, journal, () => ({
      upgrade: { ...pending, phase: "containers" },
    }));
  } catch (cause) {
    // Once the trees are swapped for good, services must come up on them whatever else fails.
    if (!journal.data.committed) throw cause;
    note(ctx, asDuckbackError(cause).message, "warning");
  }
  if (!engine) return;
  const { left } = await bringBack(ctx, engine, before, {
    timeout_ms: run.timeout_ms,
    onOutput: (piece) => {
      log.append(piece);
      request.onOutput(piece);
    },
  });
  if (left.length === 0) return;
  note(ctx, `${left.join(", ")} came with the upgrade and is left stopped: docker rm`, "warning");
}

/** Ends the row; a catalogue that cannot be written costs the row, not the upgrade. */
async function settle(
  ctx: Context,
  row: UpgradeRecord,
  log: BoundedText,
  end: Partial<UpgradeRecord> & { status: UpgradeStatus },
) {
  Object.assign(row, end, {
    completed_at: ctx.now().toISOString(),
    upgrade_log: String(log) || null,
  });
  try {
    await withCatalog(ctx, ({ upgrades }) => upgrades.update(row.id, row));
  } catch (cause) {
    const text = asDuckbackError(cause).message;
    note(ctx, `The end of this upgrade could not be recorded: ${text}`, "warning");
  }
}
