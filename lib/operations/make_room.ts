/** The last look before a backup begins: does it fit, and what is done where it does not. */
import { DuckbackError } from "../core/errors.ts";
import { announce } from "./announce.ts";
import type { BackupPlan } from "./backup_plan.ts";
import { type Context, note } from "./context.ts";
import { type Estimate, preflight, preflightUnwatched } from "./preflight.ts";
import { pruneLocked, pruneSentence } from "./prune.ts";

/**
 * `preflight`, of which nobody may need the estimate; where the space is short, prunes the stack by its policy first if
 * `backup.prune_when_full` says so, and looks again. A refusal is told to those who want to hear of it
 * (`disk_low`). The caller holds the lock. Raises what `preflight` does.
 */
export async function makeRoom(ctx: Context, plan: BackupPlan): Promise<Estimate | null> {
  try {
    return await (ctx.watched ? preflight : preflightUnwatched)(ctx, plan);
  } catch (cause) {
    if (!isFull(cause)) throw cause;
    // A rollback's own backup must not remove any: it may be the one that is being restored.
    if (!plan.prune_when_full || plan.held) throw refused(ctx, plan, cause);
  }
  const choice = { stack: plan.stack.name, force: false, needed: plan.parent?.id };
  const outcome = await pruneLocked(ctx, choice, "prune for want of space");
  note(ctx, `Too little space: ${pruneSentence(outcome)}.`);
  try {
    return await preflight(ctx, plan);
  } catch (cause) {
    throw isFull(cause) ? refused(ctx, plan, cause) : cause;
  }
}

function isFull(cause: unknown): cause is DuckbackError {
  return cause instanceof DuckbackError && cause.code === "DISK_FULL";
}

function refused(ctx: Context, plan: BackupPlan, error: DuckbackError): DuckbackError {
  announce(ctx, {
    kind: "disk_low",
    stack: plan.stack.name,
    title: `Too little space for a backup of ${plan.stack.name}`,
    message: [error.message, error.hint].filter(Boolean).join("\n"),
    backup_id: null,
  });
  return error;
}
