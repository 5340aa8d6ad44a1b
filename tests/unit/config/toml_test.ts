import assert from "node:assert/strict";
import fc from "fast-check";
import { type SettingKey, SETTINGS } from "../../../lib/config/settings.ts";
import { fromToml, toToml } from "../../../lib/config/toml.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";

/** As `config export` would write it: what is in `values` set, all else at its default. */
function written(values: Partial<Record<SettingKey, unknown>>): string {
  return toToml(
    SETTINGS.filter(({ editable }) => editable).map(({ key, description, default: fallback }) => ({
      key,
      description,
      value: values[key] ?? null,
      default: fallback,
    })),
  );
}

function refused(text: string): DuckbackError {
  try {
    fromToml(text, "x.toml");
  } catch (error) {
    assert.ok(error instanceof DuckbackError, String(error));
    assert.equal(error.code, "USAGE");
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

Deno.test("fromToml() reads back what toToml() wrote, whatever the values", () => {
  assert.deepEqual([...fromToml(written({}), "x.toml")], []);
  const some: Partial<Record<SettingKey, unknown>> = {
    auto_backup_schedule: "30 3 * * 1-5",
    "backup.compression": "zstd",
    "backup.keep_last": 0,
    "backup.verify_after_backup": false,
    "notify.webhook_urls": ["slack+env:SLACK_URL"],
    "notify.command": [],
  };
  assert.deepEqual(Object.fromEntries(fromToml(written(some), "x.toml")), some);
  fc.assert(fc.property(
    fc.array(fc.string({ minLength: 1 })),
    fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    (exclude, bytes) => {
      const values = { "backup.exclude": exclude, "backup.min_free_bytes": bytes };
      assert.deepEqual(Object.fromEntries(fromToml(written(values), "x.toml")), values);
    },
  ));
});

Deno.test("toToml() shows defaults as comments, sizes in their unit, sections once", () => {
  const text = written({ "backup.min_free_bytes": 10 * 2 ** 30 });
  assert.match(text, /^min_free_bytes = "10GiB"$/m);
  assert.match(text, /^# compression = "gzip"$/m);
  const heads = [...text.matchAll(/^\[(.+)\]$/gm)].map(([, name]) => name);
  assert.equal(new Set(heads).size, heads.length);
  assert.ok(text.indexOf("auto_backup_enabled") < text.indexOf("[backup]"));
});

Deno.test("fromToml() takes values as they are typed, and names with quotes", () => {
  const text =
    `"backup.compression" = "ZSTD"\n[backup]\nmin_free_bytes = "1 GiB"\nexclude = "a,b"\n`;
  assert.deepEqual(Object.fromEntries(fromToml(text, "x.toml")), {
    "backup.compression": "zstd",
    "backup.min_free_bytes": 2 ** 30,
    "backup.exclude": ["a", "b"],
  });
});

Deno.test("fromToml() names all that is wrong, and shows no secret", () => {
  const error = refused(`
auto_backup_last_time = "2026-01-31T02:00:00.000Z"
[backup]
compresion = "gzip"
keep_last = -1
quiesce = 1979-05-27
[notify]
smtp_password = 4711
webhook_urls = ["https://hooks.slack.com/services/T0/B0/4711"]
`);
  const problems = error.details.problems as { key: string }[];
  assert.deepEqual(problems.map(({ key }) => key), [
    "auto_backup_last_time",
    "backup.compresion",
    "backup.keep_last",
    "backup.quiesce",
    "notify.smtp_password",
    "notify.webhook_urls",
  ]);
  assert.match(error.message, /backup\.keep_last: .*Example: '3'/);
  assert.doesNotMatch(JSON.stringify(error.toData()) + JSON.stringify(error.details), /4711/);
});

Deno.test("fromToml() says where a file is no TOML, without its text", () => {
  const error = refused('[notify]\nsmtp_password = "hunter2\n');
  assert.match(error.message, /^Cannot import "x\.toml": line 2, column \d+: /);
  assert.doesNotMatch(error.message, /hunter2/);
});
