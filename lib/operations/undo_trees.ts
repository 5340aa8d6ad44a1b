/** The trees that rollbacks keep: which can be undone, for how long, and getting there after a crash. */
import { asDuckbackError } from "../core/errors.ts";
import type { JournalFile } from "../repository/journal.ts";
import {
  type KeptRollback,
  listUndo,
  readUndo,
  removeUndo,
  type UndoRecord,
  writeUndo,
} from "../repository/undo_record.ts";
import { type Context, note } from "./context.ts";
import { currentSettings } from "./settings.ts";
import { removeStaging, swapIn, swapOut } from "./swap.ts";

/**
 * Makes a committed rollback the one to undo. Of those before it so many are kept that there are
 * `keep_old` in all; the trees of the others are removed. May be called again after a crash.
 */
export async function keepForUndo(ctx: Context, journal: JournalFile) {
  const record = journal.data.undo!;
  const before = readUndo(ctx.home, record.stack);
  const rest = before && isSame(before, record) ? before.older ?? [] : withOlder(before);
  // Until their trees are gone they stay in the record, so that a crash leaves nothing unknown.
  writeUndo(ctx.home, { ...record, older: rest });
  const [kept, dropped] = split([record, ...rest], record.keep_old ?? 1);
  await drop(ctx, record, kept, dropped);
}

/** The time limit (`rollback.keep_old_days`) for all stacks of the home; what fails is only told. */
export async function dropExpired(ctx: Context) {
  try {
    await dropOlderThanLimit(ctx, listUndo(ctx.home));
  } catch (cause) {
    note(ctx, `Expired undo trees could not be looked for: ${asDuckbackError(cause).message}`);
  }
}

async function dropOlderThanLimit(ctx: Context, records: UndoRecord[]) {
  if (records.length === 0) return;
  const { "rollback.keep_old_days": days } = await currentSettings(ctx);
  if (days === 0) return;
  const limit = ctx.now().getTime() - days * 86_400_000;
  for (const record of records) {
    const all = withOlder(record);
    const dropped = all.filter(({ at }) => Date.parse(at) < limit);
    if (dropped.length === 0) continue;
    await drop(ctx, record, all.filter((one) => !dropped.includes(one)), dropped);
  }
}

function withOlder(record: UndoRecord | null): KeptRollback[] {
  if (!record) return [];
  const { older = [], keep_old: _keep_old, ...newest } = record;
  return [newest, ...older];
}

function isSame(one: KeptRollback, other: KeptRollback): boolean {
  return one.at === other.at && one.backup_id === other.backup_id;
}

function split<T>(all: T[], n: number): [T[], T[]] {
  return [all.slice(0, n), all.slice(n)];
}

/** Removes the trees of some rollbacks, then their names from the record of the stack. */
async function drop(
  ctx: Context,
  { stack, keep_old }: UndoRecord,
  kept: KeptRollback[],
  dropped: KeptRollback[],
) {
  const staging = new Set(kept.flatMap(({ swaps }) => swaps.map((step) => step.staging)));
  try {
    for (const { swaps } of dropped) {
      await removeStaging(swaps.filter((step) => !staging.has(step.staging)));
    }
  } catch (cause) {
    // Nothing depends on it: what could not be removed costs only space, and is tried again.
    const text = asDuckbackError(cause).message;
    note(ctx, `What an earlier rollback kept could not be removed: ${text}`, "warning");
    return;
  }
  const [newest, ...older] = kept;
  if (newest) writeUndo(ctx.home, { ...newest, older, keep_old });
  else removeUndo(ctx.home, stack);
}

/** After an undo that broke off: back to where its rollback is not in force. Any state will do. */
export function settleUndo(ctx: Context, journal: JournalFile) {
  const record = journal.data.undo!;
  if (journal.data.swaps.length === 0) return; // nothing had moved yet
  for (const step of journal.data.swaps) swapOut(step, () => journal.save());
  writeUndo(ctx.home, { ...record, applied: false, swaps: journal.data.swaps });
  journal.save({ committed: true });
}

/** Back to what was before an undo (or redo) was begun, from any state. */
export function revertUndo(ctx: Context, journal: JournalFile) {
  const { undo, swaps } = journal.data;
  if (swaps.length === 0) return;
  for (const step of swaps) swapOut(step, () => journal.save());
  if (undo!.applied) {
    for (const step of swaps) swapIn(step, () => journal.save());
  }
  writeUndo(ctx.home, { ...undo!, swaps });
  journal.save({ committed: true });
}
