/** The bulk is archived while services run, and the archive is the tree as of the stop all the same. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack, type SampleStack } from "../fixtures/docker.ts";
import { EngineProxy } from "../fixtures/engine_proxy.ts";
import { assertSameTree } from "../fixtures/tree.ts";
import { finished, names, Place, sh, until } from "./support.ts";

/** Long enough to do something while the engine seems to think. */
const HELD_MS = 2500;

/** What happens between the first pass and the stop. */
const MEANWHILE = `rm gone; echo more >> grows; mv a b; rm -r turns; echo file > turns
  mkdir was; rm was-file; ln -s x was-file; echo new > sub/new; chmod 600 mode
  t=$(stat -c %y same); echo AFTER > same; touch -d "$t" same; rm link-1; ln link-2 link-3
  i=0; while [ $i -lt 500 ]; do echo $i > many/$i; i=$((i+3)); done`;

async function prepare(stack: SampleStack): Promise<string> {
  const data = join(stack.dir, "app-data");
  await sh(
    `cd ${data}; head -c 3000000 /dev/urandom > gone; echo one > grows; echo a > a
     mkdir turns many; echo in > turns/in; echo x > was-file; echo m > mode; echo before > same
     sed -i s/before/BEFOR/ same; echo l > link-1; ln link-1 link-2
     for i in $(seq 0 499); do echo old $i > many/$i; done; head -c 9000000 /dev/zero > zeros`,
  );
  return data;
}

for (const [mode, compression] of [["stop", "gzip"], ["pause", "zstd"]] as const) {
  Deno.test(`--quiesce ${mode}: two passes give the tree as of the stop, to restore and to tar`, async () => {
    await using place = new Place();
    await using stack = await createSampleStack();
    await using proxy = await EngineProxy.start();
    const data = await prepare(stack);
    const [halt, resume] = mode === "stop" ? [/\/stop/, /\/start/] : [/\/pause/, /\/unpause/];
    proxy.rule({ match: halt, times: 1, action: "delay", ms: HELD_MS });
    proxy.rule({ match: resume, times: 1, action: "delay", ms: HELD_MS });
    const before = await stack.states();
    const args = ["backup", "create", "--json", "--quiesce", mode, "--compression", compression];
    const run = place.start(args, { cwd: stack.dir, env: proxy.env });

    await until("the first pass is over", () => proxy.count(halt) > 0);
    const partial = names(join(place.home, "backups")).find((name) => name.endsWith(".partial"));
    assert.ok(partial, "the archive is under way");
    await sh(`cd ${data}; ${MEANWHILE}`);
    await until("everything is held still", () => proxy.count(resume) > 0, 30_000);
    const still = join(place.dir, "still");
    await sh(`mkdir ${still}; cp -a ${data} ${await stack.volumePath()} ${still}`);

    const result = await finished(run);
    assert.equal(result.code, 0, result.stderr);
    const { backup } = result.json;
    assert.equal(backup.status, "completed");
    assert.equal(backup.verify_status, "passed");
    assert.equal(
      backup.backup_metadata.consistency,
      mode === "stop" ? "stopped" : "paused",
    );
    assert.ok(backup.downtime_ms >= HELD_MS && backup.downtime_ms < 3 * HELD_MS + 10_000);
    assert.deepEqual(await stack.states(), before);

    const listed = (await sh(`tar -tf ${backup.backup_path}`)).trim().split("\n");
    assert.equal(new Set(listed).size, listed.length, "each path once");
    await sh(
      `mkdir ${place.dir}/gnu; tar -xpf ${backup.backup_path} --xattrs --acls -S ` +
        `--numeric-owner -C ${place.dir}/gnu`,
    );
    await place.ok(["restore", String(backup.id), "--target", join(place.dir, "ours")]);
    for (const how of ["gnu", "ours"]) {
      const root = join(place.dir, how);
      await assertSameTree(join(root, "app-data"), join(still, "app-data"));
      await assertSameTree(join(root, "volumes", stack.volume), join(still, "_data"));
    }
    await place.ok(["backup", "verify", String(backup.id)]);
    assert.ok(!names(join(place.home, "backups")).some((name) => name.includes("partial")));
  });
}

Deno.test("--quiesce none: two passes touch no container and call the backup crash-consistent", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const before = await stack.containers();
  const made = await place.run(["backup", "create", "--quiesce", "none"], { cwd: stack.dir });
  assert.ok([0, 3].includes(made.code), made.stderr);
  assert.match(made.stdout, /CRASH-CONSISTENT: services ran meanwhile/);
  assert.deepEqual(await stack.containers(), before);
});

Deno.test("--no-precopy reads everything while services are down", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await using proxy = await EngineProxy.start();
  await prepare(stack);
  proxy.rule({ match: /\/stop/, times: 1, action: "delay", ms: 1000 });
  const run = place.start(["backup", "create", "--json", "--no-precopy", "--compression", "none"], {
    cwd: stack.dir,
    env: proxy.env,
  });
  await until("the stop begins", () => proxy.count(/\/stop/) > 0);
  const backups = join(place.home, "backups");
  const partial = names(backups).find((name) => name.endsWith(".tar.partial"))!;
  assert.ok(Deno.statSync(join(backups, partial)).size < 1_000_000, "nothing is archived yet");
  assert.equal((await finished(run)).code, 0);
});
