/** `rollback --undo`: the trees the last rollback replaced are kept, so going back costs renames. */
import { DuckbackError } from "../core/errors.ts";
import { readUndo, writeUndo } from "../repository/undo_record.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { openJournal, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { planFor, Quiesced } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";
import { swapIn, swapOut } from "./swap.ts";
import { settleUndo } from "./undo_trees.ts";

export interface UndoOutcome {
  /** True where the rollback is in force again: this undid an undo. */
  applied: boolean;
  backup_id: number;
  restored: string[];
  health: HealthOutcome | null;
}

/** Swaps the trees of the last rollback back (or in again). Raises NO_SUCH_BACKUP where there is none. */
export async function undoRollback(ctx: Context): Promise<UndoOutcome> {
  using _lock = await beginExclusive(ctx);
  const { stack, engine } = await findStack(ctx, { need_engine: true });
  const undo = readUndo(ctx.home, stack.name);
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
    const journal = openJournal(ctx, {
      kind: "undo",
      stack: undo.stack,
      work_dir: undo.work_dir,
      backup_id: undo.backup_id,
      swaps: undo.swaps,
      undo,
    });
    try {
      await using quiesced = await Quiesced.begin(ctx, engine, quiesce, journal, {
        before_resume: () => settleUndo(ctx, journal),
      });
      phase(ctx, "swap", "Putting the kept files in place");
      const swap = undo.applied ? swapOut : swapIn;
      for (const step of undo.swaps) swap(step, () => journal.save());
      undo.applied = !undo.applied;
      writeUndo(ctx.home, undo);
      journal.save({ committed: true });
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
