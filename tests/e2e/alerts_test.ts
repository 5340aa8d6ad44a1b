/** Alerts of the compiled binary, sent to real receivers. */
import assert from "node:assert/strict";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import { deadPort, HttpReceiver } from "../fixtures/receiver.ts";
import { SMTP_PASSWORD, SmtpServer } from "../fixtures/smtp.ts";
import { auditRows, finished, names, Place, sh, until } from "./support.ts";

const TOKEN = "T0KEN-d41d8cd98f00b204";

/** Sets several keys at once. */
async function set(place: Place, values: Record<string, unknown>) {
  await using catalog = await openCatalog({ home: place.home });
  await catalog.settings.setAll(values, new Date());
}

function kinds(receiver: HttpReceiver): string[] {
  return receiver.bodies.map(({ kind }) => kind);
}

Deno.test("backup create tells webhooks when it fails, and when it is well again", async () => {
  await using place = new Place();
  await using receiver = new HttpReceiver();
  const at = { cwd: place.tree("plain", { "a.txt": "a" }) };
  await place.ok(["config", "set", "notify.webhook_urls", `${receiver.url}/hook`], at);
  await set(place, { "backup.min_free_bytes": 2 ** 50 });
  receiver.answers = [400]; // what it refuses once does not keep the next from it, and comes again
  assert.equal((await place.run(["backup", "create"], at)).code, 1);
  assert.equal((await place.run(["backup", "create"], at)).code, 1);
  assert.deepEqual(
    receiver.bodies.map(({ kind, stack, level, source }) => ({ kind, stack, level, source })),
    [
      { kind: "disk_low", stack: "plain", level: "warning", source: "duckback" },
      { kind: "backup_failed", stack: "plain", level: "bad", source: "duckback" },
      { kind: "disk_low", stack: "plain", level: "warning", source: "duckback" },
    ],
  );
  assert.match(receiver.bodies[1].message, /needed \(DISK_FULL\)/);
  await set(place, { "backup.min_free_bytes": null });
  await place.ok(["backup", "create"], at);
  await place.ok(["backup", "create"], at);
  assert.deepEqual(kinds(receiver), ["disk_low", "backup_failed", "disk_low", "recovered"]);
  assert.deepEqual(names(`${place.home}/alerts`).filter((name) => name.endsWith(".json")), []);

  // Not even where nothing can be kept of it, as on a full disk, is an alert lost.
  Deno.removeSync(`${place.home}/alerts`, { recursive: true });
  Deno.writeTextFileSync(`${place.home}/alerts`, "");
  await set(place, { "backup.min_free_bytes": 2 ** 50 });
  assert.equal((await place.run(["backup", "create"], at)).code, 1);
  assert.deepEqual(kinds(receiver).slice(4).sort(), ["backup_failed", "disk_low"]);
});

Deno.test("a verification that fails is told, through what needs the archive too, and that it is well again", async () => {
  await using place = new Place();
  await using receiver = new HttpReceiver();
  const at = { cwd: place.tree("shop", { "a.txt": "a", "b.txt": "b" }) };
  await place.ok(["config", "set", "notify.webhook_urls", `${receiver.url}/hook`], at);
  const create = ["backup", "create", "--kind", "incremental", "--json"];
  const { backup } = (await place.ok(create, at)).json;
  Deno.writeTextFileSync(`${at.cwd}/b.txt`, "changed");
  assert.equal((await place.ok(create, at)).json.backup.parent_id, backup.id);
  const sound = Deno.readFileSync(backup.backup_path);
  const damaged = sound.slice();
  damaged[damaged.length >> 1] ^= 1;
  Deno.writeFileSync(backup.backup_path, damaged);
  const told = () =>
    receiver.bodies.map(({ kind, level, stack, backup_id }) => [kind, level, stack, backup_id]);
  assert.equal((await place.run(["backup", "verify", "2"], at)).code, 12);
  assert.ok(receiver.bodies[0].message.includes(backup.backup_name), receiver.bodies[0].message);
  // One that is sound itself does not make the other so, nor is the same told again.
  assert.equal((await place.run(["backup", "verify", "--all"], at)).code, 12);
  assert.deepEqual(told(), [["verify_failed", "bad", "shop", backup.id]]);
  Deno.writeFileSync(backup.backup_path, sound);
  receiver.requests.length = 0;
  await place.ok(["backup", "verify", "--all"], at);
  assert.deepEqual(told(), [["recovered", "good", "shop", backup.id]]);
});

