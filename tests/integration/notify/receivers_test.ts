/** Webhooks, pings and the command, with real servers and programs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { AlertEvent } from "../../../lib/core/events.ts";
import { buildReceivers, type ReceiverSettings } from "../../../lib/notify/receivers.ts";
import { sendWithRetries } from "../../../lib/notify/retry.ts";
import { deadPort, HttpReceiver } from "../../fixtures/receiver.ts";
import { certificates } from "../../fixtures/smtp.ts";

const event: AlertEvent = {
  kind: "backup_failed",
  at: "2026-01-31T02:00:00.000Z",
  host: "server1",
  stack: "my shop",
  title: "Backup of my shop failed",
  message: "no space left",
  backup_id: 7,
};

/** Sends the event to the one receiver that the settings name; null where it was taken. */
async function told(
  change: Partial<ReceiverSettings>,
  env: Record<string, string> = {},
  ms = 20_000,
): Promise<string | null> {
  const settings = { events: [], webhooks: [], mail: null, pings: [], command: [], ...change };
  const [receiver] = buildReceivers(settings, env);
  const signal = AbortSignal.timeout(ms);
  return (await sendWithRetries((each) => receiver.send(event, each), signal))?.message ?? null;
}

const hook = (target: string) => ({ webhooks: [{ template: "generic" as const, target }] });

Deno.test("webhooks are tried again where that may help, and not where it cannot", async () => {
  await using server = new HttpReceiver();
  server.answers = [503];
  assert.equal(await told(hook(`${server.url}/hook`)), null);
  assert.equal(server.requests.length, 2);
  server.answers = [404, 200];
  assert.equal(await told(hook(`${server.url}/hook`)), "it answered 404");
  assert.equal(server.requests.length, 3);
  server.answers = [301];
  assert.match(await told(hook(`${server.url}/hook`)) ?? "", /moved/);
});

Deno.test("webhooks that are away cost no more than the time they have", async () => {
  await using server = new HttpReceiver();
  server.hang = true;
  const began = performance.now();
  assert.equal(await told(hook(`${server.url}/hook`), {}, 500), "it did not answer in time");
  const dead = hook(`http://127.0.0.1:${deadPort()}/hook`);
  assert.equal(await told(dead, {}, 500), "the connection was refused");
  assert.match(await told(hook("http://no-such-host.invalid/"), {}, 500) ?? "", /resolved|in time/);
  assert.ok(performance.now() - began < 15_000);
});

Deno.test("webhooks go over TLS to whom the machine's own authorities vouch for", async () => {
  const dir = await Deno.makeTempDir({ prefix: "duckback-tls-" });
  await certificates(dir);
  const read = (name: string) => Deno.readTextFileSync(join(dir, name));
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: read("server.pem"),
    key: read("server.key"),
    onListen: () => {},
  }, () => new Response("ok"));
  const target = hook(`https://localhost:${server.addr.port}/`);
  assert.equal(await told(target, { SSL_CERT_FILE: join(dir, "ca.pem") }), null);
  assert.match(await told(target, {}, 500) ?? "", /certificate is not trusted/);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("what a reference names is looked up when it is needed, and never shown", async () => {
  await using server = new HttpReceiver();
  const dir = await Deno.makeTempDir({ prefix: "duckback-secret-" });
  const file = join(dir, "hook");
  assert.match(await told(hook(`file:${file}`)) ?? "", /hook does not exist/);
  await Deno.writeTextFile(file, `${server.url}/first?token=1\nsecond line\n`);
  assert.equal(await told(hook(`file:${file}`)), null);
  assert.equal(server.requests[0].path, "/first?token=1");
  assert.match(await told(hook("env:HOOK")) ?? "", /variable HOOK is not set/);
  const secret = await told(hook("env:HOOK"), { HOOK: "no url s3cret" });
  assert.match(secret ?? "", /no http or https URL/);
  assert.doesNotMatch(secret ?? "", /s3cret/);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("pings say how it went behind the URL, and what is wrong in the body", async () => {
  await using server = new HttpReceiver();
  assert.equal(await told({ pings: [`${server.url}/ping/key/{stack}?create=1`] }), null);
  const [{ method, path, body }] = server.requests;
  assert.equal(method, "POST");
  assert.equal(path, "/ping/key/my%20shop/fail?create=1");
  assert.equal(body, "Backup of my shop failed\nno space left");
});

Deno.test("a command gets the event on its standard input, and no more time than there is", async () => {
  const dir = await Deno.makeTempDir({ prefix: "duckback-command-" });
  const out = join(dir, "out");
  const script = `cat > "$1"; printf '%s' "$2" >> "$1"; [ -z "$SECRET" ] || echo leak >> "$1"`;
  const argv = ["sh", "-c", script, "sh", out, "$(touch /tmp/never)"];
  assert.equal(await told({ command: argv }, { PATH: "/usr/bin:/bin", SECRET: "x" }), null);
  const [first, second] = (await Deno.readTextFile(out)).split("\n");
  assert.deepEqual(JSON.parse(first), event);
  assert.equal(second, "$(touch /tmp/never)");
  assert.equal(await told({ command: ["sh", "-c", "exit 3"] }), "it ended with 3");
  assert.match(await told({ command: ["/no/such/program"] }) ?? "", /no such program/);
  const stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"];
  assert.equal(await told({ command: stubborn }, { PATH: "/bin" }, 300), "it did not end in time");
  await Deno.remove(dir, { recursive: true });
});
