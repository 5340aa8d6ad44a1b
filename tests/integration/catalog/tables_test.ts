import assert from "node:assert/strict";
import { openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { SETTINGS } from "../../../lib/config/settings.ts";
import type { NewAction } from "../../../lib/catalog/types.ts";
import { backup, failure, temporaryDirectory } from "./support.ts";

const action: NewAction = {
  action_type: "backup.create",
  action_description: "Backup of shop",
  action_params: { exclude: ["caf\udce9"], level: 6, "key\0": null },
  actor: "root",
  client_version: "0.1.0",
  host: "server",
  started_at: "2026-01-01T00:00:00.000Z",
};

Deno.test("Actions.begin() and finish() record who did what, how it ended and how long it took", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const id = await catalog.actions.begin(action);
  const running = { status: "running", result_message: null, completed_at: null } as const;
  const row = { id, ...action, ...running, duration_seconds: null };
  assert.deepEqual(await catalog.actions.list(), [row]);
  const result = {
    status: "completed",
    result_message: "done",
    completed_at: "2026-01-01T00:00:01.234Z",
  } as const;
  await catalog.actions.finish(id, result);
  assert.deepEqual(await catalog.actions.list(), [{ ...row, ...result, duration_seconds: 1.234 }]);
});

Deno.test("Actions.finish() takes a clock that went back, and an unknown id", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const id = await catalog.actions.begin({ ...action, action_params: null });
  const result = {
    status: "failed",
    result_message: null,
    completed_at: "2025-12-31T00:00:00.000Z",
  } as const;
  await catalog.actions.finish(id, result);
  await catalog.actions.finish(id + 1, result);
  const [row, ...rest] = await catalog.actions.list();
  assert.equal(row.duration_seconds, 0);
  assert.equal(row.action_params, null);
  assert.deepEqual(rest, []);
});

Deno.test("Actions.list() has the newest first and filters", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  await catalog.actions.begin(action);
  await catalog.actions.begin({ ...action, action_type: "rollback" });
  await catalog.actions.begin({ ...action, started_at: "2026-02-01T00:00:00.000Z" });
  const ids = async (filter?: Parameters<typeof catalog.actions.list>[0]) =>
    (await catalog.actions.list(filter)).map((one) => one.id);
  assert.deepEqual(await ids(), [3, 2, 1]);
  assert.deepEqual(await ids({ action_type: "rollback" }), [2]);
  assert.deepEqual(await ids({ status: "completed" }), []);
  assert.deepEqual(await ids({ limit: 1 }), [3]);
});

Deno.test("Actions.hours() names each hour in which something was done once", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  assert.deepEqual(await catalog.actions.hours(), []);
  for (const at of ["2026-01-01T05:10:00Z", "2026-01-01T05:59:59.999Z", "2026-02-01T00:00:00Z"]) {
    await catalog.actions.begin({ ...action, started_at: at });
  }
  assert.deepEqual((await catalog.actions.hours()).sort(), [
    "2026-01-01T05:00:00.000Z",
    "2026-02-01T00:00:00.000Z",
  ]);
});

Deno.test("Catalog.relocate() changes paths and setting together, and can put the setting back", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const [one, other] = [
    await catalog.backups.insert(backup("one")),
    await catalog.backups.insert(backup("other")),
  ];
  const now = new Date("2026-01-01T00:00:00Z");
  await catalog.relocate(new Map([[one.id, "/mnt/one.tar.gz"]]), "/mnt", now);
  const paths = async () => (await catalog.backups.list()).map(({ backup_path }) => backup_path);
  assert.deepEqual((await paths()).sort(), ["/mnt/one.tar.gz", other.backup_path].sort());
  assert.equal(await catalog.settings.get("auto_backup_directory"), "/mnt");
  await catalog.relocate(new Map(), null, now);
  assert.equal(await catalog.settings.get("auto_backup_directory"), null);
});

