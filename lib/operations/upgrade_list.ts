/** Questions to `upgrade_history`. */
import type { UpgradeRecord } from "../catalog/types.ts";
import { DuckbackError } from "../core/errors.ts";
import { type Context, withCatalog } from "./context.ts";

/** All upgrades of `--stack` (or of all stacks), newest first. */
export function listUpgrades(ctx: Context): Promise<UpgradeRecord[]> {
  const filter = ctx.stack === null ? {} : { stack: ctx.stack };
  return withCatalog(ctx, ({ upgrades }) => upgrades.list(filter));
}

/** One upgrade; raises NO_SUCH_BACKUP. */
export async function findUpgrade(ctx: Context, id: number): Promise<UpgradeRecord> {
  const found = await withCatalog(ctx, ({ upgrades }) => upgrades.get(id));
  if (found) return found;
  throw new DuckbackError(
    "NO_SUCH_BACKUP",
    `Cannot find upgrade ${id}: the catalogue has none of that id`,
    { hint: "`duckback upgrade list` shows them all." },
  );
}
