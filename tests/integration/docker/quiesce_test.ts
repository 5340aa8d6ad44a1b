/** Stop and start of real containers: order, grace, interruption, what is left alone. */
import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { connectEngine } from "../../../lib/docker/dockerode_engine.ts";
import type { Engine } from "../../../lib/docker/engine.ts";
import { planQuiesce, type QuiescePlan, startAll, stopAll } from "../../../lib/docker/quiesce.ts";
import { discoverStack, refreshStack } from "../../../lib/docker/stack.ts";
import { BASE_IMAGE, createSampleStack, docker, type SampleStack } from "../../fixtures/docker.ts";

async function plan(engine: Engine, sample: SampleStack, mode: "stop" | "pause" = "stop") {
  const stack = await discoverStack({ workDir: sample.dir, env: {}, engine, extraSources: [] });
  // As it comes out of the journal.
  return JSON.parse(JSON.stringify(planQuiesce(stack, mode))) as QuiescePlan;
}

const short = (sample: SampleStack, names: string[]) =>
  names.map((name) => name.replace(`${sample.project}_`, ""));
const BEFORE = { admin: "created", app: "running", db: "running", migrate: "exited" };

Deno.test("stopAll() and startAll() bring a stack down and back exactly as it was [case 7]", async (t) => {
  await using sample = await createSampleStack({
    web_replicas: 2,
    ignores_term: ["app"],
    stop_grace: 1,
    healthchecks: { db: "healthy" },
  });
  const engine = await connectEngine({});
  await docker("stop", `${sample.project}_web_2`);
  const before = await sample.states();
  assert.deepEqual(before, { ...BEFORE, web: "running", web_2: "exited" });
  const planned = await plan(engine, sample);
  const log: string[] = [];
  const onStep = (text: string) => void log.push(text.replaceAll(`${sample.project}_`, ""));

  await t.step("a container that ignores its signal is reported as killed", async () => {
    const report = await stopAll(engine, planned, { onStep });
    assert.deepEqual(short(sample, report.stopped), ["web_1", "app_1", "db_1"]);
    assert.deepEqual(short(sample, report.killed), ["app_1"]);
    assert.deepEqual(report.containers.map(({ exit_code }) => exit_code), [0, 137, 0]);
    assert(report.first_stop_ms! <= performance.now());
    assert.deepEqual(new Set(Object.values(await sample.states())), new Set(["exited", "created"]));
  });
  await t.step("dependencies start first, and are healthy before what needs that", async () => {
    const report = await startAll(engine, planned, { onStep });
    assert.deepEqual(short(sample, report.started), ["db_1", "app_1", "web_1"]);
    assert.deepEqual(report.already_running, []);
    assert.deepEqual(report.started_meanwhile, []);
    assert.deepEqual(await sample.states(), before);
    const healthy = await docker(
      "inspect",
      "-f",
      "{{(index .State.Health.Log 0).End}}",
      `${sample.project}_db_1`,
    );
    const [day, time] = healthy.split(" ");
    const app = (await sample.container("app")).started_at;
    assert(Date.parse(`${day}T${time}Z`) <= Date.parse(app), `${healthy} after ${app}`);
    assert.deepEqual(log, [
      "Stopped web (web_1)",
      "Stopped app (app_1): it did not end on its own and was killed",
      "Stopped db (db_1)",
      "Started db (db_1)",
      "Started app (app_1)",
      "Started web (web_1)",
    ]);
  });
  await t.step("a second start does nothing", async () => {
    const started = (await sample.container("web")).started_at;
    const report = await startAll(engine, planned);
    assert.deepEqual(report.started, []);
    assert.deepEqual(short(sample, report.already_running), ["db_1", "app_1", "web_1"]);
    assert.equal((await sample.container("web")).started_at, started);
  });
});