Deno.test("a dead receiver holds up nothing and is told later; secrets show nowhere", async () => {
  await using place = new Place();
  await using receiver = new HttpReceiver();
  await using smtp = await SmtpServer.start("starttls");
  const at = {
    cwd: place.tree("shop", { "a.txt": "a" }),
    env: {
      HOOK: `${receiver.url}/services/${TOKEN}?token=${TOKEN}`,
      PASSWORD: SMTP_PASSWORD,
      PING: `http://duck:${TOKEN}@${receiver.url.slice(7)}/ping/{stack}/${TOKEN}`,
      SSL_CERT_FILE: smtp.authority,
    },
  };
  const record = place.path("event.json");
  const program = place.path("told");
  await Deno.writeTextFile(program, `#!/bin/sh\nenv > ${record}.env\ncat > ${record}\n`, {
    mode: 0o700,
  });
  await place.ok(["init"], at);
  await set(place, {
    "notify.webhook_urls": ["slack+env:HOOK", `http://127.0.0.1:${deadPort()}/hook`],
    "notify.smtp_host": "localhost",
    "notify.smtp_port": smtp.port,
    "notify.smtp_user": "duck",
    "notify.smtp_password": "env:PASSWORD",
    "notify.mail_from": "duckback@example.org",
    "notify.mail_to": ["admin@example.org"],
    "notify.ping_urls": ["env:PING"],
    "notify.command": [program, "--title; rm -rf /"],
    "notify.timeout_seconds": 2,
  });
  const tested = await place.run(["notify", "test", "--json"], at);
  assert.equal(tested.code, 1);
  assert.deepEqual(
    tested.json.results.map(({ channel, ok }: { channel: string; ok: boolean }) => [channel, ok]),
    [["webhook", true], ["webhook", false], ["mail", true], ["ping", true], ["command", true]],
  );
  assert.match(tested.json.results[1].error, /connection was refused/);
  assert.equal((await place.run(["notify", "test", "--channel", "ping"], at)).code, 0);

  // One that takes the connection and never answers, while the backup is made.
  receiver.requests.length = 0;
  receiver.hang = true;
  const made = await place.run(["backup", "create", "--json"], at);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stderr, /ping env:PING was not told: it did not answer in time/);
  assert.deepEqual(receiver.requests.slice(0, 1).map(({ path }) => path), [
    `/ping/shop/${TOKEN}/start`,
  ]);
  const waiting = names(`${place.home}/alerts`).filter((name) => name.endsWith(".json"));
  assert.equal(waiting.length, 1);
  assert.equal(Deno.statSync(`${place.home}/alerts/${waiting[0]}`).mode! & 0o777, 0o600);

  receiver.hang = false;
  receiver.requests.length = 0;
  await set(place, { "backup.min_free_bytes": 2 ** 50 });
  assert.equal((await place.run(["backup", "create"], at)).code, 1);
  const paths = receiver.requests.map(({ path }) => path);
  // The success of before is history by now: a service would take it for the end of this run.
  assert.deepEqual(paths.filter((path) => path.startsWith("/ping")), [
    `/ping/shop/${TOKEN}/start`,
    `/ping/shop/${TOKEN}/fail`,
  ]);
  assert.deepEqual(paths.filter((path) => path.startsWith("/services")), [
    `/services/${TOKEN}?token=${TOKEN}`,
    `/services/${TOKEN}?token=${TOKEN}`,
  ]);
  const slack = receiver.requests.findLast(({ path }) => path.startsWith("/services"))!;
  assert.match(JSON.parse(slack.body).text, /\*Backup of shop failed\*/);
  assert.match(receiver.requests[0].headers.authorization, /^Basic /);
  assert.match(smtp.mails.at(-1)!.content, /^Subject: \[duckback\] Backup of shop failed/m);
  assert.equal(JSON.parse(await Deno.readTextFile(record)).kind, "backup_failed");
  assert.doesNotMatch(await Deno.readTextFile(`${record}.env`), /HOOK|PING|PASSWORD/);

  // What only the dead one has not got waits for it, and a live one in its place does not get it twice.
  const left = names(`${place.home}/alerts`).filter((name) => name.endsWith(".json"));
  assert.equal(left.length, 2);
  receiver.requests.length = 0;
  await set(place, { "notify.webhook_urls": ["slack+env:HOOK", `${receiver.url}/hook`] });
  const checked = await place.ok(["notify", "check", "--json"], at);
  assert.deepEqual(receiver.requests.map(({ path }) => path), ["/hook", "/hook"]);
  assert.equal(checked.json.deliveries[1].sent, 2);

  const exported = await place.ok(["config", "list", "--json"], at);
  const output = [tested, made, checked, exported].map((one) => one.stdout + one.stderr).join();
  for (const secret of [TOKEN, SMTP_PASSWORD]) {
    assert.ok(!output.includes(secret), "in the output");
    assert.equal(await sh(`grep -rlF '${secret}' ${place.home} || true`), "", "in the home");
  }
});

