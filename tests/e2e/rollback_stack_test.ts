/** Rollback against running services: then and now compared, databases that would not fit, undo and health. */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  BASE_IMAGE,
  createSampleStack,
  docker,
  run,
  type SampleStack,
} from "../fixtures/docker.ts";
import {
  createDatabaseStack,
  image,
  PASSWORD,
  quoted,
  service,
  untilReady,
} from "../fixtures/databases.ts";
import { findDataDirectories } from "../../lib/operations/data_version.ts";
import { treeOnDisk } from "../../lib/operations/file_tree.ts";
import { fingerprint, names, Place, until } from "./support.ts";

/** An image like another one, that says more of itself in its environment. */
async function imageWith(base: string, name: string, env: string): Promise<string> {
  const tag = `duckback-test/${name}`;
  const lines = `FROM ${base}\nENV ${env}\n`;
  await run("docker", ["build", "-q", "-t", tag, "-"], { stdin: new TextEncoder().encode(lines) });
  return tag;
}

async function replaceIn(path: string, from: string, to: string) {
  const text = await Deno.readTextFile(path);
  assert.ok(text.includes(from), `${from} in ${text}`);
  await Deno.writeTextFile(path, text.replaceAll(from, to));
}

/** Containers and what they ran through: ids and starts. */
async function lives(stack: SampleStack): Promise<string[]> {
  return (await stack.containers()).map(({ name, id, started_at }) =>
    `${name} ${id} ${started_at}`
  );
}

interface Difference {
  what: string;
  subject: string;
  breaks: boolean;
  message: string;
}

Deno.test("a PostgreSQL of another major release stops a rollback before anything, unless --force", async () => {
  await using place = new Place();
  const db = (tag: string) =>
    service("db", [
      `image: ${tag}`,
      "command: [/bin/start-postgres]",
      "environment:",
      `  POSTGRES_PASSWORD: ${quoted(PASSWORD)}`,
      "  PGDATA: /var/lib/postgresql/data/pgdata",
      "volumes: [pg:/var/lib/postgresql/data]",
    ]);
  const plain = image("postgres");
  await using stack = await createDatabaseStack(db(plain), ["pg"]);
  const ready = () => untilReady(stack, "db", "sql", "-c", "select 1");
  await ready();
  const volume = await docker(
    ...["volume", "inspect", "-f", "{{.Mountpoint}}", `${stack.project}_pg`],
  );
  const [{ path, version }] = await findDataDirectories(treeOnDisk(volume));
  assert.deepEqual([path, version.kind], ["pgdata", "postgres"]);
  const [major] = version.series;
  const same = await imageWith(plain, "pg-same:1", `PG_MAJOR=${major}`);
  const next = await imageWith(plain, "pg-next:1", `PG_MAJOR=${major + 1}`);
  const to = async (before: string, after: string) => {
    await replaceIn(stack.compose_file, before, after);
    await stack.compose("up", "-d");
    await ready();
  };
  try {
    await to(plain, same);
    await place.ok(["backup", "create", "--no-verify"], { cwd: stack.dir });
    await place.ok(["rollback-data-only", "1", "--yes"], { cwd: stack.dir });
    await ready();
    await to(same, next);
    const before = [await lives(stack), await fingerprint(stack.dir)];
    const refused = await place.run(["rollback-data-only", "1", "--yes", "--json"], {
      cwd: stack.dir,
    });
    assert.equal(refused.code, 1, refused.stderr);
    const { code, message, hint, differences } = refused.json.error;
    assert.equal(code, "REFUSED");
    const told = `pgdata was written by PostgreSQL ${major}, db (${next}) runs PostgreSQL ` +
      `${major + 1} and would not start on it`;
    assert.ok(message.includes(told), message);
    assert.match(hint, /--force/);
    assert.deepEqual(
      differences.map(({ what, breaks }: Difference) => `${what} ${breaks}`),
      ["compose_files false", "image false", "database true"],
    );
    assert.deepEqual([await lives(stack), await fingerprint(stack.dir)], before);
    assert.deepEqual(names(volume).sort(), [".duckback-undo", "pgdata"]);
    assert.equal(names(join(volume, ".duckback-undo")).length, 1, "that of the first rollback");
    assert.deepEqual(names(join(place.home, "journal")), []);
    // Before anybody is asked anything.
    const asked = await place.run(["rollback-data-only", "1", "--json"], { cwd: stack.dir });
    assert.deepEqual([asked.code, asked.json.error.code], [1, "REFUSED"]);
    assert.ok(asked.json.error.message.includes(told));
    // A dry run tells it as well, and so does a rollback that is made all the same.
    const dry = await place.run(["rollback-data-only", "1", "--dry-run", "--json"], {
      cwd: stack.dir,
    });
    assert.equal(dry.code, 0);
    assert.ok(dry.json.differences.some(({ breaks }: Difference) => breaks), dry.stdout);
    const forced = await place.ok(["rollback-data-only", "1", "--force", "--json"], {
      cwd: stack.dir,
    });
    assert.ok(forced.json.differences.some(({ message }: Difference) => message.includes(told)));
    await ready();
    // Without containers the compose file tells what is going to run.
    await docker("rm", "-f", (await stack.container("db")).name);
    const down = await place.run(["rollback-data-only", "1", "--yes", "--json"], {
      cwd: stack.dir,
    });
    assert.equal(down.json.error.code, "REFUSED");
    assert.ok(down.json.error.message.includes(told), down.json.error.message);
  } finally {
    for (const { name } of await stack.containers()) await docker("rm", "-f", name);
    await docker("rmi", "-f", same, next);
  }
});

