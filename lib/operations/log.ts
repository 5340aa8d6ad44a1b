/** `log`: the rows of `user_actions`, which tell who changed what, when, and what came of it. */
import type { ActionFilter, ActionRecord } from "../catalog/types.ts";
import { registeredStacks } from "../repository/stack_registry.ts";
import { type Context, withCatalog } from "./context.ts";

/** Newest first; of `--stack` alone where one is named. */
export async function listActions(ctx: Context, filter: ActionFilter): Promise<ActionRecord[]> {
  const { stack } = ctx;
  if (stack === null) return await withCatalog(ctx, ({ actions }) => actions.list(filter));
  const { limit = Infinity, ...others } = filter;
  const rows = await withCatalog(ctx, ({ actions }) => actions.list(others));
  const dir = registeredStacks(ctx.home).find(({ name }) => name === stack)?.work_dir;
  return rows.filter((row) => concerns(row, stack, dir)).slice(0, limit);
}

/** Commands that were run where the stack lies did not need its name. */
function concerns({ action_params }: ActionRecord, stack: string, dir: string | undefined) {
  const { stack: named, work_dir } = (action_params ?? {}) as { stack?: string; work_dir?: string };
  return typeof named === "string" ? named === stack : dir !== undefined && work_dir === dir;
}