Deno.test("SettingsTable has the keys, types and defaults of lib/config", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const rows = (await catalog.settings.list()).map((
    { created_at: _created, updated_at: _updated, ...row },
  ) => row);
  const expected = SETTINGS.map((one) => ({
    config_key: one.key,
    config_value: null,
    config_type: one.kind.type,
    category: one.category,
    description: one.description,
    is_system_config: !one.editable,
    is_user_editable: one.editable,
    validation_rule: one.kind.rule,
    default_value: one.default,
  }));
  expected.sort((a, b) => a.config_key < b.config_key ? -1 : 1);
  assert.deepEqual(rows, expected);
});

Deno.test("SettingsTable keeps values of every type and forgets them again", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const { settings } = catalog;
  const now = new Date("2026-01-01T00:00:00.000Z");
  assert.deepEqual(await settings.values(), {});
  const values: Record<string, unknown> = {
    "auto_backup_enabled": true,
    "backup.verify_after_backup": false,
    "backup.keep_last": 0,
    "backup.min_free_bytes": 9_007_199_254_740_991,
    "auto_backup_directory": "/srv/caf\udce9",
    "backup.exclude": ["*.tmp", "\udcff", ""],
    "backup.compression": "zstd",
  };
  for (const [key, value] of Object.entries(values)) {
    await settings.set(key, value, now);
    await settings.set(key, value, now);
    assert.deepEqual(await settings.get(key), value);
  }
  assert.deepEqual(await settings.values(), values);
  const row = (await settings.list()).find((one) => one.config_key === "backup.keep_last")!;
  assert.deepEqual([row.config_value, row.updated_at], [0, now.toISOString()]);
  await settings.unset("backup.keep_last", now);
  assert.equal(await settings.get("backup.keep_last"), null);
  assert.equal(await settings.get("no.such"), null);
});

Deno.test("SettingsTable.setAll() sets all or nothing and refuses unknown keys", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const wrong = { "backup.keep_last": 3, "no.such": 1 };
  await failure("USAGE", catalog.settings.setAll(wrong, new Date(0)));
  assert.deepEqual(await catalog.settings.values(), {});
});

Deno.test("ServiceStatusHistory.record() keeps every look, newest first", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const look = (service_name: string, recorded_at: string) => ({
    stack: "shop",
    service_name,
    container_id: null,
    status: "running",
    health_status: "healthy",
    error_message: null,
    recorded_at,
  });
  const first = look("web", "2026-01-01T00:00:00.000Z");
  const second = look("db", "2026-01-01T00:00:01.000Z");
  await catalog.serviceStatus.record([]);
  await catalog.serviceStatus.record([first, second]);
  assert.deepEqual(await catalog.serviceStatus.list(), [{ id: 2, ...second }, { id: 1, ...first }]);
  assert.deepEqual(await catalog.serviceStatus.list({ stack: "wiki" }), []);
});

Deno.test("Upgrades keeps one row an upgrade, newest first", async () => {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  const row = {
    upgrade_id: "upgrade_shop_1",
    stack: "shop",
    from_version: null,
    to_version: "2",
    upgrade_type: "manual",
    status: "RUNNING" as const,
    scheduled_at: null,
    started_at: "2026-01-01T00:00:00.000Z",
    completed_at: null,
    backup_id: null,
    error_message: null,
    rollback_reason: null,
    upgrade_log: null,
  };
  const { upgrades } = catalog;
  const id = await upgrades.insert(row);
  const other = await upgrades.insert({ ...row, upgrade_id: "upgrade_blog_1", stack: "blog" });
  await upgrades.update(id, { status: "ROLLED_BACK", rollback_reason: "web is unhealthy" });
  await upgrades.update(99, { status: "FAILED" });
  await upgrades.update(id, { backup_id: 7 });
  const now = { ...row, status: "ROLLED_BACK", rollback_reason: "web is unhealthy", backup_id: 7 };
  assert.deepEqual(await upgrades.get(id), { id, ...now });
  assert.deepEqual((await upgrades.list()).map((one) => one.id), [other, id]);
  assert.deepEqual((await upgrades.list({ stack: "shop" })).map((one) => one.id), [id]);
  assert.deepEqual((await upgrades.list({ status: "RUNNING" })).map((one) => one.id), [other]);
  assert.equal(await upgrades.get(99), null);
});
