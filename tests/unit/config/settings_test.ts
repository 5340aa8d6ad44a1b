import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkSetting,
  defaultValue,
  findSetting,
  formatSetting,
  parseSetting,
  resolveSettings,
  type SettingKey,
  SETTINGS,
} from "../../../lib/config/settings.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";

const context = { home: "/var/lib/duckback/", timezone: "Europe/Berlin" };

function usage(work: () => unknown): DuckbackError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DuckbackError, String(error));
    assert.equal(error.code, "USAGE");
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

Deno.test("parseSetting() takes every form of each type", () => {
  const table: [SettingKey, string, unknown][] = [
    ["auto_backup_enabled", "true", true],
    ["auto_backup_enabled", "Yes", true],
    ["auto_backup_enabled", "on", true],
    ["auto_backup_enabled", "1", true],
    ["auto_backup_enabled", "OFF", false],
    ["auto_backup_enabled", "no", false],
    ["auto_backup_enabled", " false ", false],
    ["auto_backup_schedule", "  30  3 * * 1-5 ", "30 3 * * 1-5"],
    ["auto_backup_schedule", "@daily", "@daily"],
    ["auto_backup_timezone", "UTC", "UTC"],
    ["auto_backup_timezone", "America/New_York", "America/New_York"],
    ["auto_backup_directory", "/srv//backups/", "/srv/backups"],
    ["auto_backup_directory", "/", "/"],
    ["auto_backup_retention_days", "36500", 36500],
    ["backup.compression", "ZSTD", "zstd"],
    ["backup.compression_level", "0", 0],
    ["backup.compression_level", "22", 22],
    ["backup.quiesce", "pause", "pause"],
    ["backup.keep_last", "0", 0],
    ["backup.health_timeout_seconds", "0", 0],
    ["backup.min_free_bytes", "0", 0],
    ["backup.min_free_bytes", "123", 123],
    ["backup.min_free_bytes", "10GiB", 10 * 2 ** 30],
    ["backup.min_free_bytes", "10 G", 10 * 2 ** 30],
    ["backup.min_free_bytes", "10gb", 10e9],
    ["backup.min_free_bytes", "1.5 KiB", 1536],
    ["backup.min_free_bytes", "7B", 7],
    ["backup.exclude", "", []],
    ["backup.exclude", "*.tmp, cache/", ["*.tmp", "cache/"]],
    ["backup.exclude", '["a,b", "c"]', ["a,b", "c"]],
    ["backup.exclude", "[ab]*.txt", ["[ab]*.txt"]],
  ];
  for (const [key, text, value] of table) {
    assert.deepEqual(parseSetting(key, text), value, `${key} ${text}`);
  }
});

Deno.test("parseSetting() refuses the rest with the rule and an example", () => {
  const table: [SettingKey, string][] = [
    ["auto_backup_enabled", ""],
    ["auto_backup_enabled", "maybe"],
    ["auto_backup_enabled", "constructor"],
    ["auto_backup_schedule", "daily"],
    ["auto_backup_schedule", "61 * * * *"],
    ["auto_backup_timezone", "Mars/Olympus"],
    ["auto_backup_timezone", "+02:00"],
    ["auto_backup_timezone", ""],
    ["auto_backup_directory", "relative/path"],
    ["auto_backup_directory", "~/backups"],
    ["auto_backup_directory", "/a\0b"],
    ["auto_backup_retention_days", "0"],
    ["auto_backup_retention_days", "7.5"],
    ["auto_backup_retention_days", "1e3"],
    ["auto_backup_retention_days", "99999999999999999999"],
    ["backup.compression", "lzma"],
    ["backup.compression_level", "23"],
    ["backup.compression_level", "-1"],
    ["backup.min_free_bytes", "-1"],
    ["backup.min_free_bytes", "10 XB"],
    ["backup.min_free_bytes", "99999 PiB"],
    ["backup.exclude", "a,,b"],
    ["backup.exclude", '["a", 1]'],
  ];
  for (const [key, text] of table) {
    const error = usage(() => parseSetting(key, text));
    assert.match(error.message, new RegExp(`^Cannot set "${key.replace(".", "\\.")}" to `), text);
    assert.match(error.hint!, /^It must be .* Example: duckback config set /, text);
  }
});

Deno.test("parseSetting() refuses read-only and unknown keys, and suggests", () => {
  assert.match(usage(() => parseSetting("auto_backup_last_time", "x")).message, /read-only/);
  const error = usage(() => parseSetting("backup.compresion", "gzip"));
  assert.match(error.hint!, /Did you mean backup\.compression/);
  assert.equal(error.details.suggestions instanceof Array, true);
  assert.match(usage(() => findSetting("zzz")).hint!, /config list/);
  usage(() => findSetting("__proto__"));
});

Deno.test("SETTINGS have defaults and examples that keep their own rules", () => {
  assert.equal(new Set(SETTINGS.map((one) => one.key)).size, SETTINGS.length);
  for (const { key, kind, editable } of SETTINGS) {
    const value = defaultValue(key, context);
    if (editable) {
      assert.equal(checkSetting(key, value), null, key);
      assert.equal(checkSetting(key, parseSetting(key, kind.example)), null, key);
    } else {
      assert.equal(value, null);
    }
  }
});

Deno.test("formatSetting() gives text that parseSetting() reads back as the same value", () => {
  const same = (key: SettingKey, value: unknown) =>
    assert.deepEqual(parseSetting(key, formatSetting(key, value)), value);
  for (const { key, editable } of SETTINGS) if (editable) same(key, defaultValue(key, context));
  fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (size) => {
    same("backup.min_free_bytes", size);
  }));
  fc.assert(fc.property(fc.array(fc.string({ minLength: 1 })), (items) => {
    same("backup.exclude", items);
  }));
  assert.equal(formatSetting("backup.min_free_bytes", 10 * 2 ** 30), "10GiB");
  assert.equal(formatSetting("backup.exclude", ["a", "b"]), "a,b");
  assert.equal(formatSetting("auto_backup_last_time", null), "");
});

Deno.test("resolveSettings() puts what is stored over the defaults", () => {
  const settings = resolveSettings({ "backup.keep_last": 5, "from.the.future": 1 }, context);
  assert.equal(settings["backup.keep_last"], 5);
  assert.equal(settings.auto_backup_directory, "/var/lib/duckback/backups");
  assert.equal(settings.auto_backup_timezone, "Europe/Berlin");
  assert.equal(settings.auto_backup_last_time, null);
  assert.deepEqual(settings["backup.exclude"], []);
  assert.deepEqual(Object.keys(settings), SETTINGS.map((one) => one.key));
});

Deno.test("resolveSettings() refuses a stored value that breaks its rule", () => {
  const error = usage(() => resolveSettings({ "backup.keep_last": "many" }, context));
  assert.match(error.message, /backup\.keep_last.*"many"/);
  assert.match(error.hint!, /config unset backup\.keep_last/);
});
