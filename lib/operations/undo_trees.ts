/** The trees that rollbacks keep: which rollback can be undone, and getting there after a crash. */
import type { JournalFile } from "../repository/journal.ts";
import { readUndo, writeUndo } from "../repository/undo_record.ts";
import { asDuckbackError } from "../core/errors.ts";
import { type Context, note } from "./context.ts";
import { removeStaging, swapOut } from "./swap.ts";

/** Makes a committed rollback the one to undo; the trees kept for the one before are removed. */
export async function keepForUndo(ctx: Context, journal: JournalFile) {
  const record = journal.data.undo!;
  const before = readUndo(ctx.home, record.stack);
  writeUndo(ctx.home, record);
  const kept = new Set(record.swaps.map((step) => step.staging));
  try {
    await removeStaging((before?.swaps ?? []).filter((step) => !kept.has(step.staging)));
  } catch (cause) {
    // The rollback itself is done; what could not be removed costs only space.
    const text = asDuckbackError(cause).message;
    note(ctx, `What the rollback before this one kept could not be removed: ${text}`, "warning");
  }
}

/** After an undo that broke off: back to where its rollback is not in force. Any state will do. */
export function settleUndo(ctx: Context, journal: JournalFile) {
  const record = journal.data.undo!;
  if (journal.data.swaps.length === 0) return; // nothing had moved yet
  for (const step of journal.data.swaps) swapOut(step, () => journal.save());
  writeUndo(ctx.home, { ...record, applied: false, swaps: journal.data.swaps });
  journal.save({ committed: true });
}
