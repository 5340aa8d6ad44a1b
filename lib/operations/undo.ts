/** `rollback --undo`: the trees the last rollback replaced are kept, so going back costs renames. */
import { DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Stack } from "../docker/stack.ts";
import { diskError } from "../repository/durable.ts";
import { readUndo, type UndoRecord, writeUndo } from "../repository/undo_record.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { openJournal, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { planNow, Quiesced } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";
import { canSwapAgain, swapIn, swapOut } from "./swap.ts";
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
  const undo = requireUndo(ctx, stack);
  const action = {
    type: "rollback-undo",
    description: `${undo.applied ? "undo" : "redo"} the rollback to backup ${undo.backup_id}`,
    params: { stack: stack.name, backup_id: undo.backup_id },
  };
  return await audited(ctx, action, async () => {
    const settings = await currentSettings(ctx);
    const quiesce = await planNow(engine, stack, "stop");
    const journal = openJournal(ctx, {
      kind: "undo",
      stack: undo.stack,
      work_dir: undo.work_dir,
      backup_id: undo.backup_id,
      undo,
    });
    try {
      await using quiesced = await Quiesced.begin(ctx, engine, quiesce, journal, {
        before_resume: () => settleUndo(ctx, journal),
      });
      throwIfAborted(ctx.signal);
      journal.save({ swaps: undo.swaps }); // until here nothing has moved, and nothing is to be mended
      phase(ctx, "swap", "Putting the kept files in place");
      const swap = undo.applied ? swapOut : swapIn;
      try {
        for (const step of undo.swaps) swap(step, () => journal.save());
      } catch (cause) {
        throw diskError("Cannot put the kept files in place", cause);
      }
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

/** Raises NO_SUCH_BACKUP where there was no rollback, REFUSED where what it kept is not there. */
function requireUndo(ctx: Context, stack: Stack): UndoRecord {
  const hint = "Safety backups are in `duckback backup list`; roll back to one of them.";
  const undo = readUndo(ctx.home, stack.name);
  if (!undo) {
    throw new DuckbackError(
      "NO_SUCH_BACKUP",
      `Cannot undo: stack "${stack.name}" was not rolled back, or its old files are gone`,
      { hint },
    );
  }
  if (undo.work_dir !== stack.work_dir) {
    throw new DuckbackError(
      "REFUSED",
      `Cannot undo: the last rollback of stack "${stack.name}" was in "${undo.work_dir}", this is ` +
        `"${stack.work_dir}"`,
      { hint },
    );
  }
  const gone = undo.swaps.find((step) => !canSwapAgain(step));
  if (!gone) return undo;
  throw new DuckbackError(
    "REFUSED",
    `Cannot undo: what the rollback kept of "${gone.live}" is not in "${gone.staging}" any more`,
    { hint },
  );
}
