/** Mail to a real SMTP server, with and without encryption. */
import assert from "node:assert/strict";
import type { AlertEvent } from "../../../lib/core/events.ts";
import { type MailSettings, sendMail } from "../../../lib/notify/mail.ts";
import { SendError } from "../../../lib/notify/receiver.ts";
import { deadPort } from "../../fixtures/receiver.ts";
import { SMTP_PASSWORD, SmtpServer } from "../../fixtures/smtp.ts";

const event: AlertEvent = {
  kind: "backup_failed",
  at: "2026-01-31T02:00:00.000Z",
  host: "server1",
  stack: "läden",
  title: "Backup of läden failed\r\nBcc: x@example.org",
  message: "no space left",
  backup_id: 7,
};

function settings(server: { port: number }, change: Partial<MailSettings> = {}): MailSettings {
  return {
    host: "localhost",
    port: server.port,
    security: "none",
    user: "duck",
    password: "env:PASSWORD",
    from: "duckback@example.org",
    to: ["one@example.org", "two@example.org"],
    ...change,
  };
}

/** Null where the mail was taken, else what was said. */
async function tried(
  to: MailSettings,
  env: Record<string, string>,
  ms = 20_000,
): Promise<string | null> {
  try {
    await sendMail(to, event, env, AbortSignal.timeout(ms));
    return null;
  } catch (cause) {
    assert.ok(cause instanceof SendError, String(cause));
    assert.doesNotMatch(cause.message, new RegExp(SMTP_PASSWORD));
    return cause.message;
  }
}

const secret = { PASSWORD: SMTP_PASSWORD };

Deno.test("sendMail() logs in and sends one mail to all, without encryption only if asked", async () => {
  await using server = await SmtpServer.start("none");
  assert.equal(await tried(settings(server), secret), null);
  const [mail] = server.mails;
  assert.deepEqual(mail.to, ["one@example.org", "two@example.org"]);
  assert.equal(mail.from, "duckback@example.org");
  assert.match(mail.content, /^From: duckback <duckback@example\.org>\r$/m);
  assert.match(mail.content, /^Date: Sat, 31 Jan 2026 02:00:00 \+0000\r$/m);
  assert.match(mail.content, /^Subject: =\?UTF-8\?/m);
  assert.doesNotMatch(mail.content.split("\r\n\r\n")[0], /^Bcc:/m);
  assert.match(mail.content, /no space left/);
  assert.match(await tried(settings(server, { security: "starttls" }), secret) ?? "", /STARTTLS/);
  assert.match(
    await tried(settings(server), { PASSWORD: "wrong" }) ?? "",
    /refused the user name or password/,
  );
  assert.match(await tried(settings(server), {}) ?? "", /variable PASSWORD is not set/);
  assert.match(
    await tried(settings(server, { to: ["nobody@example.org"] }), secret) ?? "",
    /does not take mail|answered 550/,
  );
  assert.equal(server.mails.length, 1);
});

for (const security of ["starttls", "tls"] as const) {
  Deno.test(`sendMail() encrypts with ${security}, for a certificate it trusts`, async () => {
    await using server = await SmtpServer.start(security);
    const to = settings(server, { security });
    const trusting = { ...secret, SSL_CERT_FILE: server.authority };
    assert.equal(await tried(to, trusting), null);
    assert.equal(server.mails[0].encrypted, true);
    assert.match(await tried(to, secret) ?? "", /certificate/);
    assert.equal(server.mails.length, 1);
  });
}

Deno.test("sendMail() gives up on a server that is away or says nothing", async () => {
  const dead = settings({ port: deadPort() });
  assert.match(await tried(dead, secret) ?? "", /connection was refused/);
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  assert.match(await tried(settings({ port }), secret, 300) ?? "", /did not answer in time/);
});
