/** Incremental backups, as a user meets them: made, looked into, restored, rolled back to, deleted. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack } from "../fixtures/docker.ts";
import { EngineProxy } from "../fixtures/engine_proxy.ts";
import { assertSameTree } from "../fixtures/tree.ts";
import { fingerprint, finished, Place, sh, until } from "./support.ts";

Deno.test("backup create --kind incremental stores what changed; all commands take it like a full one", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha", "conf/app.ini": "x=1\n", "data/gone": "g" });
  await sh(
    `for i in $(seq 400); do echo "file $i" > data/f$i; done; ln data/f1 data/hard; ln -s f1 data/link
     head -c 2000000 /dev/urandom > data/large; sleep 0.2`,
    dir,
  );
  const create = async () =>
    (await place.ok(["backup", "create", "--kind", "incremental", "--json"], { cwd: dir })).json;
  const full = await create();
  assert.equal(full.backup.backup_type, "FULL");
  assert.match(full.notes.join(), /is FULL, not incremental: there is no completed backup/);
  const at = [await fingerprint(dir)];

  await sh(
    `echo more >> data/f2; rm data/gone; mv data/f3 data/moved; chmod 600 data/f4; mkdir new
     echo n > new/file; ln data/f1 data/hard2; rm -r conf; echo a file now > conf; sleep 0.2`,
    dir,
  );
  const second = (await create()).backup;
  assert.equal(second.backup_type, "INCREMENTAL");
  assert.equal(second.parent_id, full.backup.id);
  assert.equal(second.status, "completed");
  assert.equal(second.verify_status, "passed");
  assert.ok(second.backup_size < 20_000, `${second.backup_size} bytes`);
  assert.deepEqual(
    second.backup_metadata.chain.map((link: { backup_name: string }) => link.backup_name),
    [full.backup.backup_name],
  );
  at.push(await fingerprint(dir));
  await sh("echo third > data/f5; rm -r new; sleep 0.2", dir);
  const third = (await create()).backup;
  assert.equal(third.parent_id, second.id);
  at.push(await fingerprint(dir));

  // Every one of them restores to the tree of its moment, by its id and by its file.
  for (const [i, backup] of [full.backup, second, third].entries()) {
    const out = place.path(`out${i}`);
    await place.ok(["restore", String(backup.id), "--target", out]);
    assert.equal(await fingerprint(out), at[i], `backup ${backup.id}`);
    const other = place.path(`file${i}`);
    await place.ok(["restore", backup.backup_path, "--target", other]);
    assert.equal(await fingerprint(other), at[i], backup.backup_path);
  }
  const id = String(third.id);
  assert.equal((await place.ok(["cat", id, "data/f2"])).stdout, "file 2\nmore\n");
  assert.equal((await place.ok(["cat", id, "data/hard"])).stdout, "file 1\n");
  assert.equal((await place.ok(["cat", third.backup_path, "data/f400"])).stdout, "file 400\n");
  const listed = (await place.ok(["ls", id, "data"])).stdout;
  assert.match(listed, /moved/);
  assert.doesNotMatch(listed, /gone/);
  await place.ok([
    "restore",
    id,
    "data/f2",
    "data/f5",
    "data/hard2",
    "--target",
    place.path("some"),
  ]);
  assert.equal(Deno.readTextFileSync(place.path("some/data/f5")), "third\n");
  assert.equal(Deno.readTextFileSync(place.path("some/data/hard2")), "file 1\n");
  const verified = (await place.ok(["backup", "verify", id, "--json"])).json.results;
  assert.deepEqual(verified.map((result: { ok: boolean }) => result.ok), [true]);

  // Back to the second one, and undone again.
  await place.ok(["rollback", String(second.id), "--rollback-data", "--force"], { cwd: dir });
  assert.equal(await fingerprint(dir), at[1]);
  await place.ok(["rollback", "--undo", "--force"], { cwd: dir });
  assert.equal(await fingerprint(dir), at[2]);

  // A part of it goes back to where it came from.
  const back = ["restore", String(second.id), "data", "--in-place", "--json"];
  assert.equal((await place.ok(back, { cwd: dir })).json.live, join(dir, "data"));
  assert.equal(await fingerprint(join(dir, "data")), await fingerprint(place.path("out1/data")));
  await place.ok(["rollback", "--undo", "--force"], { cwd: dir });
  assert.equal(await fingerprint(join(dir, "data")), await fingerprint(place.path("out2/data")));

  // What others need stays.
  const refused = await place.run(["backup", "delete", "--id", "1", "--json"]);
  assert.equal(refused.code, 1);
  assert.match(refused.json.error.message, /backups 2, 3 need it/);
  assert.deepEqual(refused.json.error.needed_by, [2, 3]);

  // Without its base a backup is known to be of no use, and says what it lacks.
  const base = full.backup.backup_path;
  Deno.renameSync(base, `${base}.away`);
  const rows = (await place.ok(["backup", "list", "--json"])).json.backups;
  const broken = rows.find((row: { id: number }) => row.id === third.id);
  assert.equal(broken.chain_problem, "backup 1, which it needs, has lost its archive");
  const lost = await place.run(["restore", id, "--target", place.path("lost"), "--json"]);
  assert.equal(lost.code, 12);
  const alone = place.path("alone");
  Deno.mkdirSync(alone);
  for (const name of [second.backup_name, third.backup_name]) {
    await sh(`cp home/backups/${name}* ${alone}`, place.dir);
  }
  const beside = join(alone, `${third.backup_name}.tar.gz`);
  const missing = await place.run(["restore", beside, "--target", place.path("lost"), "--json"]);
  assert.equal(missing.code, 12);
  assert.equal(missing.json.error.missing.length, 1);
  assert.ok(missing.json.error.missing[0].endsWith(`${full.backup.backup_name}.tar.gz`));
  assert.match((await place.run(["status"], { cwd: dir })).stdout, /Backup 3 cannot be restored/);
  Deno.renameSync(`${base}.away`, base);

  // A damaged base is found through what needs it.
  await sh(`printf x | dd of=${base} bs=1 seek=5000 conv=notrunc status=none`);
  const bad = await place.run(["backup", "verify", id, "--json"]);
  assert.equal(bad.code, 12);
  const after = (await place.ok(["backup", "list", "--json"])).json.backups;
  const states = Object.fromEntries(
    after.map((row: { id: number; verify_status: string }) => [row.id, row.verify_status]),
  );
  assert.equal(states[1], "failed");
  assert.equal(states[3], "passed");

  const gone = await place.ok(["backup", "delete", "--id", "1", "--cascade", "--yes", "--json"]);
  assert.deepEqual(gone.json.deleted.map((row: { id: number }) => row.id), [3, 2, 1]);
  assert.equal((await place.run(["backup", "delete", "--id", "4", "--cascade"])).code, 2);
});

Deno.test("backup create --kind incremental is FULL where sources or exclusions are others", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha", "b.txt": "beta" });
  await sh("sleep 0.2", dir);
  const create = async (...args: string[]) =>
    (await place.ok(["backup", "create", "--kind", "incremental", "--json", ...args], { cwd: dir }))
      .json;
  await create();
  const excluded = await create("--exclude", "b.txt");
  assert.equal(excluded.backup.backup_type, "FULL");
  assert.match(excluded.notes.join(), /same sources and exclusions/);
  assert.equal((await create("--exclude", "b.txt")).backup.parent_id, excluded.backup.id);
  assert.equal((await create()).backup.parent_id, 1);
  const streamed = ["backup", "create", "--kind", "incremental", "--output", "-"];
  assert.equal((await place.run(streamed, { cwd: dir })).code, 2);
});

Deno.test("incremental backups of a stack that runs, in two passes, are the tree as of the stop", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await using proxy = await EngineProxy.start();
  const data = join(stack.dir, "app-data");
  await sh(
    `cd ${data}; mkdir many turns; echo in > turns/in; echo a > a; head -c 2000000 /dev/urandom > large
     for i in $(seq 300); do echo old $i > many/$i; done; sleep 0.2`,
  );
  const run = { cwd: stack.dir, env: proxy.env };
  const create = ["backup", "create", "--kind", "incremental", "--json"];
  assert.equal((await place.ok(create, run)).json.backup.backup_type, "FULL");

  // Changed before the first pass, and then, of some the same, between it and the stop.
  await sh(
    `cd ${data}; echo one >> many/1; echo two >> many/2; rm many/3; mv large bigger; sleep 0.2`,
  );
  const before = await stack.states();
  proxy.rule({ match: /\/stop/, times: 1, action: "delay", ms: 2500 });
  proxy.rule({ match: /\/start/, times: 1, action: "delay", ms: 2500 });
  const stops = proxy.count(/\/stop/);
  const child = place.start(create, run);
  await until("the first pass is over", () => proxy.count(/\/stop/) > stops);
  await sh(
    `cd ${data}; echo again >> many/2; rm many/1; mv a b; rm -r turns; echo file > turns; mv bigger large`,
  );
  const starts = proxy.count(/\/start/);
  await until("everything is held still", () => proxy.count(/\/start/) > starts, 60_000);
  const still = place.path("still");
  await sh(`mkdir ${still}; cp -a ${data} ${await stack.volumePath()} ${still}`);
  const result = await finished(child);
  assert.equal(result.code, 0, result.stderr);
  const { backup } = result.json;
  assert.equal(backup.backup_type, "INCREMENTAL");
  assert.equal(backup.status, "completed");
  assert.equal(backup.verify_status, "passed");
  assert.deepEqual(await stack.states(), before);
  const out = place.path("out");
  await place.ok(["restore", String(backup.id), "--target", out]);
  await assertSameTree(join(out, "app-data"), join(still, "app-data"));
  await assertSameTree(join(out, "volumes", stack.volume), join(still, "_data"));

  // Without a sound base nothing is stopped for a rollback.
  const base = (await place.ok(["backup", "show", "1", "--json"])).json.backup.backup_path;
  const stopped = proxy.count(/\/stop/);
  const rollback = async () => {
    const { code, json } = await place.run(["rollback", "2", "--force", "--json"], run);
    return [code, json.error.code, json.error.message];
  };
  await sh(`printf x | dd of=${base} bs=1 seek=5000 conv=notrunc`);
  const damaged = await rollback();
  assert.deepEqual(damaged.slice(0, 2), [12, "ARCHIVE_CORRUPT"]);
  assert.ok(damaged[2].includes(base), damaged[2]);
  const known = "Cannot use backup 2: backup 1, which it needs, is damaged";
  assert.deepEqual(await rollback(), [12, "ARCHIVE_MISSING", known]);
  Deno.removeSync(base);
  const lost = "Cannot use backup 2: backup 1, which it needs, has lost its archive";
  assert.deepEqual(await rollback(), [12, "ARCHIVE_MISSING", lost]);
  assert.equal(proxy.count(/\/stop/), stopped);
  assert.deepEqual(await stack.states(), before);
});