Deno.test("startAll() after an interrupted or failed stop restores all, and fast", async (t) => {
  await using sample = await createSampleStack({ stop_grace: 20 });
  const engine = await connectEngine({});
  const before = await sample.states();
  const planned = await plan(engine, sample);

  await t.step("interrupted between two stops", async () => {
    const abort = new AbortController();
    const db = (await sample.container("db")).started_at;
    await assert.rejects(
      stopAll(engine, planned, {
        signal: abort.signal,
        onStep: (text) => text.includes("app") && abort.abort(),
      }),
      (error) => error instanceof DuckbackError && error.code === "INTERRUPTED",
    );
    assert.deepEqual(await sample.states(), { ...before, web: "exited", app: "exited" });
    const begin = performance.now();
    const report = await startAll(engine, planned);
    // Nothing says that db was asked to stop, so its grace of 20 s is not waited for.
    assert(performance.now() - begin < 5_000);
    assert.deepEqual(short(sample, report.started), ["app_1", "web_1"]);
    assert.deepEqual(short(sample, report.already_running), ["db_1"]);
    assert.deepEqual(report.started_meanwhile, []);
    assert.deepEqual(await sample.states(), before);
    assert.equal((await sample.container("db")).started_at, db);
  });
  await t.step("interrupted before the first", async () => {
    await assert.rejects(stopAll(engine, planned, { signal: AbortSignal.abort() }));
    // The signals that the stop above sent were before these containers' present start.
    const begin = performance.now();
    assert.deepEqual((await startAll(engine, await plan(engine, sample))).started, []);
    assert(performance.now() - begin < 5_000);
  });
});

