/** Waiting for containers to be well. */
import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { connectEngine } from "../../../lib/docker/dockerode_engine.ts";
import { waitHealthy } from "../../../lib/docker/health.ts";
import { planQuiesce, startAll, stopAll } from "../../../lib/docker/quiesce.ts";
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
