/** Services after their start: well, well at the second try, or never; and by hand. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack, docker, type SampleStack } from "../fixtures/docker.ts";
import { HttpReceiver } from "../fixtures/receiver.ts";
import { auditRows, finished, names, Place, sh, until } from "./support.ts";

const UP = { admin: "created", app: "running", db: "running", migrate: "exited", web: "running" };

/** Ends with 3 in its second run, and is well again from the third on. */
const PHOENIX = `
  phoenix:
    <<: *common
    restart: "no"
    command:
      - /bin/sh
      - -c
      - 'echo run >> /tries; [ $$(wc -l < /tries) -ne 2 ] || { echo not yet; exit 3; }; exec /bin/service'
`;

async function startAlso(stack: SampleStack, service: string) {
  await docker("start", (await stack.container(service)).name);
}

async function runs(stack: SampleStack, service: string): Promise<number> {
  const log = await docker("logs", (await stack.container(service)).name);
  return log.split("\n").filter((line) => line.startsWith("up, run ")).length;
}

/** A run that was killed while db was stopping, which takes two seconds; all are down afterwards. */
async function killedHalfWay(place: Place, stack: SampleStack) {
  const run = place.start(["docker-service", "restart"], { cwd: stack.dir });
  const db = (await stack.container("db")).name;
  await until("db is asked to stop", async () => (await docker("logs", db)).includes("stopping"));
  run.kill("SIGKILL");
  await run.output();
  await stack.until((all) => all.every((item) => item.state !== "running"));
}

Deno.test("a service that is not well after its start is started once more, and that is told", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ extra_services: PHOENIX });
  await startAlso(stack, "phoenix");
  const done = await place.ok(["backup", "create", "--json"], { cwd: stack.dir });
  const { backup, health } = done.json;
  const { name } = await stack.container("phoenix");
  assert.equal(backup.status, "completed");
  assert.deepEqual(health.started_again, [name]);
  assert.ok(health.healthy.includes(name));
  assert.match(done.stderr, /warning: phoenix \(.*\) is exited: starting it once more/);
  const shown = (await place.ok(["backup", "show", String(backup.id), "--json"])).json.backup;
  assert.deepEqual(
    shown.warnings.map((item: { code: string; path: string }) => [item.code, item.path]),
    [["STARTED_AGAIN", name]],
  );
  assert.equal((await stack.container("phoenix")).state, "running");
});

Deno.test("a service that stays down is partial after its second start, with its last lines [case 10]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ restart: "no", fails_after_restart: ["app"] });
  await using receiver = new HttpReceiver();
  const at = { cwd: stack.dir };
  await place.ok(["config", "set", "notify.webhook_urls", receiver.url], at);
  const done = await place.run(["backup", "create", "--json"], at);
  assert.equal(done.code, 3, done.stderr);
  const { backup, health } = done.json;
  assert.equal(backup.status, "partial");
  assert.match(backup.error_message, /Service app is exited/);
  const { name } = await stack.container("app");
  assert.deepEqual(health.started_again, [name]);
  assert.deepEqual(
    health.unhealthy.map((item: { service: string; exit_code: number; log_tail: string[] }) => [
      item.service,
      item.exit_code,
      item.log_tail.slice(-2),
    ]),
    [["app", 3, ["up, run 3", "cannot go on"]]],
  );
  assert.equal(await runs(stack, "app"), 3, "one start by the backup, one more, and no further");
  assert.deepEqual(await stack.states(), { ...UP, app: "exited" });
  assert.equal(await runs(stack, "db"), 2, "what is well is not started again");
  assert.deepEqual(receiver.bodies.map(({ kind, stack: of }) => [kind, of]), [
    ["service_down", stack.project],
    ["backup_partial", stack.project],
  ]);
});

Deno.test("what was unwell before is not waited for, and does not make the backup partial", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({
    extra_services: `
  looper:
    <<: *common
    restart: always
    command: ["/bin/sh", "-c", "exit 3"]
  sick:
    <<: *common
    restart: "no"
    healthcheck: {test: ["CMD", "/bin/false"], interval: 0.2s, retries: 1}
`,
  });
  await startAlso(stack, "looper");
  await startAlso(stack, "sick");
  await stack.until((all) =>
    all.some((item) => item.service === "looper" && item.state === "restarting") &&
    all.some((item) => item.service === "sick" && item.health === "unhealthy")
  );
  const { json } = await place.ok(["backup", "create", "--json"], { cwd: stack.dir });
  assert.equal(json.backup.status, "completed");
  assert.deepEqual(json.health.not_awaited, [(await stack.container("looper")).name]);
  assert.deepEqual(json.health.started_again, []);
  assert.ok(json.health.healthy.includes((await stack.container("sick")).name));
  // Both are what they were: one runs, the other is tried again and again.
  assert.equal((await stack.container("sick")).state, "running");
  await stack.until((all) =>
    all.some((item) => item.service === "looper" && item.state === "restarting")
  );
});

