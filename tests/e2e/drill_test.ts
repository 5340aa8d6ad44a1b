/** Drills on a real engine: a backup comes up beside the live stack, out of its reach, and goes again. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import { readSidecar } from "../../lib/repository/sidecar.ts";
import {
  createDatabaseStack,
  image,
  inService,
  service,
  untilReady,
} from "../fixtures/databases.ts";
import { BASE_IMAGE, createSampleStack, docker, type SampleStack } from "../fixtures/docker.ts";
import { HttpReceiver } from "../fixtures/receiver.ts";
import { finished, names, Place, until } from "./support.ts";

/**
 * api and worker see each other by name. api ends where its data says so; its drill waits for a word of
 * the test, then looks at what was restored.
 */
const SERVICES = `
  worker:
    image: duckback-test-base:\${TAG}
    restart: always
    init: true
    cap_add: [SYS_ADMIN, SYS_NICE]
    networks: {default: {aliases: [helper]}}
    volumes: ["data:/data:ro", "/etc/hostname:/machine:ro"]
    labels: {duckback.test: "1"}
  api:
    image: duckback-test-base:\${TAG}
    command: sh -c '[ ! -e /srv/crash ] || { echo cannot go on; exit 3; }; exec /bin/service'
    restart: "no"
    security_opt: ["seccomp:unconfined"]
    ports: ["127.0.0.1::80"]
    depends_on: [worker]
    environment: {GREETING: , OTHER: given}
    env_file: app.env
    healthcheck: {test: test -e /runs, interval: 0.3s}
    volumes: ["./app-data:/srv", "./config/app.conf:/etc/app.conf:ro", "data:/data"]
    labels:
      duckback.test: "1"
      duckback.drill: |
        set -e
        if [ -e /srv/wait ]; then touch /srv/waiting; while [ ! -e /srv/go ]; do sleep 0.1; done; fi
        grep -qx "written before the start" /srv/notes.txt
        grep -q 8080 /etc/app.conf
        test -s /data/journal
        nslookup helper | grep -q Name
        test "$$GREETING $$OTHER $$SECRET_OF_APP" = "hello given s3cret-value"
        ! grep eth0 /proc/net/route | grep -q broken
        [ ! -e /srv/broken ] || { echo the orders are not there; exit 9; }
`;

async function sample(place: Place): Promise<SampleStack> {
  const stack = await createSampleStack({ extra_services: SERVICES });
  await docker(
    "start",
    ...(await stack.containers())
      .filter(({ service }) => service === "worker" || service === "api").map(({ name }) => name),
  );
  await stack.until((all) =>
    all.some((item) => item.service === "api" && item.health === "healthy")
  );
  await place.ok(["config", "set", "backup.health_timeout_seconds", "20"]);
  return stack;
}

