/** `duckback.pre` and `duckback.post`: commands in containers around the stop, whatever happens. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { BASE_IMAGE, docker, ensureBaseImage, type SampleStack } from "../fixtures/docker.ts";
import { createDatabaseStack, quoted, service } from "../fixtures/databases.ts";
import { finished, names, Place, sh, until } from "./support.ts";

/** Notes a word and how often the container was started until then. */
const say = (word: string) => `echo ${word} $(wc -l < /runs) >> /data/log`;

async function stackWith(hooks: { pre?: string; post?: string }): Promise<SampleStack> {
  await ensureBaseImage();
  const labels = Object.entries(hooks).map(([key, command]) =>
    `  duckback.${key}: ${quoted(command)}`
  );
  return await createDatabaseStack(
    service("web", [
      `image: ${BASE_IMAGE}`,
      'command: ["/bin/service"]',
      "volumes: [./data:/data]",
      "labels:",
      ...labels,
    ]),
    [],
    { "data/log": "" },
  );
}

function log(stack: SampleStack): string[] {
  return Deno.readTextFileSync(join(stack.dir, "data/log")).split("\n").filter((line) =>
    line !== ""
  );
}

/** A backup that stands still between stop and start: nobody reads the archive it writes. */
async function heldBackup(place: Place, stack: SampleStack) {
  await sh("head -c 30000000 /dev/urandom > data/big", stack.dir);
  const run = place.start(["backup", "create", "--output", "-"], { cwd: stack.dir });
  await stack.until((all) => all.every((item) => item.state !== "running"));
  return run;
}

Deno.test("pre runs before the stop, post after the start; what pre wrote is in the backup", async () => {
  await using place = new Place();
  await using stack = await stackWith({ pre: say("pre"), post: say("'then' post") });
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: stack.dir })).json;
  assert.equal(backup.status, "completed");
  assert.deepEqual(log(stack), ["pre 1", "then post 2"]);
  assert.equal(await sh(`tar xzOf ${backup.backup_path} data/log`), "pre 1\n");
  assert.deepEqual(names(join(place.home, "journal")), []);
});

Deno.test("a pre that fails fails the backup before anything is stopped; post runs all the same", async () => {
  await using place = new Place();
  await using stack = await stackWith({
    pre: `${say("pre")}; echo starting; echo "no connection" >&2; exit 4`,
    post: say("post"),
  });
  const result = await place.run(["backup", "create", "--json"], { cwd: stack.dir });
  assert.equal(result.code, 1);
  const { code, message, hint } = result.json.error;
  assert.equal(code, "HOOK_FAILED");
  assert.match(
    message,
    /Cannot prepare web .*: duckback.pre failed: exit code 4\n.*no connection/s,
  );
  assert.match(hint, /No service was stopped/);
  assert.deepEqual(log(stack), ["pre 1", "post 1"]);
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.status, "failed");
  assert.deepEqual(names(join(place.home, "journal")), []);
});

Deno.test("a post that fails makes the backup partial, and says why", async () => {
  await using place = new Place();
  await using stack = await stackWith({ post: `${say("post")}; echo "cannot unlock"; exit 1` });
  const result = await place.run(["backup", "create", "--json"], { cwd: stack.dir });
  assert.equal(result.code, 3);
  assert.equal(result.json.backup.status, "partial");
  assert.match(
    result.json.problems[0],
    /web .*: duckback.post failed: exit code 1\n.*cannot unlock/s,
  );
  assert.deepEqual(log(stack), ["post 2"]);
});

Deno.test("a signal in mid-archive: started, then post", async () => {
  await using place = new Place();
  await using stack = await stackWith({ pre: say("pre"), post: say("post") });
  const run = await heldBackup(place, stack);
  run.kill("SIGTERM");
  assert.equal((await finished(run)).code, 130);
  assert.deepEqual(log(stack), ["pre 1", "post 2"]);
});

Deno.test("kill -9 in mid-archive: recover starts the services, then runs post, once", async () => {
  await using place = new Place();
  await using stack = await stackWith({ pre: say("pre"), post: say("post") });
  const run = await heldBackup(place, stack);
  run.kill("SIGKILL");
  await finished(run);
  assert.deepEqual(log(stack), ["pre 1"]);
  await place.ok(["recover"], { cwd: stack.dir });
  assert.deepEqual(log(stack), ["pre 1", "post 2"]);
  await place.ok(["recover"], { cwd: stack.dir });
  assert.deepEqual(log(stack), ["pre 1", "post 2"]);
  assert.deepEqual(names(join(place.home, "journal")), []);
});

Deno.test("kill -9 while pre runs: pre is ended, recover runs post", async () => {
  await using place = new Place();
  await using stack = await stackWith({ pre: `${say("pre")}; sleep 61`, post: say("post") });
  const container = (await stack.container("web")).name;
  const sleeps = async () =>
    (await docker("top", container, "-o", "pid,args")).includes("sleep 61");
  const run = place.start(["backup", "create"], { cwd: stack.dir });
  await until("pre runs", () => log(stack).length > 0);
  run.kill("SIGKILL");
  await finished(run);
  await until("pre is gone", async () => !await sleeps());
  await place.ok(["recover"], { cwd: stack.dir });
  assert.deepEqual(log(stack), ["pre 1", "post 1"]);
});
