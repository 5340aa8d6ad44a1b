/** The Engine port against the real engine, directly and through a socket that fails on purpose. */
import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { connectEngine } from "../../../lib/docker/dockerode_engine.ts";
import { LABEL } from "../../../lib/docker/engine.ts";
import { BASE_IMAGE, createSampleStack, docker } from "../../fixtures/docker.ts";
import { EngineProxy } from "../../fixtures/engine_proxy.ts";

function hasCode(code: string, message = /./) {
  return (error: unknown) => {
    assert(error instanceof DuckbackError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

Deno.test("connectEngine() does on the real engine what the port promises", async (t) => {
  await using stack = await createSampleStack();
  const engine = await connectEngine({});
  const web = (await stack.container("web")).id;
  const state = async () => (await engine.inspect(web))!.state;

  await t.step("info() knows the engine's directory", async () => {
    assert.match((await engine.info()).version, /^\d+\.\d+/);
    assert.equal((await engine.info()).root_dir, await docker("info", "-f", "{{.DockerRootDir}}"));
    assert.equal(engine.endpoint, "unix:///var/run/docker.sock");
  });
  await t.step("listContainers() shows every state, by name", async () => {
    const found = await engine.listContainers({ [LABEL.project]: stack.project });
    assert.deepEqual(found.map(({ service, state }) => [service, state]), [
      ["admin", "created"],
      ["app", "running"],
      ["db", "running"],
      ["migrate", "exited"],
      ["web", "running"],
    ]);
    const app = found[1];
    assert.equal(app.working_dir, stack.dir);
    assert.deepEqual(app.config_files, [stack.compose_file]);
    assert.deepEqual([app.stop_timeout_s, app.stop_signal], [5, "SIGTERM"]);
    assert.equal(app.restart_policy, "unless-stopped");
    assert.equal(app.image, BASE_IMAGE);
    assert.match(app.image_id, /^sha256:/);
  });
  await t.step("what does not exist is null, or refused with 404", async () => {
    assert.equal(await engine.inspect("no-such-container"), null);
    assert.equal(await engine.inspectVolume("no_such_volume"), null);
    assert.equal(await engine.inspectVolume("../containers/json"), null);
    assert.equal(await engine.inspectImage("no-such-image"), null);
    await assert.rejects(
      engine.start("no-such-container"),
      (error) =>
        error instanceof DuckbackError && error.code === "DOCKER_FAILED" &&
        error.details.status === 404,
    );
  });
  await t.step("stop(), start(), pause() and unpause() change it; twice does no harm", async () => {
    const stop = { timeout_s: null, limit_ms: 20_000 };
    await engine.stop(web, stop);
    await engine.stop(web, stop);
    assert.equal(await state(), "exited");
    assert.equal((await engine.inspect(web))!.exit_code, 0);
    await engine.start(web);
    await engine.start(web);
    assert.equal(await state(), "running");
    await engine.pause(web);
    assert.equal(await state(), "paused");
    await engine.unpause(web);
    assert.equal(await state(), "running");
  });
  await t.step("recentKills() tells which got a stop signal", async () => {
    const now = new Date();
    const { kills, complete_since } = await engine.recentKills(
      new Date(now.getTime() - 60_000),
      now,
    );
    const own = kills.filter((kill) => kill.container_id === web);
    assert.deepEqual(own.map((kill) => kill.signal), ["15"]);
    assert(complete_since <= own[0].at && own[0].at <= now.getTime());
  });
  await t.step("logTail() gives the last lines", async () => {
    assert.deepEqual(await engine.logTail(web, 2), ["stopping", "up, run 2"]);
    assert.deepEqual(await engine.logTail((await stack.container("admin")).id, 5), []);
  });
  await t.step("volumes and images are found", async () => {
    const volume = await engine.inspectVolume(stack.volume);
    assert.equal(volume!.mountpoint, await stack.volumePath());
    assert.equal(volume!.driver, "local");
    const listed = await engine.listVolumes({ [LABEL.project]: stack.project });
    assert.deepEqual(listed.map(({ name }) => name), [stack.volume]);
    assert.deepEqual((await engine.inspectImage(BASE_IMAGE))!.tags, [BASE_IMAGE]);
    const made = await engine.createVolume(`${stack.project}_made`, {
      [LABEL.project]: stack.project,
    });
    assert.deepEqual(made, await engine.inspectVolume(`${stack.project}_made`));
    await engine.removeVolume(made.name);
    assert.equal(await engine.inspectVolume(made.name), null);
    await engine.removeVolume(made.name);
    await assert.rejects(engine.removeVolume(stack.volume), hasCode("DOCKER_FAILED", /in use/));
    const { id } = (await engine.inspectImage(BASE_IMAGE))!;
    const names = [`${stack.project}:one`, `host.example:5000/${stack.project}`];
    for (const name of names) await engine.tagImage(id, name);
    assert.equal((await engine.inspectImage(names[0]))!.id, id);
    assert.equal((await engine.inspectImage(`${names[1]}:latest`))!.id, id);
    await docker("rmi", ...names);
  });
});

Deno.test("connectEngine() words an engine that cannot be reached", async () => {
  await using proxy = await EngineProxy.start();
  await assert.rejects(
    connectEngine({ DOCKER_HOST: `unix://${proxy.dir}/none.sock` }),
    hasCode("DOCKER_UNREACHABLE", /none\.sock": its socket does not exist/),
  );
  await Deno.writeTextFile(`${proxy.dir}/file`, "");
  await assert.rejects(
    connectEngine({ DOCKER_HOST: `unix://${proxy.dir}/file` }),
    hasCode("DOCKER_UNREACHABLE", /nothing listens/),
  );
  await assert.rejects(
    connectEngine({ DOCKER_HOST: "tcp://127.0.0.1:9" }),
    hasCode("DOCKER_UNREACHABLE", /nothing listens/),
  );
  proxy.down = true;
  await assert.rejects(connectEngine(proxy.env), hasCode("DOCKER_UNREACHABLE", /connection broke/));
});

Deno.test("connectEngine() survives connections cut in the middle of an answer", async () => {
  await using proxy = await EngineProxy.start();
  const engine = await connectEngine(proxy.env);
  for (const action of ["cut", "drop", "lose"] as const) {
    proxy.rule({ match: /\/info$/, times: 2, action });
    await assert.rejects(engine.info(), hasCode("DOCKER_UNREACHABLE", /connection broke/), action);
    proxy.rule({ match: /\/events/, times: 2, action });
    const now = new Date();
    await assert.rejects(engine.recentKills(new Date(now.getTime() - 1000), now), action);
    proxy.rules.length = 0;
    await engine.info();
  }
});

Deno.test("stop() gives up on an engine that never answers", async () => {
  await using proxy = await EngineProxy.start();
  const engine = await connectEngine(proxy.env);
  proxy.rule({ match: /\/stop$/, times: 1, action: "hang" });
  await assert.rejects(
    engine.stop("any", { timeout_s: null, limit_ms: 300 }),
    hasCode("DOCKER_UNREACHABLE", /no answer within/),
  );
});

Deno.test("connectEngine() talks to a local engine over TCP", async () => {
  // A TCP door to the same engine, as `dockerd -H tcp://127.0.0.1:2375` opens one.
  const door = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    for await (const conn of door) {
      const engine = await Deno.connect({ transport: "unix", path: "/var/run/docker.sock" });
      const both = [
        conn.readable.pipeTo(engine.writable),
        engine.readable.pipeTo(conn.writable),
      ];
      await Promise.allSettled(both);
    }
  })();
  try {
    const engine = await connectEngine({ DOCKER_HOST: `tcp://127.0.0.1:${door.addr.port}` });
    assert.match((await engine.info()).version, /^\d+/);
  } finally {
    door.close();
    await served;
  }
});
