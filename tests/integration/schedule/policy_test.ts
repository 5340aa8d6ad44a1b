/** Scheduled backups by the policy: full ones and incremental ones, as the settings have it. */
// Loaded before the first test: it keeps a timer for as long as the process lives (see there).
import "../../../lib/catalog/duckdb.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { withCatalog } from "../../../lib/operations/context.ts";
import { allBackups } from "../../../lib/operations/list.ts";
import { rememberStack } from "../../../lib/repository/stack_registry.ts";
import { runTasks } from "../../../lib/schedule/run_task.ts";
import { Place } from "../../e2e/support.ts";
import { contextOf } from "../../fixtures/context.ts";

const DAY = 86_400_000;

Deno.test("runTasks() makes full and incremental backups by backup.incremental, full_every_days and max_chain", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "a", large: "x".repeat(500_000) });
  let now = Date.parse("2026-03-01T02:00:00Z");
  const ctx = contextOf(place.home, dir, { now: () => new Date(now) });
  const set = (values: Record<string, unknown>) =>
    withCatalog(ctx, ({ settings }) => settings.setAll(values, ctx.now()));
  await set({
    ...{ auto_backup_enabled: true, auto_backup_schedule: "0 2 * * *" },
    ...{ auto_backup_timezone: "UTC", "backup.prune_after": "none" },
    ...{ "backup.full_every_days": 0, "backup.max_chain": 1, "backup.max_chain_share": 0 },
    "backup.verify_after_backup": false,
  });
  const registered_at = ctx.now().toISOString();
  rememberStack(ctx.home, { name: "shop", work_dir: dir, compose_files: null, registered_at });
  const days = async (count: number) => {
    const made: string[] = [];
    for (let n = 0; n < count; n++) {
      now += DAY;
      Deno.writeTextFileSync(join(dir, "a.txt"), `a ${now}`);
      const slot = new Date(now).toISOString();
      const [run] = await runTasks(ctx, [{ task: "backup", stack: "shop", slot }]);
      assert.deepEqual([run.status, run.error, run.skipped], ["completed", null, false], slot);
      const [backup] = await allBackups(ctx);
      assert.equal(backup.id, run.backup_id);
      assert.deepEqual([backup.trigger, backup.backup_metadata?.scheduled_for], ["auto", slot]);
      made.push(backup.backup_type === "FULL" ? "full" : `on ${backup.parent_id}`);
    }
    return made;
  };
  assert.deepEqual(await days(1), ["full"], "it is off");
  await set({ "backup.incremental": true });
  assert.deepEqual(await days(2), ["on 1", "full"], "no more than one on a full one");
  await set({ "backup.max_chain": 0, "backup.full_every_days": 2 });
  assert.deepEqual(await days(3), ["on 3", "full", "on 5"], "a full one each second day");
});