async function backup(place: Place, stack: SampleStack): Promise<number> {
  const made = await place.run(["backup", "create", "--no-verify", "--json"], { cwd: stack.dir });
  assert.equal(made.json.backup.status, "completed", made.stdout + made.stderr);
  return made.json.backup.id;
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");
const drillOf = (place: Place) => names(join(place.home, "drills"))[0];

/** What a drill of that name has in the engine. */
async function inEngine(name: string) {
  const filter = ["--filter", `label=duckback.drill.run=${name}`];
  return {
    containers: lines(await docker("ps", "-aq", ...filter)),
    volumes: lines(await docker("volume", "ls", "-q", ...filter)),
    networks: lines(await docker("network", "ls", "-q", ...filter)),
  };
}

const NOTHING = { containers: [], volumes: [], networks: [] };

/** Waits until the drill's own command runs. */
async function untilDrilled(place: Place): Promise<string> {
  const waiting = () => {
    const name = drillOf(place);
    return name !== undefined &&
      names(join(place.home, "drills", name, "tree/app-data")).includes("waiting");
  };
  await until("the drill's command runs", waiting, 60_000);
  return drillOf(place);
}

async function startTimes(stack: SampleStack): Promise<string[]> {
  return (await stack.containers()).map(({ name, started_at, state }) =>
    `${name} ${state} ${started_at}`
  );
}

Deno.test("a drill brings a backup up beside the live stack, isolated, and leaves nothing", async () => {
  await using place = new Place();
  await using stack = await sample(place);
  const notes = join(stack.dir, "app-data/notes.txt");
  Deno.writeTextFileSync(join(stack.dir, "app-data/wait"), "");
  const id = await backup(place, stack);
  // The live stack goes on, and is not what is drilled.
  Deno.writeTextFileSync(notes, "written since");
  const before = await startTimes(stack);
  const args = ["backup", "verify", String(id), "--level", "drill", "--json"];

  const run = place.start(args);
  const name = await untilDrilled(place);
  const made = await inEngine(name);
  assert.deepEqual(
    [made.containers.length, made.networks.length, made.volumes.length],
    [5, 1, 1],
    "db, app, web, worker and api; the volume data",
  );
  const [network] = JSON.parse(await docker("network", "inspect", ...made.networks));
  assert.equal(network.Internal, true);
  assert.equal(Object.keys(network.Containers).length, 2);
  const live = await stack.volumePath();
  const inspected = JSON.parse(await docker("inspect", ...made.containers));
  for (const { Name, HostConfig, NetworkSettings, Mounts, Config, Image } of inspected) {
    assert.ok(Name.startsWith(`/${name}-`), Name);
    assert.equal(HostConfig.RestartPolicy.Name, "no");
    assert.equal(HostConfig.Privileged, false);
    assert.deepEqual(HostConfig.PortBindings ?? {}, {});
    assert.deepEqual(
      Object.values(NetworkSettings.Ports ?? {}).filter((port) => port !== null),
      [],
    );
    assert.ok(["none", name].includes(HostConfig.NetworkMode), HostConfig.NetworkMode);
    assert.equal(Config.Labels["com.docker.compose.project"], undefined);
    assert.equal(Image, await docker("image", "inspect", "-f", "{{.Id}}", "duckback-test-base:2"));
    for (const { Source, Destination } of Mounts) {
      assert.ok(
        Source.startsWith(`${place.home}/drills/${name}/`) || Source.includes(`/${name}-`),
        `${Destination} of ${Name} is ${Source}`,
      );
      assert.ok(!Source.startsWith(stack.dir) && !Source.startsWith(live));
    }
  }
  const worker = inspected.find((item: { Name: string }) => item.Name.endsWith("-worker"));
  assert.deepEqual(worker.HostConfig.CapAdd, ["SYS_NICE"]);
  // Neither the host nor another container is within reach.
  const reached = await new Deno.Command("docker", {
    args: ["exec", worker.Id, "ping", "-c1", "-w1", "172.17.0.1"],
    stdout: "null",
    stderr: "null",
  }).output();
  assert.notEqual(reached.code, 0);
  assert.deepEqual(await startTimes(stack), before);
  Deno.writeTextFileSync(join(place.home, "drills", name, "tree/app-data/go"), "");
  const done = await finished(run);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  const [result] = done.json.results;
  assert.deepEqual([result.ok, result.level, result.error], [true, "drill", null]);
  assert.deepEqual(result.drill.services.sort(), ["api", "app", "db", "web", "worker"]);
  assert.deepEqual(result.drill.commands, ["api"]);
  assert.ok(result.drill_seconds > 0 && result.drill_seconds < 600);
  assert.match(result.drill.left_out.join("\n"), /api runs without security_opt/);
  assert.match(result.drill.left_out.join("\n"), /worker runs without the capabilities SYS_ADMIN/);
  assert.match(result.drill.left_out.join("\n"), /worker runs without \/etc\/hostname/);
  assert.deepEqual(await inEngine(name), NOTHING);
  assert.deepEqual(names(join(place.home, "drills")), []);
  assert.deepEqual(names(join(place.home, "journal")), []);
  assert.deepEqual(await startTimes(stack), before);
  assert.equal(Deno.readTextFileSync(notes), "written since");

  const shown = (await place.ok(["backup", "show", String(id), "--json"])).json.backup;
  assert.deepEqual(
    [shown.verify_status, shown.verify_level, shown.drill_status, shown.drill_seconds],
    ["passed", "drill", "passed", result.drill_seconds],
  );
  const beside = readSidecar(shown.backup_path)!;
  assert.deepEqual([beside.drill_status, beside.drilled_at], ["passed", shown.drilled_at]);
  const status = (await place.ok(["status", "--json"], { cwd: stack.dir })).json;
  assert.equal(status.last_drill.id, id);

  // kill -9 in its middle: all of it stays until somebody mends, and then goes.
  const killed = place.start(args);
  const second = await untilDrilled(place);
  killed.kill("SIGKILL");
  await killed.output();
  assert.notDeepEqual(await inEngine(second), NOTHING);
  const mended = (await place.ok(["recover", "--json"])).json;
  assert.deepEqual([mended.drills, mended.services], [[second], []]);
  assert.deepEqual(await inEngine(second), NOTHING);
  assert.deepEqual(names(join(place.home, "drills")), []);
  assert.deepEqual(names(join(place.home, "journal")), []);

  // A signal: the same at once.
  const stopped = place.start(args);
  const third = await untilDrilled(place);
  stopped.kill("SIGTERM");
  assert.equal((await finished(stopped)).code, 130);
  assert.deepEqual(await inEngine(third), NOTHING);
  assert.deepEqual(names(join(place.home, "drills")), []);
  assert.deepEqual(await startTimes(stack), before);
});

Deno.test("a drill fails where the archive is sound and its services are not, and says why", async () => {
  await using place = new Place();
  await using stack = await sample(place);
  await using receiver = new HttpReceiver();
  await place.ok(["config", "set", "notify.webhook_urls", receiver.url]);
  const drill = ["backup", "verify", "--level", "drill", "--json"];
  const data = join(stack.dir, "app-data");

  // What its own command says.
  Deno.writeTextFileSync(join(data, "broken"), "");
  const first = await backup(place, stack);
  const refused = await place.run(drill);
  assert.equal(refused.code, 1, refused.stdout);
  const [{ ok, archive_ok, error, drill_seconds, id }] = refused.json.results;
  assert.deepEqual([ok, archive_ok, error.code, drill_seconds, id], [
    false,
    true,
    "DRILL_FAILED",
    null,
    first,
  ]);
  assert.match(error.message, /duckback.drill of api failed.*\n.*the orders are not there/);
  const told = receiver.bodies.map(({ kind, level, backup_id }) => [kind, level, backup_id]);
  assert.deepEqual(told, [["drill_failed", "bad", first]]);
  assert.match(receiver.bodies[0].message, /the orders are not there/);
  const shown = (await place.ok(["backup", "show", String(first), "--json"])).json.backup;
  assert.deepEqual(
    [shown.status, shown.verify_status, shown.verify_level, shown.drill_status],
    ["completed", "passed", "full", "failed"],
  );
  const { problems, last_backup } = (await place.ok(["status", "--json"], { cwd: stack.dir })).json;
  assert.match(problems.join("\n"), new RegExp(`drill of backup ${first} failed`));
  assert.equal(last_backup.id, first, "it can still be restored from");

  // A service that does not come up on the data.
  Deno.removeSync(join(data, "broken"));
  Deno.writeTextFileSync(join(data, "crash"), "");
  const second = await backup(place, stack).catch(() => null);
  const crashed = await place.run(drill);
  assert.equal(crashed.code, 1, crashed.stdout);
  assert.equal(crashed.json.results[0].id, second ?? first + 1);
  assert.match(crashed.json.results[0].error.message, /api is exited with code 3\n.*cannot go on/s);

  // An image that is not here any more.
  {
    await using catalog = await openCatalog({ home: place.home });
    const record = (await catalog.backups.get(first))!;
    const services = record.backup_metadata!.services.map((one) => ({
      ...one,
      image_id: `sha256:${"0".repeat(64)}`,
      image_digests: ["shop@sha256:1234"],
    }));
    await catalog.backups.update(first, {
      backup_metadata: { ...record.backup_metadata!, services },
    });
  }
  const gone = await place.run(["backup", "verify", String(first), "--level", "drill", "--json"]);
  assert.equal(gone.code, 1);
  assert.match(gone.json.error.message, /does not have the image duckback-test-base:2/);
  assert.match(gone.json.error.hint, /docker pull shop@sha256:1234/);
  assert.deepEqual(names(join(place.home, "drills")), []);
  assert.deepEqual(names(join(place.home, "journal")), []);
  const made = lines(
    await docker("ps", "-a", "--filter", "label=duckback.drill.run", "--format", "{{.Mounts}}"),
  );
  assert.deepEqual(made.filter((mounts) => mounts.includes(place.home)), []);
});

Deno.test("a drill feeds dumps into fresh databases, and takes an incremental backup from its chain", async () => {
  await using place = new Place();
  const sql = (text: string) => `sql -d shop -c "${text}"`;
  await using stack = await createDatabaseStack(
    service("db", [
      `image: ${image("postgres")}`,
      "command: [/bin/start-postgres]",
      "environment: {POSTGRES_PASSWORD: secret, PGDATA: /var/lib/postgresql/data}",
      "volumes: [pg:/var/lib/postgresql/data]",
      "labels:",
      "  duckback.dump: postgres",
      `  duckback.drill: ${JSON.stringify(`test "$$(${sql("select sum(n) from orders")})" = 42`)}`,
    ]) + service("cache", [
      `image: ${image("redis")}`,
      'command: ["redis-server", "--dir", "/data", "--repl-diskless-sync-delay", "0"]',
      "volumes: [cache:/data]",
      "labels:",
      "  duckback.dump: redis",
      '  duckback.drill: test "$$(redis-cli get name)" = dumped',
    ]) + service("app", [
      `image: ${BASE_IMAGE}`,
      'command: ["sh", "-c", "cat /files/a /files/b && exec /bin/service"]',
      "volumes: [./files:/files]",
    ]),
    ["pg", "cache"],
    { "files/a": "a", "files/b": "b" },
  );
  await untilReady(stack, "db", "sql", "-c", "create database shop");
  await inService(stack, "db", "sh", "-c", sql("create table orders as select 42 as n"));
  await untilReady(stack, "cache", "redis-cli", "set", "name", "dumped");
  const at = { cwd: stack.dir };
  await place.ok(["backup", "create", "--no-verify"], at);
  Deno.writeTextFileSync(join(stack.dir, "files/b"), "changed");
  const made = await place.ok(["backup", "create", "--kind", "incremental", "--json"], at);
  const { id, backup_type, backup_metadata } = made.json.backup;
  assert.equal(backup_type, "INCREMENTAL");
  assert.equal(backup_metadata.dumps.length, 2);
  const before = await startTimes(stack);

  const { results } = (await place.ok(["backup", "verify", "--level", "drill", "--json"])).json;
  assert.deepEqual(results.map((one: { id: number }) => one.id), [id], "the newest one");
  const { drill } = results[0];
  assert.deepEqual(drill.services.sort(), ["app", "cache", "db"]);
  assert.deepEqual(drill.commands.sort(), ["cache", "db"]);
  assert.deepEqual(await startTimes(stack), before);
  assert.deepEqual(names(join(place.home, "drills")), []);
  assert.deepEqual(names(join(place.home, "journal")), []);
});