Deno.test("startAll() waits for a stop that a dead run left behind", async () => {
  await using sample = await createSampleStack({ slow_stop: 3, stop_grace: 20 });
  const engine = await connectEngine({});
  const before = await sample.states();
  const planned = await plan(engine, sample);
  const { id } = await sample.container("web");
  const conn = await Deno.connect({ transport: "unix", path: "/var/run/docker.sock" });
  const request = `POST /containers/${id}/stop HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n`;
  await conn.write(new TextEncoder().encode(request));
  await new Promise((resolve) => setTimeout(resolve, 300));
  conn.close();
  assert.deepEqual(await sample.states(), before);
  const report = await startAll(engine, planned);
  assert.deepEqual(short(sample, report.started), ["web_1"]);
  assert.deepEqual(short(sample, report.already_running), ["db_1", "app_1"]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(await sample.states(), before);
});

Deno.test("stopAll() in mode pause freezes, startAll() thaws, paused ones stay paused", async () => {
  await using sample = await createSampleStack({ with_rm: true });
  const engine = await connectEngine({});
  await docker("pause", `${sample.project}_app_1`);
  const before = await sample.states();
  const planned = await plan(engine, sample, "pause");
  assert.deepEqual(planned.left.map(({ service }) => service), ["app"]);
  const report = await stopAll(engine, planned);
  assert.deepEqual(short(sample, report.paused).sort(), ["db_1", "job_run", "web_1"]);
  assert.deepEqual(await sample.states(), {
    ...BEFORE,
    app: "paused",
    db: "paused",
    job: "paused",
    web: "paused",
  });
  await docker("unpause", `${sample.project}_db_1`);
  const started = await startAll(engine, planned, { stopped: report });
  assert.deepEqual(short(sample, started.started_meanwhile), ["db_1"]);
  assert.deepEqual(short(sample, started.started).sort(), ["job_run", "web_1"]);
  assert.deepEqual(await sample.states(), before);
});

Deno.test("startAll() tells what somebody started meanwhile [case 11]", async () => {
  await using sample = await createSampleStack();
  const engine = await connectEngine({});
  const before = await sample.states();
  const planned = await plan(engine, sample);
  const stopped = await stopAll(engine, planned);
  const name = (service: string) => `${sample.project}_${service}_1`;
  await docker("start", name("web"), name("admin"), name("migrate"));
  // Started and stopped again: it may have written all the same.
  await docker("start", name("app"));
  await docker("stop", name("app"));
  const report = await startAll(engine, planned, { stopped });
  assert.deepEqual(short(sample, report.already_running), ["web_1"]);
  assert.deepEqual(short(sample, report.started_meanwhile).sort(), [
    "admin_1",
    "app_1",
    "migrate_1",
    "web_1",
  ]);
  // What somebody started on purpose is theirs.
  assert.deepEqual(await sample.states(), { ...before, admin: "running" });
});

Deno.test("planQuiesce() refuses --rm containers before anything is stopped", async () => {
  await using sample = await createSampleStack({ with_rm: true });
  const engine = await connectEngine({});
  const before = await sample.states();
  assert.equal(before.job, "running");
  await assert.rejects(plan(engine, sample), (error) => {
    assert(error instanceof DuckbackError && error.code === "AUTO_REMOVE");
    return /job_run/.test(error.message);
  });
  assert.deepEqual(await sample.states(), before);
});

Deno.test("refreshStack() sees what changed since the stack was found", async () => {
  await using sample = await createSampleStack();
  const engine = await connectEngine({});
  const stack = await discoverStack({ workDir: sample.dir, env: {}, engine, extraSources: [] });
  await docker("stop", `${sample.project}_web_1`);
  await docker("start", `${sample.project}_admin_1`);
  const fresh = planQuiesce(await refreshStack(engine, stack), "stop");
  assert.deepEqual(fresh.items.map(({ service }) => service), ["app", "admin", "db"]);
});

/** Ends on SIGUSR1 alone, two seconds after it. */
const QUIT = `
  quit:
    <<: *common
    stop_signal: SIGUSR1
    stop_grace_period: 4s
    command:
      - /bin/sh
      - -c
      - 'trap "" TERM; trap "sleep 2; echo bye; exit 0" USR1; while :; do sleep 0.1 & wait $$!; done'
`;

Deno.test("stopAll() uses each container's own signal and grace; made by hand or renamed, all come back", async () => {
  await using sample = await createSampleStack({
    stop_grace: 1,
    web_replicas: 2,
    extra_services: QUIT,
  });
  const engine = await connectEngine({});
  const name = (text: string) => `${sample.project}_${text}`;
  const labels = ["duckback.test=1", `com.docker.compose.project=${sample.project}`];
  const flags = labels.flatMap((label) => ["--label", label]);
  await docker("start", name("quit_1"));
  for (const hand of ["hand", "idle"]) {
    await docker("run", "-d", "--network=none", "--name", name(hand), ...flags, BASE_IMAGE);
  }
  await docker("stop", name("idle"));
  await docker("rename", name("web_2"), name("renamed"));
  const before = await sample.containers();

  const planned = await plan(engine, sample);
  const report = await stopAll(engine, planned);
  assert.deepEqual(short(sample, report.stopped).sort(), [
    "app_1",
    "db_1",
    "hand",
    "quit_1",
    "renamed",
    "web_1",
  ]);
  assert.deepEqual(report.killed, []);
  assert.match(await docker("logs", name("quit_1")), /^bye$/m);
  await startAll(engine, planned, { stopped: report });
  const key = (item: typeof before[number]) => [item.id, item.name, item.state];
  assert.deepEqual((await sample.containers()).map(key), before.map(key));
});

Deno.test("refreshStack() sees containers of other projects that came to share a source", async () => {
  await using sample = await createSampleStack();
  const engine = await connectEngine({});
  const stack = await discoverStack({ workDir: sample.dir, env: {}, engine, extraSources: [] });
  assert.deepEqual(stack.sharing, []);
  const name = `${sample.project}-late`;
  const flags = ["--label", "duckback.test=1", "-v", `${sample.volume}:/data`];
  await docker("run", "-d", "--network=none", "--name", name, ...flags, BASE_IMAGE);
  try {
    const fresh = await refreshStack(engine, stack);
    assert.deepEqual(fresh.sharing.map((item) => [item.container.name, item.sources]), [
      [name, [sample.volume]],
    ]);
    const items = (stop_sharing: boolean) =>
      planQuiesce(fresh, "stop", { stop_sharing }).items.map((item) => item.name);
    assert.equal(items(true)[0], name);
    assert.equal(items(false).includes(name), false);
    assert.deepEqual(planQuiesce(fresh, "stop").left, [{
      name,
      service: null,
      reason: "it is another project's",
      writes: [sample.volume],
      sharing: true,
    }]);
  } finally {
    await docker("rm", "-f", name);
  }
});
