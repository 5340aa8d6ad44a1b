/** Services come back although the engine, the network or somebody else gets in the way. */
import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { connectEngine } from "../../../lib/docker/dockerode_engine.ts";
import type { Engine } from "../../../lib/docker/engine.ts";
import { planQuiesce, type QuiescePlan, startAll, stopAll } from "../../../lib/docker/quiesce.ts";
import { waitWithSecondStart } from "../../../lib/docker/second_start.ts";
import { discoverStack } from "../../../lib/docker/stack.ts";
import { createSampleStack, docker, type SampleStack } from "../../fixtures/docker.ts";
import { EngineProxy } from "../../fixtures/engine_proxy.ts";

async function plan(engine: Engine, sample: SampleStack): Promise<QuiescePlan> {
  const stack = await discoverStack({ workDir: sample.dir, env: {}, engine, extraSources: [] });
  return planQuiesce(stack, "stop");
}

function failure(code: string) {
  return (error: unknown): DuckbackError => {
    assert(error instanceof DuckbackError, String(error));
    assert.equal(error.code, code);
    return error;
  };
}

Deno.test("stopAll() and startAll() through an engine that fails [case 9]", async (t) => {
  await using sample = await createSampleStack({ stop_grace: 3 });
  await using proxy = await EngineProxy.start();
  const engine = await connectEngine(proxy.env);
  const before = await sample.states();
  const planned = await plan(engine, sample);
  const name = (service: string) => `${sample.project}_${service}_1`;

  await t.step("answers that get lost are asked for again", async () => {
    for (const match of [/\/stop$/, /\/start$/, /\/json$/]) {
      proxy.rule({ match, times: 3, action: "lose" });
      proxy.rule({ match, times: 2, action: "drop" });
    }
    const stopped = await stopAll(engine, planned);
    assert.equal(stopped.stopped.length, 3);
    assert.equal((await sample.container("db")).state, "exited");
    const report = await startAll(engine, planned, { stopped });
    assert.deepEqual(report.started_meanwhile, []);
    assert.deepEqual(await sample.states(), before);
    proxy.rules.length = 0;
  });
  await t.step("starts that fail at first are tried again", async () => {
    await stopAll(engine, planned);
    proxy.failStarts(3);
    const steps: string[] = [];
    const report = await startAll(engine, planned, { onStep: (text) => void steps.push(text) });
    assert.equal(report.started.length, 3);
    assert.equal(steps.filter((text) => /no start today.*trying again/.test(text)).length, 3);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("a start that keeps failing is said loudly, the others run", async () => {
    await stopAll(engine, planned);
    const { id } = await sample.container("app");
    proxy.rule({
      match: new RegExp(`${id}/start$`),
      times: 9,
      action: "fail",
      message: "port taken",
    });
    const error = await startAll(engine, planned, { tries: 3 }).then(
      () => assert.fail("started"),
      failure("START_FAILED"),
    );
    assert.match(error.message, /1 of 3 containers.*DOWN: app \(.*_app_1\): .*port taken/);
    assert.match(error.hint!, new RegExp(`docker start ${name("app")};.*duckback recover`));
    assert.deepEqual(error.details.services, ["app"]);
    assert.deepEqual(await sample.states(), { ...before, app: "exited" });
    proxy.rules.length = 0;
    assert.deepEqual((await startAll(engine, planned)).started, [name("app")]);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("an engine that is away for a while is waited for", async () => {
    await stopAll(engine, planned);
    proxy.down = true;
    setTimeout(() => proxy.down = false, 1200);
    const report = await startAll(engine, planned);
    assert.equal(report.started.length, 3);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("an engine that stays away is a loud failure, mended by a later start", async () => {
    await stopAll(engine, planned);
    proxy.down = true;
    const begin = performance.now();
    const error = await startAll(engine, planned, { connection_budget_ms: 1000 }).then(
      () => assert.fail("started"),
      failure("START_FAILED"),
    );
    assert(performance.now() - begin < 4000, "the budget counts once for all containers");
    assert.match(error.message, /3 of 3 containers/);
    assert.deepEqual(error.details.services, ["db", "app", "web"]);
    proxy.down = false;
    await startAll(engine, planned);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("two recoveries at once do no harm", async () => {
    await stopAll(engine, planned);
    const direct = await connectEngine({});
    await Promise.all([startAll(engine, planned), startAll(direct, planned)]);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("a stop that fails half-way names the container; all come back", async () => {
    const { id } = await sample.container("app");
    proxy.rule({ match: new RegExp(`${id}/stop$`), times: 9, action: "fail", message: "no way" });
    const error = await stopAll(engine, planned).then(
      () => assert.fail("stopped"),
      failure("STOP_FAILED"),
    );
    assert.match(error.message, /app \(.*_app_1\): .*no way/);
    assert.deepEqual(await sample.states(), { ...before, web: "exited" });
    proxy.rules.length = 0;
    assert.deepEqual((await startAll(engine, planned)).started, [name("web")]);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("a stop without an engine fails, and starts undo it", async () => {
    proxy.rule({ match: /\/stop$/, times: 99, action: "drop" });
    const error = await stopAll(engine, planned, { connection_budget_ms: 500 }).then(
      () => assert.fail("stopped"),
      failure("STOP_FAILED"),
    );
    assert.match(error.message, /web/);
    proxy.rules.length = 0;
    await startAll(engine, planned);
    assert.deepEqual(await sample.states(), before);
  });
});

Deno.test("startAll() finds containers again that somebody changed meanwhile [case 6]", async (t) => {
  await using sample = await createSampleStack({ stop_grace: 3, web_replicas: 2 });
  const engine = await connectEngine({});
  const before = await sample.states();
  const name = (service: string, number = 1) => `${sample.project}_${service}_${number}`;

  await t.step("made anew and not started", async () => {
    const planned = await plan(engine, sample);
    await stopAll(engine, planned);
    const old = (await sample.container("web", 2)).id;
    await sample.compose("up", "--no-start", "--force-recreate", "--scale", "web=2", "web");
    assert.notEqual((await sample.container("web", 2)).id, old);
    const report = await startAll(engine, planned);
    assert.deepEqual(report.missing, []);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("made anew and started", async () => {
    const planned = await plan(engine, sample);
    const stopped = await stopAll(engine, planned);
    await sample.compose("up", "-d", "--force-recreate", "--scale", "web=2", "--no-deps", "web");
    const report = await startAll(engine, planned, { stopped });
    assert.deepEqual(report.already_running.sort(), [name("web", 1), name("web", 2)]);
    assert.deepEqual(report.started_meanwhile.sort(), [name("web", 1), name("web", 2)]);
    assert.deepEqual(await sample.states(), before);
  });
  await t.step("renamed", async () => {
    const planned = await plan(engine, sample);
    await stopAll(engine, planned);
    await docker("rename", name("app"), `${sample.project}_renamed`);
    const report = await startAll(engine, planned);
    assert(report.started.includes(`${sample.project}_renamed`));
    assert.deepEqual(await sample.states(), before);
    await docker("rename", `${sample.project}_renamed`, name("app"));
  });
  await t.step("removed: reported, the others run", async () => {
    const planned = await plan(engine, sample);
    await stopAll(engine, planned);
    await docker("rm", name("web", 2));
    const report = await startAll(engine, planned);
    assert.deepEqual(report.missing, [name("web", 2)]);
    const { web_2: _, ...rest } = before;
    assert.deepEqual(await sample.states(), rest);
  });
  await t.step("removed before its stop", async () => {
    const planned = await plan(engine, sample);
    await docker("rm", "-f", name("web"));
    const stopped = await stopAll(engine, planned);
    assert.deepEqual(stopped.stopped.sort(), [name("app"), name("db")]);
    const report = await startAll(engine, planned, { stopped });
    assert.deepEqual(report.missing, [name("web")]);
  });
});

Deno.test("startAll() brings back a container in a restart loop as it was", async () => {
  await using sample = await createSampleStack({ start: false, restart: "always" });
  const engine = await connectEngine({});
  // FAIL_AFTER=0 ends every run at once.
  await docker(
    ...["run", "-d", "--restart=always", "--network=none", "-e", "FAIL_AFTER=0"],
    ...["--name", `${sample.project}_crash_1`, "--label", "duckback.test=1"],
    ...["--label", `com.docker.compose.project=${sample.project}`],
    ...["--label", "com.docker.compose.service=crash", "duckback-test-base:2"],
  );
  // Between two looks the loop may be in its short running phase: look until it is caught waiting.
  let planned = await plan(engine, sample);
  for (let looks = 0; looks < 100 && planned.items[0]?.state !== "restarting"; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    planned = await plan(engine, sample);
  }
  assert.deepEqual(planned.items.map(({ service, state }) => [service, state]), [
    ["crash", "restarting"],
  ]);
  await stopAll(engine, planned);
  assert.equal((await sample.container("crash")).state, "exited");
  await startAll(engine, planned);
  await sample.until((all) => all.some(({ state }) => state === "restarting"));
  const health = await waitWithSecondStart(engine, planned, { timeoutMs: 2_000, graceMs: 300 });
  assert.deepEqual(health, {
    healthy: [],
    unhealthy: [],
    not_awaited: [`${sample.project}_crash_1`],
    started_again: [],
  });
});
