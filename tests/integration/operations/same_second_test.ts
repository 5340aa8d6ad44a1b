/** What happens twice within one second is told apart. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import "../../../lib/catalog/duckdb.ts"; // starts a timer that no test ends
import { archivesIn } from "../../../lib/operations/catalog_rebuild.ts";
import { upgrade } from "../../../lib/operations/upgrade.ts";
import { listUpgrades } from "../../../lib/operations/upgrade_list.ts";
import { contextOf } from "../../fixtures/context.ts";
import { withTempDir } from "../../fixtures/tree.ts";

Deno.test(
  "upgrade() leaves a row for each of two upgrades within one second",
  withTempDir(async (dir) => {
    const shop = join(dir, "shop");
    await Deno.mkdir(shop);
    await Deno.writeTextFile(join(shop, "file"), "text");
    let ms = 0;
    const now = () => new Date(Date.UTC(2026, 0, 2, 3, 4, 5, Math.min(ms++, 999)));
    const ctx = contextOf(join(dir, "home"), shop, { now });
    const upgradeTo = (to_version: string) =>
      upgrade(ctx, {
        ...{ to_version, from_version: null, backup: false, health_timeout_s: null },
        ...{ command: ["true"], onOutput: () => {} },
      });
    await upgradeTo("2");
    await upgradeTo("3");
    assert.ok(ms < 999, `${ms} times were asked for`);
    const rows = await listUpgrades(ctx);
    assert.deepEqual(rows.map(({ to_version, status }) => `${to_version} ${status}`), [
      "3 SUCCESS",
      "2 SUCCESS",
    ]);
  }),
);

Deno.test(
  "archivesIn() has archives of one second in the order in which they were written",
  withTempDir(async (dir) => {
    const written = ["v2", "v1", "v3"].map((v) =>
      `backup_manual_shop_${v}_2026-01-02_03-04-05.tar`
    );
    for (const [i, name] of written.entries()) {
      await Deno.writeTextFile(join(dir, name), "");
      await Deno.utime(join(dir, name), 0, 1_767_323_045 + i);
    }
    assert.deepEqual(archivesIn(dir).map((path) => basename(path)), written);
  }),
);
