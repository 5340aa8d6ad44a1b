/** Waiting for containers to be well. */
import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { connectEngine } from "../../../lib/docker/dockerode_engine.ts";
import { waitHealthy } from "../../../lib/docker/health.ts";
import { planQuiesce, startAll, stopAll } from "../../../lib/docker/quiesce.ts";
import { waitWithSecondStart } from "../../../lib/docker/second_start.ts";
import { discoverStack } from "../../../lib/docker/stack.ts";
import { createSampleStack, docker } from "../../fixtures/docker.ts";

const OPTIONS = { timeoutMs: 4_000, graceMs: 300 };

Deno.test("waitHealthy() after a stop and a start", async (t) => {
  await using sample = await createSampleStack({
    healthchecks: { db: "healthy", app: "sick_after_restart" },
    fails_after_restart: ["web"],
    restart: "no",
  });
  const engine = await connectEngine({});
  const stack = await discoverStack({ workDir: sample.dir, env: {}, engine, extraSources: [] });
  const plan = planQuiesce(stack, "stop");
  const name = (service: string) => `${sample.project}_${service}_1`;

  await t.step("is content with what runs", async () => {
    const report = await waitHealthy(engine, plan, OPTIONS);
    assert.deepEqual(report.unhealthy, []);
    assert.deepEqual(report.healthy.sort(), [name("app"), name("db"), name("web")]);
  });
  await t.step("names what does not come back, with its last lines", async () => {
    await stopAll(engine, plan);
    await startAll(engine, plan);
    const report = await waitHealthy(engine, plan, OPTIONS);
    assert.deepEqual(report.healthy, [name("db")]);
    const [app, web] = report.unhealthy.sort((a, b) => a.service < b.service ? -1 : 1);
    assert.deepEqual([app.service, app.container, app.state, app.health], [
      "app",
      name("app"),
      "running",
      "unhealthy",
    ]);
    assert.deepEqual([web.service, web.state, web.exit_code], ["web", "exited", 3]);
    assert.equal(web.log_tail.at(-1), "cannot go on");
  });
  await t.step("does not wait for what was not well before", async () => {
    const again = planQuiesce(
      await discoverStack({ workDir: sample.dir, env: {}, engine, extraSources: [] }),
      "stop",
    );
    assert.deepEqual(again.items.map(({ service, health }) => [service, health]), [
      ["app", "unhealthy"],
      ["db", "healthy"],
    ]);
    const report = await waitHealthy(engine, again, OPTIONS);
    assert.deepEqual(report.unhealthy, []);
  });
  await t.step("takes containers as well, and a finished job as done", async () => {
    const containers = stack.containers.filter(({ service }) => service !== "admin");
    const report = await waitHealthy(engine, containers, { ...OPTIONS, timeoutMs: 500 });
    assert(report.healthy.includes(name("migrate")));
    assert.deepEqual(report.unhealthy.map(({ service }) => service), ["app", "web"]);
  });
  await t.step("says what is missing", async () => {
    await docker("rm", "-f", name("web"));
    const report = await waitHealthy(engine, plan, { ...OPTIONS, timeoutMs: 500 });
    const web = report.unhealthy.find(({ service }) => service === "web")!;
    assert.deepEqual([web.state, web.log_tail], ["missing", []]);
  });
  await t.step("ends on a signal", async () => {
    const begin = performance.now();
    await assert.rejects(
      waitHealthy(engine, plan, {
        ...OPTIONS,
        timeoutMs: 60_000,
        signal: AbortSignal.timeout(300),
      }),
      (error) => error instanceof DuckbackError && error.code === "INTERRUPTED",
    );
    assert(performance.now() - begin < 3_000);
  });
});

Deno.test("waitWithSecondStart() starts once more what is not well, and only that", async (t) => {
  await using sample = await createSampleStack({
    healthchecks: { app: "sick_after_restart" },
    fails_after_restart: ["web"],
    restart: "no",
  });
  const engine = await connectEngine({});
  const stack = await discoverStack({ workDir: sample.dir, env: {}, engine, extraSources: [] });
  const plan = planQuiesce(stack, "stop");
  const name = (service: string) => `${sample.project}_${service}_1`;
  const starts = async () =>
    Object.fromEntries((await sample.containers()).map((item) => [item.service, item.started_at]));
  const options = { timeoutMs: 2_000, graceMs: 300 };
  await stopAll(engine, plan);
  await startAll(engine, plan);

  await t.step("nothing, where a signal ended the wait", async () => {
    const before = await starts();
    await assert.rejects(
      waitWithSecondStart(engine, plan, { ...options, signal: AbortSignal.timeout(1_000) }),
      (error) => error instanceof DuckbackError && error.code === "INTERRUPTED",
    );
    assert.deepEqual(await starts(), before);
  });
  await t.step("the unhealthy and the ended, dependencies first", async () => {
    const before = await starts();
    const told: string[] = [];
    const report = await waitWithSecondStart(engine, plan, {
      ...options,
      onSecondStart: (text) => void told.push(text.replaceAll(`${sample.project}_`, "")),
    });
    assert.deepEqual(told, [
      "app (app_1) is unhealthy: starting it once more",
      "web (web_1) is exited: starting it once more",
    ]);
    assert.deepEqual(report.started_again, [name("app"), name("web")]);
    assert.deepEqual(report.healthy, [name("db")]);
    assert.deepEqual(report.unhealthy.map(({ service }) => service).sort(), ["app", "web"]);
    const after = await starts();
    assert.equal(after.db, before.db);
    assert.notEqual(after.app, before.app);
    assert.notEqual(after.web, before.web);
  });
  await t.step("not what somebody paused or removed", async () => {
    await docker("pause", name("app"));
    await docker("rm", "-f", name("web"));
    const before = await starts();
    const report = await waitWithSecondStart(engine, plan, options);
    assert.deepEqual(report.started_again, []);
    assert.deepEqual(report.unhealthy.map(({ state }) => state).sort(), ["missing", "paused"]);
    assert.deepEqual(await starts(), before);
    await docker("unpause", name("app"));
  });
});

Deno.test("restart() is carried out by the engine though whoever asked is gone", async () => {
  await using sample = await createSampleStack({ slow_stop: 2 });
  const before = await sample.container("web");
  const conn = await Deno.connect({ transport: "unix", path: "/var/run/docker.sock" });
  await conn.write(new TextEncoder().encode(
    `POST /containers/${before.id}/restart HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n`,
  ));
  await new Promise((resolve) => setTimeout(resolve, 300));
  conn.close();
  await sample.until((all) => {
    const web = all.find((item) => item.service === "web")!;
    return web.state === "running" && web.started_at !== before.started_at;
  });
});
