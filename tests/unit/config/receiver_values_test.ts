import assert from "node:assert/strict";
import {
  maskSetting,
  parseSetting,
  resolveSettings,
  type SettingKey,
} from "../../../lib/config/settings.ts";
import { splitWebhook } from "../../../lib/config/receiver_values.ts";

function taken(key: SettingKey, text: string): boolean {
  try {
    parseSetting(key, text);
    return true;
  } catch (error) {
    assert.ok(!(error as Error).message.includes(text.split(",")[0]), "the text is shown");
    return false;
  }
}

Deno.test("parseSetting() takes receivers that name their secrets, and no secret itself", () => {
  const table: [SettingKey, string, boolean][] = [
    ["notify.webhook_urls", "env:HOOK", true],
    ["notify.webhook_urls", "slack+env:HOOK, file:/etc/duckback/hook", true],
    ["notify.webhook_urls", "ntfy+https://ntfy.example.org/backups-of-server-12", true],
    ["notify.webhook_urls", "https://example.org:8443/hook", true],
    ["notify.webhook_urls", "https://user:pw@example.org/hook", false],
    ["notify.webhook_urls", "https://example.org/message?token=abc", false],
    ["notify.webhook_urls", "https://hooks.slack.com/x", false],
    ["notify.webhook_urls", "discord+https://discord.com/api/webhooks/1/x", false],
    ["notify.webhook_urls", "https://example.org/hooks/d41d8cd98f00b204e9800998", false],
    ["notify.webhook_urls", "teams+env:HOOK", false],
    ["notify.webhook_urls", "ftp://example.org/x", false],
    ["notify.webhook_urls", "env:NO-NAME", false],
    ["notify.webhook_urls", "file:relative", false],
    ["notify.ping_urls", "https://hc-ping.com/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278", false],
    ["notify.ping_urls", "https://hc.example.org/ping/key/{stack}", true],
    ["notify.smtp_password", "file:/run/secrets/smtp", true],
    ["notify.smtp_password", "hunter2", false],
    ["notify.smtp_password", "", true],
    ["notify.events", "backup_failed,recovered", true],
  ];
  for (const [key, text, expected] of table) assert.equal(taken(key, text), expected, text);
  assert.throws(() => parseSetting("notify.events", "backup_faild"), /is no event/);
  assert.throws(() => parseSetting("notify.mail_to", "nobody"), /no mail address/);
});

Deno.test("maskSetting() keeps references and origins alone", () => {
  assert.deepEqual(
    maskSetting("notify.webhook_urls", ["slack+env:HOOK", "ntfy+https://a.example/topic", "junk"]),
    ["slack+env:HOOK", "ntfy+https://a.example/***", "***"],
  );
  assert.equal(maskSetting("notify.smtp_password", "hunter2"), "***");
  assert.equal(maskSetting("backup.compression", "gzip"), "gzip");
});

Deno.test("resolveSettings() does not show a secret that was stored by other means", () => {
  const context = { home: "/srv", timezone: "UTC" };
  assert.throws(
    () => resolveSettings({ "notify.smtp_password": "hunter2" }, context),
    (error: Error) => !error.message.includes("hunter2") && /smtp_password/.test(error.message),
  );
});

Deno.test("splitWebhook() tells the template from the target", () => {
  assert.deepEqual(splitWebhook("slack+env:A"), { template: "slack", target: "env:A" });
  assert.deepEqual(splitWebhook("https://a.example/b+c"), {
    template: "generic",
    target: "https://a.example/b+c",
  });
});
