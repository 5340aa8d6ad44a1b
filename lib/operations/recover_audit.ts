/** What a recovery leaves in `user_actions`: its own row, and an end for the rows of runs that died. */
import { asDuckbackError } from "../core/errors.ts";
import type { ActionStatus } from "../catalog/types.ts";
import { VERSION } from "../core/version.ts";
import type { Context } from "./context.ts";
import { note, withCatalog } from "./context.ts";

/** One thing that was mended, or could not be. */
export interface Mended {
  description: string;
  params: Record<string, unknown>;
  status: ActionStatus;
  message: string;
}

/** A catalogue that cannot be written costs the row, not the recovery. */
export async function recordMended(ctx: Context, mended: Mended): Promise<void> {
  const at = ctx.now().toISOString();
  try {
    await withCatalog(ctx, async ({ actions }) => {
      const id = await actions.begin({
        action_type: "recover",
        action_description: mended.description,
        action_params: mended.params,
        actor: ctx.actor,
        client_version: VERSION,
        host: ctx.host,
        started_at: at,
      });
      await actions.finish(id, {
        status: mended.status,
        result_message: mended.message,
        completed_at: ctx.now().toISOString(),
      });
    });
  } catch (cause) {
    note(ctx, `The recovery could not be recorded: ${asDuckbackError(cause).message}`, "warning");
  }
}

/**
 * Rows that still say `running` are of runs that died: only who holds the lock may say so. (A setting
 * that is being changed without it writes its own end over this one.)
 */
export async function endDeadActions(ctx: Context): Promise<void> {
  await withCatalog(ctx, async ({ actions }) => {
    for (const { id } of await actions.list({ status: "running" })) {
      await actions.finish(id, {
        status: "failed",
        result_message: "the run died before it was done",
        completed_at: ctx.now().toISOString(),
      });
    }
  });
}

/** Rows that still say RUNNING are of runs that died before they had a journal. */
export async function endDeadUpgrades(ctx: Context): Promise<void> {
  await withCatalog(ctx, async ({ upgrades }) => {
    for (const { id } of await upgrades.list({ status: "RUNNING" })) {
      await upgrades.update(id, {
        status: "FAILED",
        error_message: "its run died before the command ran",
        completed_at: ctx.now().toISOString(),
      });
    }
  });
}
