/** What a rollback would replace; looks, changes nothing. */
import type { Role } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import { treesInArchive } from "./file_tree.ts";
import { findBackup } from "./list.ts";
import { liveChanges } from "./live_changes.ts";
import { planRollback } from "./rollback_plan.ts";
import { requireRoom, roomNeeded, withSafety } from "./rollback_room.ts";
import { databasesThenAndNow } from "./then_and_now.ts";
import { requireRestorable } from "./usable.ts";

/** Raises what `rollback` would raise before it begins; what a dead run left is to be mended before. */
export async function planPreview(ctx: Context, id: number, roles: Role[], merge: boolean) {
  const record = await findBackup(ctx, id);
  requireRestorable(record);
  const plan = await planRollback(ctx, record, roles, { look_only: true });
  phase(ctx, "measure", "Comparing the backup with what is there");
  const { only_live, ...changes } = await liveChanges(ctx, plan, merge);
  const space = await withSafety(ctx, plan, await roomNeeded(ctx, plan, merge ? only_live : []));
  requireRoom(space, id);
  const trees = await treesInArchive(ctx, plan);
  const databases = await databasesThenAndNow(
    plan.targets.map((target, n) => ({ ...target, tree: trees[n] })),
    plan.stack,
    plan.engine,
  );
  return {
    backup_id: id,
    backup_name: record.backup_name,
    created_at: record.created_at,
    stack: plan.stack.name,
    replaces: plan.targets.map((target) => ({
      name: target.name,
      path: target.live,
      role: target.source.role,
      exists: exists(target.live),
    })),
    changes,
    space,
    differences: [...plan.differences, ...databases],
    would_stop: plan.quiesce?.items.map((item) => item.service ?? item.name) ?? [],
    problems: plan.problems,
  };
}
