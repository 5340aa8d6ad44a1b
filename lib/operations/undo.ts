/** `rollback --undo`: the trees the last rollback replaced are kept, so going back costs renames. */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Engine } from "../docker/engine.ts";
import type { Stack } from "../docker/stack.ts";
import { diskError } from "../repository/durable.ts";
import type { JournalFile } from "../repository/journal.ts";
import { readUndo, type UndoRecord, writeUndo } from "../repository/undo_record.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { note, openJournal, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { awaitHealth, type HealthOutcome } from "./health.ts";
import { planNow, Quiesced } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";
import { canSwapAgain, swapIn, swapOut } from "./swap.ts";
import { revertUndo } from "./undo_trees.ts";
import { unwell } from "./unwell.ts";

export interface UndoRequest {
  start_services: boolean;
}

export interface UndoOutcome {
  /** True where the rollback is in force again: this undid an undo. */
  applied: boolean;
  backup_id: number;
  restored: string[];
  health: HealthOutcome | null;
}

/**
 * Swaps the trees of the last rollback back (or in again). Raises NO_SUCH_BACKUP where there is none,
 * RESTORE_FAILED where services are not well after it; all is then as it was before.
 */
export async function undoRollback(ctx: Context, request: UndoRequest): Promise<UndoOutcome> {
  using _lock = await beginExclusive(ctx);
  const { stack, engine } = await findStack(ctx, { need_engine: true });
  const undo = requireUndo(ctx, stack);
  const action = {
    type: "rollback-undo",
    description: `${undo.applied ? "undo" : "redo"} the rollback to backup ${undo.backup_id}`,
    params: { stack: stack.name, backup_id: undo.backup_id },
  };
  return await audited(ctx, action, async () => {
    const journal = openJournal(ctx, {
      kind: "undo",
      stack: undo.stack,
      work_dir: undo.work_dir,
      backup_id: undo.backup_id,
      undo,
    });
    try {
      const health = await swapKept(ctx, stack, engine, request, journal);
      return {
        applied: !undo.applied,
        backup_id: undo.backup_id,
        restored: undo.swaps.map((step) => step.live),
        health,
      };
    } finally {
      journal.finish();
    }
  }, (done) => ({ message: `${done.restored.length} sources swapped` }));
}

/** From the stop of the services to their health on the kept trees; what fails is taken back. */
async function swapKept(
  ctx: Context,
  stack: Stack,
  engine: Engine | null,
  request: UndoRequest,
  journal: JournalFile,
): Promise<HealthOutcome | null> {
  const settings = await currentSettings(ctx);
  const timeout_ms = settings["backup.health_timeout_seconds"] * 1000;
  const undo = journal.data.undo!;
  const quiesce = await planNow(engine, stack, "stop");
  await using quiesced = await Quiesced.begin(ctx, engine, quiesce, journal, {
    keep_stopped: !request.start_services,
    before_resume: () => revertUndo(ctx, journal),
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
  const problem = await quiesced.resume().then(() => null, asDuckbackError);
  const health = request.start_services && !problem
    ? await awaitHealth(ctx, engine, quiesce, timeout_ms)
    : null;
  const failure = unwell(
    undo.applied ? "Cannot undo: on the files of before" : "Cannot redo: on the restored files",
    problem,
    health,
    "Everything was put back as it was until now",
    "To have these files all the same, with the services stopped: " +
      "duckback rollback --undo --no-auto-start-service",
  );
  if (failure) {
    note(ctx, "Services are not well on these files: putting the others back.", "warning");
    const calm = { ...ctx, signal: new AbortController().signal };
    await using back = await Quiesced.begin(calm, engine, quiesce, journal);
    revertUndo(ctx, journal);
    await back.resume();
    throw failure;
  }
  writeUndo(ctx.home, { ...undo, applied: !undo.applied });
  journal.save({ committed: true });
  return health;
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