Deno.test("the report for people ends with the last lines of what stayed down", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ restart: "no", fails_after_restart: ["web"] });
  const done = await place.run(["backup", "create"], { cwd: stack.dir });
  assert.equal(done.code, 3);
  assert.match(done.stdout, /! Service web is exited after its start/);
  assert.match(done.stdout, /last lines of web:\n(?: {4}.*\n)* {4}cannot go on\n/);
});

Deno.test("recover --give-up leaves down what can never start, says so, and frees the way", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ slow_stop: 2 });
  await using receiver = new HttpReceiver();
  const at = { cwd: stack.dir };
  await place.ok(["config", "set", "notify.webhook_urls", receiver.url], at);
  await killedHalfWay(place, stack);
  const { name } = await stack.container("app");
  // A directory where a file is to be mounted: the engine refuses the start for as long as it is there.
  await sh("rm app.conf; mkdir app.conf", join(stack.dir, "config"));

  const blocked = await place.run(["backup", "create", "--json"], at);
  assert.equal(blocked.code, 1);
  assert.equal(blocked.json.error.code, "START_FAILED");
  assert.match(blocked.json.error.message, new RegExp(`which are DOWN: app \\(${name}\\)`));
  assert.match(blocked.json.error.hint, /duckback recover --give-up/);
  assert.equal(names(join(place.home, "journal")).length, 1);
  assert.deepEqual(receiver.bodies.map(({ kind }) => kind), ["service_down", "backup_failed"]);
  assert.match(receiver.bodies[0].message, /duckback recover --give-up/);

  const given = await place.run(["recover", "--give-up"], at);
  assert.equal(given.code, 3, given.stderr);
  assert.match(given.stdout, new RegExp(`GAVE UP on ${name}: it STAYS DOWN.*docker start ${name}`));
  assert.match(given.stderr, new RegExp(`warning: GIVEN UP: ${name}`));
  assert.deepEqual(await stack.states(), { ...UP, app: "exited" });
  assert.deepEqual(names(join(place.home, "journal")), []);
  const [row] = (await auditRows(place, "recover")).slice(-1);
  assert.equal(row.status, "partial");
  assert.match(row.result_message!, new RegExp(`gave up ${name}`));

  assert.equal((await place.ok(["recover", "--give-up", "--json"], at)).json.given_up.length, 0);
  await place.ok(["config", "set", "backup.keep_last", "3"], at);
});

Deno.test("recover --give-up starts what can be started after all", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ slow_stop: 2 });
  await using receiver = new HttpReceiver();
  await place.ok(["config", "set", "notify.webhook_urls", receiver.url]);
  await killedHalfWay(place, stack);
  const { json } = await place.ok(["recover", "--give-up", "--json"]);
  assert.deepEqual(json.given_up, []);
  assert.equal(json.services.length, 3);
  assert.deepEqual(receiver.bodies.map(({ kind }) => kind), ["recovered"]);
  assert.match(receiver.bodies[0].message, /"docker-service restart" of .* died/);
  assert.deepEqual(await stack.states(), UP);
});