Deno.test("secrets are refused as settings and stay out of the error", async () => {
  await using place = new Place();
  for (
    const [key, value] of [
      ["notify.smtp_password", TOKEN],
      ["notify.webhook_urls", `https://hooks.slack.com/services/${TOKEN}`],
      ["notify.webhook_urls", `https://user:${TOKEN}@example.org/hook`],
      ["notify.ping_urls", `https://hc-ping.com/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278/${TOKEN}`],
    ]
  ) {
    const refused = await place.run(["config", "set", key, value, "--json"]);
    assert.equal(refused.code, 2);
    assert.match(refused.json.error.hint, /env:NAME .*file:\/PATH/);
    assert.ok(!(refused.stdout + refused.stderr).includes(TOKEN));
  }
  assert.deepEqual(await auditRows(place, "config"), []);
  const nobody = await place.run(["notify", "test", "--json"]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.json.error.hint, /notify\.webhook_urls/);
});

Deno.test("no argument of any process holds a secret while it is sent", async () => {
  await using place = new Place();
  await using receiver = new HttpReceiver();
  receiver.hang = true;
  const env = { HOOK: `${receiver.url}/${TOKEN}` };
  await place.ok(["config", "set", "notify.webhook_urls", "discord+env:HOOK"]);
  await set(place, { "notify.timeout_seconds": 2 });
  const child = place.start(["notify", "test"], { env });
  await until("the webhook is asked", () => receiver.requests.length > 0, 60_000);
  assert.ok(!(await sh("ps axww -o args")).includes(TOKEN));
  const { code, stdout } = await finished(child);
  assert.equal(code, 1);
  assert.match(stdout, /discord env:HOOK +.* FAILED: it did not answer in time/);
});

Deno.test("status and the daemon tell what is overdue and a disk that is filling up", async () => {
  await using place = new Place();
  await using receiver = new HttpReceiver();
  const at = { cwd: place.tree("plain", { "a.txt": "a" }) };
  await place.ok(["backup", "create"], at);
  await set(place, {
    "notify.webhook_urls": [`${receiver.url}/hook`],
    "notify.overdue_hours": 1,
    "notify.disk_percent": 1,
  });
  assert.equal((await place.ok(["status", "--json"], at)).json.overdue, null);
  {
    await using catalog = await openCatalog({ home: place.home });
    const long_ago = "2026-01-01T00:00:00.000Z";
    await catalog.backups.update(1, { completed_at: long_ago });
  }
  const status = await place.run(["status", "--json"], at);
  assert.equal(status.code, 1);
  assert.match(status.json.problems[0], /The last good backup of plain .* the limit is 1 h/);
  const daemon = place.start(["auto-backup", "daemon", "--heartbeat", "1"]);
  await until("the daemon tells", () => receiver.requests.length >= 2, 60_000);
  daemon.kill("SIGTERM");
  await daemon.output();
  await place.ok(["notify", "check"], at);
  assert.deepEqual(kinds(receiver), ["overdue", "disk_low"]);
  await set(place, { "notify.disk_percent": 100 });
  await place.ok(["backup", "create"], at);
  assert.deepEqual(kinds(receiver).slice(2), ["recovered", "recovered"]);
  assert.equal((await place.ok(["status", "--json"], at)).json.overdue, null);
});
