import assert from "node:assert/strict";
import {
  environmentName,
  environmentValues,
  OTHER_VARIABLES,
  strayVariables,
} from "../../../lib/config/environment.ts";
import { SETTINGS } from "../../../lib/config/settings.ts";

Deno.test("environmentName() gives each key a variable of its own", () => {
  const names = SETTINGS.map(({ key }) => environmentName(key));
  assert.equal(new Set([...names, ...OTHER_VARIABLES]).size, names.length + OTHER_VARIABLES.length);
  assert.equal(environmentName("backup.compression"), "DUCKBACK_BACKUP_COMPRESSION");
  assert.equal(environmentName("auto_backup_schedule"), "DUCKBACK_AUTO_BACKUP_SCHEDULE");
});

Deno.test("environmentValues() reads what is typed on the command line", () => {
  assert.deepEqual(
    environmentValues({
      DUCKBACK_BACKUP_COMPRESSION: "ZSTD",
      DUCKBACK_BACKUP_MIN_FREE_BYTES: "1GiB",
      DUCKBACK_BACKUP_EXCLUDE: "",
      DUCKBACK_NOTIFY_MAIL_TO: "a@example.org, b@example.org",
      DUCKBACK_HOME: "/srv",
      PATH: "/bin",
    }),
    {
      "backup.compression": "zstd",
      "backup.min_free_bytes": 2 ** 30,
      "notify.mail_to": ["a@example.org", "b@example.org"],
    },
  );
});

Deno.test("environmentValues() refuses what breaks a rule, by the variable's name", () => {
  const message = (env: Record<string, string>) => {
    try {
      environmentValues(env);
    } catch (error) {
      return (error as Error).message;
    }
    throw new assert.AssertionError({ message: "nothing was thrown" });
  };
  assert.match(
    message({ DUCKBACK_BACKUP_COMPRESSION: "lzma" }),
    /^Cannot use the variable "DUCKBACK_BACKUP_COMPRESSION" with "lzma": /,
  );
  assert.match(message({ DUCKBACK_AUTO_BACKUP_LAST_STATUS: "completed" }), /read-only/);
  const secret = message({ DUCKBACK_NOTIFY_SMTP_PASSWORD: "hunter2" });
  assert.match(secret, /DUCKBACK_NOTIFY_SMTP_PASSWORD.*never kept in the settings/);
  assert.doesNotMatch(secret, /hunter2/);
});

Deno.test("strayVariables() names what stands for no setting", () => {
  const env = { DUCKBACK_BAKUP_LEVEL: "1", DUCKBACK_BACKUP_QUIESCE: "none", DUCKBACK_HOME: "/" };
  assert.deepEqual(strayVariables(env), ["DUCKBACK_BAKUP_LEVEL"]);
});