Deno.test("docker-service works on one service, waits for health, and shows each fact", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({
    healthchecks: { db: "healthy" },
    extra_services: `
  later:
    <<: *common
    profiles: [tools]
`,
  });
  const at = { cwd: stack.dir };
  const times = async () =>
    Object.fromEntries((await stack.containers()).map((item) => [item.service, item.started_at]));

  const before = await times();
  const restarted = await place.ok(["docker-service", "restart", "web", "--json"], at);
  assert.deepEqual(restarted.json.changed, ["web"]);
  const after = await times();
  assert.notEqual(after.web, before.web);
  assert.deepEqual([after.db, after.app], [before.db, before.app]);

  await place.ok(["docker-service", "stop", "web"], at);
  assert.equal((await stack.container("web")).state, "exited");
  const again = await place.ok(["docker-service", "restart", "web", "--json"], at);
  assert.deepEqual(again.json.changed, ["web"], "one that was named is started though it was down");
  assert.deepEqual(await stack.states(), UP);

  const stopped = await place.ok(["docker-service", "stop", "--json"], at);
  const order = stopped.stderr.match(/^Stopped (\w+)/gm);
  assert.deepEqual(order, ["Stopped web", "Stopped app", "Stopped db"]);
  const started = await place.ok(["docker-service", "start", "--json"], at);
  assert.deepEqual(started.stderr.match(/^Started (\w+)/gm), [
    "Started db",
    "Started app",
    "Started web",
  ]);
  const db = await stack.container("db");
  assert.match(started.stderr, new RegExp(`^${db.name} is healthy$`, "m"));
  assert.match(started.stderr, /_web_1 is up$/m);
  assert.equal(started.json.health.healthy.length, 3);
  const events = await place.ok(["docker-service", "restart", "db", "--progress", "json"], at);
  const texts = events.stderr.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line)).filter((event) => event.phase === "health");
  assert.deepEqual(texts.map((event) => event.text), [
    "Waiting for db to be well: 0 of 1",
    "Waiting for db to be well: 1 of 1",
  ]);

  for (const verb of ["start", "restart"]) {
    const refused = await place.run(["docker-service", verb, "later", "--json"], at);
    assert.equal(refused.code, 1);
    assert.match(refused.json.error.message, /"later": it has no container yet/);
    assert.match(refused.json.error.hint, /docker compose up -d later/);
  }

  const { services } = (await place.ok(["docker-service", "status", "--json"], at)).json;
  const view = services.find((service: { service: string }) => service.service === "db");
  const now = await stack.container("db");
  assert.deepEqual(view, {
    service: "db",
    container: now.name,
    container_id: now.id,
    state: "running",
    health: "healthy",
    restart_policy: "unless-stopped",
    persistent: true,
    since: now.started_at,
    image: "duckback-test-base:2",
    ports: [],
    exit_code: null,
  });
  const later = services.find((service: { service: string }) => service.service === "later");
  assert.equal(later.state, "not created");
  const text = (await place.ok(["docker-service", "status"], at)).stdout;
  assert.match(
    text.split("\n")[0],
    /^SERVICE +CONTAINER +STATE +HEALTH +RESTART +SINCE +IMAGE$/,
  );
  assert.match(
    text,
    new RegExp(`^db +${now.name} +running +healthy +unless-stopped .* duckback`, "m"),
  );
});

Deno.test("what is still starting at the limit is not started again; SIGINT ends the wait with 130", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({
    extra_services: `
  slow:
    <<: *common
    healthcheck: {test: ["CMD", "/bin/false"], interval: 0.5s, start_period: 120s}
`,
  });
  await startAlso(stack, "slow");
  const at = { cwd: stack.dir };
  await place.ok(["config", "set", "backup.health_timeout_seconds", "2"]);
  const late = await place.run(["docker-service", "restart", "slow", "--json"], at);
  assert.equal(late.code, 3, late.stderr);
  assert.equal(late.json.health.unhealthy[0].health, "starting");
  assert.deepEqual(late.json.health.started_again, []);
  assert.equal(await runs(stack, "slow"), 2);

  await place.ok(["config", "set", "backup.health_timeout_seconds", "60"]);
  const before = (await stack.container("slow")).started_at;
  const run = place.start(["docker-service", "restart", "slow"], at);
  await stack.until((all) =>
    all.some((item) =>
      item.service === "slow" && item.state === "running" && item.started_at !== before
    )
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  run.kill("SIGINT");
  const ended = await finished(run);
  assert.equal(ended.code, 130, ended.stderr);
  assert.equal((await stack.container("slow")).state, "running");
});

Deno.test("docker-service status shows published ports, and keeps what it saw", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({
    extra_services: `
  door:
    image: duckback-test-base:2
    command: ["/bin/service"]
    labels: {duckback.test: "1"}
    ports: ["127.0.0.1::80"]
`,
  });
  await startAlso(stack, "door");
  const at = { cwd: stack.dir };
  const { services } = (await place.ok(["docker-service", "status", "--json"], at)).json;
  const door = services.find((service: { service: string }) => service.service === "door");
  assert.match(door.ports.join(), /^127\.0\.0\.1:\d+->80\/tcp$/);
  const [head] = (await place.ok(["docker-service", "status"], at)).stdout.split("\n");
  assert.match(head, / IMAGE +PORTS$/);
  await docker("stop", door.container);
  await place.ok(["docker-service", "status"], at);
  const { openCatalog } = await import("../../lib/catalog/open_catalog.ts");
  await using catalog = await openCatalog({ home: place.home });
  const rows = (await catalog.serviceStatus.list({ stack: stack.project, limit: 100 }))
    .filter((row) => row.service_name === "door");
  assert.deepEqual(rows.map((row) => row.status), ["exited", "running", "running"], "newest first");
  assert.equal(rows[0].container_id, door.container_id);
});
