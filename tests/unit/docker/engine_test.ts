/** Tests of endpoint choice, error wording and the engine's JSON. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { toContainer } from "../../../lib/docker/container_json.ts";
import { resolveEndpoint } from "../../../lib/docker/endpoint.ts";
import { engineFailure } from "../../../lib/docker/engine_failure.ts";
import { logLines } from "../../../lib/docker/log_lines.ts";

function refusal(env: Record<string, string>): DuckbackError {
  try {
    resolveEndpoint(env);
  } catch (error) {
    assert(error instanceof DuckbackError);
    assert.equal(error.code, "DOCKER_UNREACHABLE");
    return error;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
}

Deno.test("resolveEndpoint() takes DOCKER_HOST, and the default socket without it", () => {
  const chosen = (env: Record<string, string>) => {
    const { url, socket_path, host, port } = resolveEndpoint(env);
    return [url, socket_path, host, port];
  };
  const socket = "/var/run/docker.sock";
  assert.deepEqual(chosen({}), [`unix://${socket}`, socket, null, null]);
  assert.deepEqual(chosen({ DOCKER_HOST: "unix:///x/d.sock", DOCKER_CONTEXT: "y" }), [
    "unix:///x/d.sock",
    "/x/d.sock",
    null,
    null,
  ]);
  assert.deepEqual(chosen({ DOCKER_HOST: "tcp://127.0.0.1:2375" }).slice(2), ["127.0.0.1", 2375]);
  assert.deepEqual(chosen({ DOCKER_HOST: "localhost" }).slice(2), ["localhost", 2375]);
  assert.deepEqual(chosen({ DOCKER_HOST: "tcp://[::1]:99" }).slice(2), ["::1", 99]);
});

Deno.test("resolveEndpoint() refuses engines on other machines", () => {
  for (const host of ["ssh://me@server", "tcp://203.0.113.9:2376", "tcp://nas.example:2375"]) {
    const error = refusal({ DOCKER_HOST: host });
    assert.match(error.message, /another machine/);
    assert.match(error.hint!, /Run duckback on that machine/);
  }
  assert.match(refusal({ DOCKER_HOST: "npipe:////./pipe/x" }).message, /neither unix/);
});

Deno.test("resolveEndpoint() reads the docker context in force", async () => {
  const home = await Deno.makeTempDir();
  const context = async (name: string, host: string) => {
    const key = createHash("sha256").update(name).digest("hex");
    const dir = join(home, ".docker/contexts/meta", key);
    await Deno.mkdir(dir, { recursive: true });
    const meta = { Name: name, Endpoints: { docker: { Host: host } } };
    await Deno.writeTextFile(join(dir, "meta.json"), JSON.stringify(meta));
  };
  try {
    await context("rootless", "unix:///run/user/1000/docker.sock");
    await context("far", "ssh://me@far");
    const config = join(home, ".docker/config.json");
    await Deno.writeTextFile(config, '{"currentContext":"rootless"}');
    const socket = "/run/user/1000/docker.sock";
    assert.equal(resolveEndpoint({ HOME: home }).socket_path, socket);
    assert.equal(
      resolveEndpoint({ HOME: "/nowhere", DOCKER_CONFIG: join(home, ".docker") }).socket_path,
      socket,
    );
    assert.match(refusal({ HOME: home, DOCKER_CONTEXT: "far" }).message, /context "far".*another/);
    assert.match(refusal({ HOME: home, DOCKER_CONTEXT: "gone" }).message, /no such context/);
    const fallback = resolveEndpoint({ HOME: home, DOCKER_CONTEXT: "default" });
    assert.equal(fallback.socket_path, "/var/run/docker.sock");
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("engineFailure() words connection errors with a hint that fits", () => {
  const table: [unknown, RegExp, RegExp][] = [
    [{ code: "ENOENT" }, /socket does not exist/, /systemctl start docker/],
    [{ code: "ECONNREFUSED" }, /nothing listens/, /systemctl start docker/],
    [{ code: "EACCES" }, /permission denied/, /root, or add your user to the docker group/],
    [{ code: "EPERM" }, /permission denied/, /docker group/],
    [{ code: "EINTR" }, /no answer within 5 s/, /docker info/],
    [new Error("reset by peer"), /connection broke \(reset by peer\)/, /docker info/],
  ];
  for (const [thrown, message, hint] of table) {
    const error = engineFailure(thrown, "list containers", "unix:///x", 5000);
    assert.equal(error.code, "DOCKER_UNREACHABLE");
    assert.match(error.message, message);
    assert.match(error.message, /"unix:\/\/\/x"/);
    assert.match(error.hint!, hint);
  }
  const refused = engineFailure(
    { statusCode: 500, json: { message: "port is taken" } },
    'start container "web"',
    "unix:///x",
  );
  assert.equal(refused.code, "DOCKER_FAILED");
  assert.equal(refused.message, 'Cannot start container "web": port is taken');
  assert.equal(refused.details.status, 500);
});

Deno.test("toContainer() reads compose's labels of both generations", () => {
  const base = { Id: "i", Name: "/p-web-2", State: { Status: "running" } };
  const v2 = toContainer({
    ...base,
    Config: {
      Labels: {
        "com.docker.compose.project": "p",
        "com.docker.compose.service": "web",
        "com.docker.compose.container-number": "2",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.depends_on": "db:service_healthy:false,cache:service_started:true",
        "com.docker.compose.project.working_dir": "/srv/p",
        "com.docker.compose.project.config_files": "/srv/p/a.yml,b.yml",
      },
      StopTimeout: 30,
      Healthcheck: { Test: ["CMD", "x"] },
    },
    HostConfig: { RestartPolicy: { Name: "always" }, AutoRemove: true },
    NetworkSettings: {
      Ports: { "80/tcp": [{ HostIp: "::", HostPort: "8080" }], "1/udp": null },
    },
  });
  assert.equal(v2.name, "p-web-2");
  assert.deepEqual([v2.project, v2.service, v2.number, v2.oneoff], ["p", "web", 2, false]);
  assert.deepEqual(v2.depends_on, [
    { service: "db", condition: "service_healthy" },
    { service: "cache", condition: "service_started" },
  ]);
  assert.deepEqual(v2.config_files, ["/srv/p/a.yml", "/srv/p/b.yml"]);
  assert.deepEqual([v2.stop_timeout_s, v2.stop_signal], [30, "SIGTERM"]);
  assert.deepEqual([v2.has_healthcheck, v2.health], [true, null]);
  assert.deepEqual([v2.restart_policy, v2.auto_remove], ["always", true]);
  assert.deepEqual(v2.ports, ["[::]:8080->80/tcp"]);
  const bare = toContainer({
    ...base,
    State: { Status: "created", StartedAt: "0001-01-01T00:00:00Z" },
  });
  assert.deepEqual([bare.project, bare.depends_on, bare.stop_timeout_s, bare.started_at], [
    null,
    null,
    null,
    null,
  ]);
  assert.equal(bare.restart_policy, "no");
});

Deno.test("logLines() reads framed and raw logs", () => {
  const frame = (stream: number, text: string) => {
    const bytes = new TextEncoder().encode(text);
    const head = new Uint8Array(8);
    head[0] = stream;
    new DataView(head.buffer).setUint32(4, bytes.length);
    return [...head, ...bytes];
  };
  const framed = Uint8Array.from([
    ...frame(1, "one\n"),
    ...frame(2, "twö\nthr"),
    ...frame(2, "ee\n"),
  ]);
  assert.deepEqual(logLines(framed), ["one", "twö", "three"]);
  assert.deepEqual(logLines(new TextEncoder().encode("raw\r\nlog\n")), ["raw", "log"]);
  assert.deepEqual(logLines(new Uint8Array()), []);
  assert.deepEqual(logLines({ level: "info" }), ['{"level":"info"}']);
});