Deno.test("the release of a real MariaDB is found in its files", async () => {
  await using stack = await createDatabaseStack(
    service("db", [
      `image: ${image("mariadb")}`,
      "command: [/bin/start-mariadb]",
      "environment:",
      `  MARIADB_ROOT_PASSWORD: ${quoted(PASSWORD)}`,
      "volumes: [my:/var/lib/mysql]",
    ]),
    ["my"],
  );
  const said = await untilReady(stack, "db", "mysql_", "-e", "select version()");
  const volume = await docker(
    ...["volume", "inspect", "-f", "{{.Mountpoint}}", `${stack.project}_my`],
  );
  const [{ path, version }] = await findDataDirectories(treeOnDisk(volume));
  assert.deepEqual([path, version.kind], ["", "mariadb"]);
  assert.ok(said.startsWith(`${version.series.join(".")}.`), `${said}: ${version.text}`);
});

Deno.test("compose file and image: shown before and after, and no hindrance", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await place.ok(["backup", "create", "--no-verify"], { cwd: stack.dir });
  const dry = async () =>
    (await place.ok(["rollback", "1", "--dry-run", "--json"], { cwd: stack.dir })).json.differences;
  assert.deepEqual(await dry(), []);
  const other = await imageWith(BASE_IMAGE, "other:1", "SOMETHING=else");
  try {
    await replaceIn(
      stack.compose_file,
      "web:\n    <<: *common",
      `web:\n    <<: *common\n    image: ${other}`,
    );
    await stack.compose("up", "-d", "--no-deps", "web");
    const found = await dry();
    assert.deepEqual(
      found.map(({ what, subject, breaks }: Difference) => [what, subject, breaks]),
      [["compose_files", stack.project, false], ["image", "web", false]],
    );
    assert.match(found[1].message, /web ran duckback-test-base:2 .* it is duckback-test\/other:1/);
    const text = (await place.ok(["rollback", "1", "--dry-run"], { cwd: stack.dir })).stdout;
    assert.match(text, /! the compose files differ/);
    assert.match(text, /! web ran duckback-test-base:2/);
    const done = await place.ok(["rollback", "1", "--yes", "--json"], { cwd: stack.dir });
    assert.deepEqual(done.json.differences, found);
  } finally {
    await docker("rm", "-f", (await stack.container("web")).name);
    await docker("rmi", "-f", other);
  }
});

/** A stack whose web is healthy while its configuration says so. */
async function moodyStack(): Promise<SampleStack> {
  const stack = await createSampleStack({
    extra_services: `  moody:
    <<: *common
    volumes: ["./config:/config:ro"]
    healthcheck: {test: ["CMD", "grep", "-q", "well", "/config/mood"], interval: 0.3s, timeout: 5s, retries: 2}
`,
    start: false,
  });
  await Deno.writeTextFile(join(stack.dir, "config/mood"), "well\n");
  await stack.compose("up", "-d", "moody");
  return stack;
}

Deno.test("an undo after which a service is unwell is taken back, and says how to have it", async () => {
  await using place = new Place();
  await using stack = await moodyStack();
  const mood = join(stack.dir, "config/mood");
  const health = (wanted: string) => async () => (await stack.container("moody")).health === wanted;
  await until("moody is well", health("healthy"));
  await place.ok(["config", "set", "backup.health_timeout_seconds", "4"]);
  await place.ok(["backup", "create", "--no-verify"], { cwd: stack.dir });
  await Deno.writeTextFile(mood, "sick\n");
  await until("moody is sick", health("unhealthy"));
  await place.ok(["rollback", "1", "--yes"], { cwd: stack.dir });
  await until("moody is well", health("healthy"));

  const back = await place.run(["rollback", "--undo", "--json"], { cwd: stack.dir });
  assert.equal(back.code, 1, back.stderr);
  assert.equal(back.json.error.code, "RESTORE_FAILED");
  assert.match(back.json.error.message, /moody is unhealthy.*put back as it was until now/);
  assert.equal(await Deno.readTextFile(mood), "well\n");
  await until("moody is well again", health("healthy"));
  assert.deepEqual(names(join(place.home, "journal")), []);

  // Killed while it waits for health: one state or the other, and the service runs on it.
  const child = place.start(["rollback", "--undo"], { cwd: stack.dir });
  await until("it waits", async () => {
    const text = await Deno.readTextFile(mood).catch(() => "");
    return text === "sick\n" && await health("unhealthy")();
  });
  child.kill("SIGKILL");
  await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
  await place.ok(["recover"], { cwd: stack.dir });
  assert.deepEqual(names(join(place.home, "journal")), []);
  const found = await Deno.readTextFile(mood);
  assert.equal(
    await docker("exec", (await stack.container("moody")).name, "cat", "/config/mood"),
    found.trim(),
  );

  // What one wants all the same one gets, with the services stopped.
  if (found === "sick\n") await place.ok(["rollback", "--undo"], { cwd: stack.dir });
  await place.ok(["rollback", "--undo", "--no-auto-start-service"], { cwd: stack.dir });
  assert.equal(await Deno.readTextFile(mood), "sick\n");
  assert.equal((await stack.container("moody")).state, "exited");
});
