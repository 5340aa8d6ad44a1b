/** `rollback --undo`: the trees the last rollback replaced are kept, so going back costs renames. */
import { join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import { ensurePrivateDir, removeDurably, writeDurably } from "../repository/durable.ts";
import { JournalFile, type SwapStep } from "../repository/journal.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { planFor, Quiesced } from "./quiesced.ts";
import type { RollbackPlan } from "./rollback_plan.ts";
import { currentSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";
import { removeStaging, swapIn, swapOut } from "./swap.ts";

/** The last rollback of a stack. `applied` is false once it was undone (and can be done again). */
export interface UndoRecord {
  stack: string;
  work_dir: string;
  backup_id: number;
  backup_name: string;
  at: string;
  applied: boolean;
  swaps: SwapStep[];
}

export interface UndoOutcome {
  /** True where the rollback is in force again: this undid an undo. */
  applied: boolean;
  backup_id: number;
  restored: string[];
  health: HealthOutcome | null;
}

function pathOf(ctx: Context, stack: string): string {
  return join(ctx.home.undo, `${stack}.json`);
}

/** The last rollback of `stack`, or null. */
export function readUndo(ctx: Context, stack: string): UndoRecord | null {
  try {
    return JSON.parse(Deno.readTextFileSync(pathOf(ctx, stack)));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw cause;
  }
}

/** Keeps the trees this rollback replaced; those of the one before are removed. */
export async function keepForUndo(ctx: Context, plan: RollbackPlan, swaps: SwapStep[]) {
  const stack = plan.stack.name;
  const before = readUndo(ctx, stack);
  ensurePrivateDir(ctx.home.undo);
  const record: UndoRecord = {
    stack,
    work_dir: plan.stack.work_dir,
    backup_id: plan.record.id,
    backup_name: plan.record.backup_name,
    at: ctx.now().toISOString(),
    applied: true,
    swaps,
  };
  writeDurably(pathOf(ctx, stack), JSON.stringify(record, null, 1));
  if (before) await removeStaging(before.swaps);
}

/** Swaps the trees of the last rollback back (or in again). Raises NO_SUCH_BACKUP where there is none. */
export async function undoRollback(ctx: Context): Promise<UndoOutcome> {
  using _lock = await beginExclusive(ctx);
  const { stack, engine } = await findStack(ctx, { need_engine: true });
  const undo = readUndo(ctx, stack.name);
  if (!undo) {
    throw new DuckbackError(
      "NO_SUCH_BACKUP",
      `Cannot undo: stack "${stack.name}" was not rolled back, or its old files are gone`,
      { hint: "Safety backups are in `duckback backup list`; roll back to one of them." },
    );
  }
  const action = {
    type: "rollback-undo",
    description: `${undo.applied ? "undo" : "redo"} the rollback to backup ${undo.backup_id}`,
    params: { stack: stack.name, backup_id: undo.backup_id },
  };
  return await audited(ctx, action, async () => {
    const settings = await currentSettings(ctx);
    const quiesce = planFor(stack, "stop");
    const journal = beginJournal(ctx, undo);
    const save = () => journal.save();
    try {
      await using quiesced = await Quiesced.begin(ctx, engine, quiesce, journal);
      phase(ctx, "swap", "Putting the kept files in place");
      for (const step of undo.swaps) undo.applied ? swapOut(step, save) : swapIn(step, save);
      undo.applied = !undo.applied;
      writeDurably(pathOf(ctx, stack.name), JSON.stringify(undo, null, 1));
      await quiesced.resume();
    } finally {
      journal.finish();
    }
    const health = await awaitHealth(
      ctx,
      engine,
      quiesce,
      settings["backup.health_timeout_seconds"] * 1000,
    );
    return {
      applied: undo.applied,
      backup_id: undo.backup_id,
      restored: undo.swaps.map((step) => step.live),
      health,
    };
  }, (done) => ({ message: `${done.restored.length} sources swapped` }));
}

/** Removes what is kept for an undo of `stack`. */
export async function forgetUndo(ctx: Context, stack: string) {
  const undo = readUndo(ctx, stack);
  if (!undo) return;
  await removeStaging(undo.swaps);
  removeDurably(pathOf(ctx, stack));
}

function beginJournal(ctx: Context, undo: UndoRecord): JournalFile {
  return JournalFile.create(ctx.home, {
    version: 1,
    id: `${undo.backup_id}-undo-${ctx.now().getTime()}`,
    operation: ctx.command,
    stack: undo.stack,
    work_dir: undo.work_dir,
    pid: Deno.pid,
    started_at: ctx.now().toISOString(),
    backup_id: null,
    archive: null,
    partial: null,
    plan: null,
    swaps: [],
    committed: false,
  });
}
