import assert from "node:assert/strict";
import {
  backupName,
  compressionOf,
  manifestPath,
  sidecarPath,
} from "../../../lib/repository/naming.ts";

const at = new Date("2026-11-22T06:12:20.500Z");

Deno.test("backupName() says trigger, stack, version and UTC time", () => {
  const parts = { trigger: "manual" as const, stack: "shop", version: "1.4.2", at };
  assert.equal(backupName(parts, () => false), "backup_manual_shop_v1.4.2_2026-11-22_06-12-20");
});

Deno.test("backupName() stays unique within a second", () => {
  const parts = { trigger: "auto" as const, stack: "shop", version: null, at };
  const used = new Set<string>();
  for (let n = 0; n < 4; n++) used.add(backupName(parts, (name) => used.has(name)));
  assert.equal(used.size, 4);
  assert.ok(used.has("backup_auto_shop_vunknown_2026-11-22_06-12-20_4"));
});

Deno.test("backupName() lets no version or stack out of the directory", () => {
  const parts = { trigger: "manual" as const, stack: "../..", version: "../../etc/x y", at };
  assert.match(backupName(parts, () => false), /^backup_manual_x_vetc-x-y_2026/);
});

Deno.test("sidecarPath() and manifestPath() stand beside the archive", () => {
  assert.equal(sidecarPath("/b/x.tar.gz"), "/b/x.json");
  assert.equal(manifestPath("/b/x.tar.zst"), "/b/x.manifest.parquet");
  assert.equal(sidecarPath("/b/odd"), "/b/odd.json");
  assert.equal(compressionOf("x.tar"), "none");
  assert.equal(compressionOf("x.tar.bz2"), null);
});
