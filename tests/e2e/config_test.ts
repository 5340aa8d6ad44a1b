/** Settings and the log of the compiled binary. */
import assert from "node:assert/strict";
import { auditRows, names, Place } from "./support.ts";

const HOOK = "https://example.org/hook/of-the-shop";

Deno.test("config export and import carry settings from one home to another, whole or not at all", async () => {
  await using place = new Place();
  await using other = new Place();
  await place.ok(["config", "set", "backup.compression", "zstd"]);
  await place.ok(["config", "set", "backup.min_free_bytes", "1GiB"]);
  await place.ok(["config", "set", "notify.webhook_urls", `slack+env:SLACK, ${HOOK}`]);
  const env = { SLACK: "https://hooks.slack.com/secret", DUCKBACK_BACKUP_COMPRESSION: "none" };
  const { stdout: toml } = await place.ok(["config", "export"], { env });
  assert.doesNotMatch(toml, /hooks\.slack\.com|auto_backup_last/);
  const settings = {
    "backup.compression": "zstd",
    "backup.min_free_bytes": 2 ** 30,
    "notify.webhook_urls": ["slack+env:SLACK", HOOK],
  };
  assert.deepEqual((await place.ok(["config", "export", "--json"])).json.settings, settings);

  const bad = `${toml}\n[rollback]\nkeep_old_days = "soon"\n`;
  assert.equal((await other.run(["config", "import", "-"], { stdin: bad })).code, 2);
  assert.deepEqual((await other.ok(["config", "export", "--json"])).json.settings, {});
  const dry = await other.ok(["config", "import", "-", "--dry-run", "--json"], { stdin: toml });
  assert.deepEqual(dry.json.changes.map(({ key }: { key: string }) => key), Object.keys(settings));
  assert.deepEqual((await other.ok(["config", "export", "--json"])).json.settings, {});
  assert.deepEqual(await auditRows(other, "config"), []);
  await other.ok(["config", "import", "-"], { stdin: toml });
  assert.deepEqual((await other.ok(["config", "export", "--json"])).json.settings, settings);
  const [row, ...more] = await auditRows(other, "config");
  assert.equal(more.length, 0);
  assert.deepEqual((row.action_params as { changes: unknown }).changes, [
    { key: "backup.compression", old: "gzip", new: "zstd" },
    { key: "backup.min_free_bytes", old: 0, new: 2 ** 30 },
    {
      key: "notify.webhook_urls",
      old: [],
      new: ["slack+env:SLACK", "https://example.org/***"],
    },
  ]);
  const again = await other.ok(["config", "import", "-", "--json"], { stdin: toml });
  assert.deepEqual(again.json.changes, []);
});

Deno.test("variables override settings wherever they are read, and say so", async () => {
  await using place = new Place();
  const cwd = place.tree("plain", { "a.txt": "a" });
  await place.ok(["config", "set", "backup.compression", "gzip"]);
  const env = { DUCKBACK_BACKUP_COMPRESSION: "zstd", DUCKBACK_BAKUP_LEVEL: "9" };
  const listed = (await place.ok(["config", "list", "--json"], { env })).json;
  const found = listed.settings.find(({ key }: { key: string }) => key === "backup.compression");
  assert.equal(found.value, "zstd");
  assert.equal(found.source, "environment");
  assert.equal(found.stored, "gzip");
  assert.deepEqual(listed.stray_variables, ["DUCKBACK_BAKUP_LEVEL"]);
  assert.match(
    (await place.ok(["config", "list"], { env })).stdout,
    /DUCKBACK_BAKUP_LEVEL .*no set/,
  );
  const made = await place.ok(["backup", "create", "--json"], { cwd, env });
  assert.match(made.json.backup.backup_path, /\.tar\.zst$/);
  const unset = await place.ok(["backup", "create", "--json"], { cwd });
  assert.deepEqual(names(`${place.home}/alerts`), [], "nobody is to be told, so nothing is kept");
  assert.match(unset.json.backup.backup_path, /\.tar\.gz$/);
  const bad = { DUCKBACK_BACKUP_COMPRESSION: "lzma" };
  const refused = await place.run(["backup", "create", "--json"], { cwd, env: bad });
  assert.equal(refused.code, 2);
  assert.match(refused.json.error.message, /"DUCKBACK_BACKUP_COMPRESSION" with "lzma"/);
  assert.equal((await place.run(["backup", "create", "--source", "missing"], { cwd })).code, 1);

  // The log tells all of it, and filters.
  const log = async (...args: string[]) =>
    (await place.ok(["log", "--json", ...args])).json.actions.map((
      { action_type, status }: { action_type: string; status: string },
    ) => `${action_type} ${status}`);
  assert.deepEqual(await log(), [
    "backup failed",
    "backup completed",
    "backup completed",
    "config completed",
  ]);
  assert.deepEqual(await log("--type", "config"), ["config completed"]);
  assert.deepEqual(await log("--status", "failed"), ["backup failed"]);
  assert.deepEqual(await log("--limit", "1"), ["backup failed"]);
  assert.deepEqual(await log("--until", "2020-01-01"), []);
  assert.equal((await log("--since", "1h")).length, 4);
  assert.equal((await log("--actor", "nobody at all")).length, 0);
  assert.equal((await log("--stack", "plain")).length, 3);
  assert.match(
    (await place.ok(["log", "--type", "config"])).stdout,
    /^ +AGE +WHO +TYPE +WHAT +STATUS +TIME +RESULT\n.* config +set backup\.compression +completed/,
  );
  assert.equal((await place.run(["log", "--since", "yesterday"])).code, 2);
});

Deno.test("config set names the rule, and refuses what duckback itself keeps", async () => {
  await using place = new Place();
  const refused = async (...args: string[]) => {
    const { code, json } = await place.run(["config", ...args, "--json"]);
    assert.equal(code, 2);
    return json.error;
  };
  const error = await refused("set", "backup.keep_last", "many");
  assert.match(
    error.hint,
    /integer from 0 to 100000.*Example: duckback config set backup\.keep_last/,
  );
  for (const verb of ["set", "unset"]) {
    const value = verb === "set" ? ["x"] : [];
    assert.match((await refused(verb, "auto_backup_last_status", ...value)).message, /read-only/);
  }
  assert.match((await refused("get", "backup.compresion")).hint, /backup\.compression/);
  assert.deepEqual(await auditRows(place), []);
});
