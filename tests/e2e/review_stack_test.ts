/** What a hostile look at the binary found, with running containers: they come back, and on which files. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack, docker, run } from "../fixtures/docker.ts";
import { finished, Place, until } from "./support.ts";

const UP = { db: "running", app: "running", web: "running" };

function running(states: Record<string, string>) {
  return Object.fromEntries(
    Object.entries(states).filter(([name]) => Object.hasOwn(UP, name)).sort(),
  );
}

async function errorSeen(child: Deno.ChildProcess, text: string) {
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let seen = ""; !seen.includes(text);) {
    const { value, done } = await reader.read();
    assert.ok(!done, `ended without "${text}": ${seen}`);
    seen += value;
  }
  reader.releaseLock();
}

Deno.test("kill -9 while a rollback waits for health: old trees, and services that use them", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await place.ok(["backup", "create", "--no-verify"], { cwd: stack.dir });
  const file = join(stack.dir, "app-data/notes.txt");
  Deno.writeTextFileSync(file, "after the backup\n");
  const child = place.start(["rollback", "1", "--rollback-data", "--force"], { cwd: stack.dir });
  await errorSeen(child, "Started web");
  child.kill("SIGKILL");
  await child.status;
  await child.stdout.cancel();
  assert.equal(Deno.readTextFileSync(file), "written before the start\n");
  await place.ok(["recover"], { cwd: stack.dir });
  assert.equal(Deno.readTextFileSync(file), "after the backup\n");
  assert.deepEqual(running(await stack.states()), running(UP));
  // Not only on disk: the containers see these trees, not ones that were renamed away.
  const app = (await stack.container("app")).name;
  assert.equal(await docker("exec", app, "cat", "/srv/notes.txt"), "after the backup");
  const journal = join(await stack.volumePath(), "journal");
  const size = Deno.statSync(journal).size;
  await until("db writes to the old volume", () => Deno.statSync(journal).size > size);
});

Deno.test("kill -9 in the middle of docker-service restart: the next run starts what ran", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await place.ok(["init"], { cwd: stack.dir });
  const child = place.start(["docker-service", "restart"], { cwd: stack.dir });
  await errorSeen(child, "Stopped app");
  child.kill("SIGKILL");
  await child.status;
  await child.stdout.cancel();
  assert.notDeepEqual(running(await stack.states()), running(UP));
  await place.ok(["recover"], { cwd: stack.dir });
  assert.deepEqual(running(await stack.states()), running(UP));
});

Deno.test("recovery asks the engine of the run that died, whatever DOCKER_HOST says now", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const env = { DOCKER_HOST: "unix:///var/run/docker.sock" };
  const child = place.start(["backup", "create"], { cwd: stack.dir, env });
  await errorSeen(child, "Stopped app");
  child.kill("SIGKILL");
  await child.status;
  await child.stdout.cancel();
  const wrong = { DOCKER_HOST: `unix://${place.path("none.sock")}` };
  await place.ok(["recover"], { cwd: stack.dir, env: wrong });
  assert.deepEqual(running(await stack.states()), running(UP));
});

Deno.test("the safety backup of a service that had to be killed is marked so", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ ignores_term: ["db"], stop_grace: 1 });
  await place.run(["backup", "create", "--no-verify"], { cwd: stack.dir });
  const done = await place.run(["rollback", "1", "--rollback-data", "--force", "--json"], {
    cwd: stack.dir,
  });
  assert.equal(done.json.safety_backup.backup_metadata.consistency, "killed");
});

Deno.test("a volume that was deleted is made again, but not by a look", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await place.ok(["backup", "create", "--no-verify"], { cwd: stack.dir });
  await stack.compose("down", "-v");
  const look = await place.ok(
    ["rollback", "1", "--rollback-data", "--dry-run", "--json"],
    { cwd: stack.dir },
  );
  assert.ok(look.json.replaces.some((one: { path: string }) => one.path.includes(stack.volume)));
  assert.equal(await docker("volume", "ls", "-q", "-f", `name=${stack.volume}`), "");
  await place.ok(["rollback", "1", "--rollback-data", "--force"], { cwd: stack.dir });
  assert.ok(Deno.statSync(join(await stack.volumePath(), "journal")).size > 0);
});

Deno.test("SIGINT twice, SIGTERM after it: services run before the exit", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ big_bytes: 30_000_000 });
  const slowly = ["backup", "create", "--no-precopy", "--level", "9"];
  const child = place.start(slowly, { cwd: stack.dir });
  await until("db is down", async () => (await stack.container("db")).state === "exited");
  for (const signal of ["SIGINT", "SIGINT", "SIGTERM"] as const) child.kill(signal);
  const { code } = await finished(child);
  assert.equal(code, 130);
  assert.deepEqual(running(await stack.states()), running(UP));
});

Deno.test("a stack that was moved under its containers is not restarted on empty directories", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await place.ok(["backup", "create", "--no-verify"], { cwd: stack.dir });
  const before = await stack.containers();
  const moved = place.path("moved", stack.project);
  Deno.mkdirSync(place.path("moved"));
  await run("mv", [stack.dir, moved]); // perhaps to another file system
  for (const args of [["rollback", "1", "--rollback-data", "--force"], ["backup", "create"]]) {
    const refused = await place.run([...args, "--work-dir", moved, "--json"]);
    assert.equal(refused.code, 1, args.join(" "));
    assert.ok(["REFUSED", "SOURCE_MISSING"].includes(refused.json.error.code));
    assert.match(refused.json.error.message, new RegExp(stack.dir));
  }
  const after = await stack.containers();
  assert.deepEqual(after.map((one) => one.started_at), before.map((one) => one.started_at));
  assert.throws(() => Deno.statSync(stack.dir), "nothing was made at the old place");
});
