/** `backup consolidate`, as a user meets it. */
import assert from "node:assert/strict";
import { auditRows, fingerprint, finished, names, Place, sh, until } from "./support.ts";

/** What `home/backups` holds of one archive. */
const files = (name: string, extension = ".tar.gz") => [
  `${name}.json`,
  `${name}.manifest.parquet`,
  `${name}${extension}`,
];

Deno.test("backup consolidate makes a full backup out of a chain; the chain may then be deleted", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha", "conf/app.ini": "x=1\n", "data/gone": "g" });
  await sh(
    `for i in $(seq 200); do echo "file $i" > data/f$i; done; ln data/f1 data/hard
     head -c 18000000 /dev/urandom > data/large; sleep 0.2`,
    dir,
  );
  const create = async (...args: string[]) => {
    const made = await place.ok(["backup", "create", "--json", ...args], { cwd: dir });
    return made.json.backup;
  };
  const incremental = (...args: string[]) => create("--kind", "incremental", ...args);
  const full = await create("--version", "1.4.2");
  await sh("echo more >> data/large; rm data/gone; mv data/f3 data/moved; sleep 0.2", dir);
  const second = await incremental("--version", "1.4.2");
  const then = await fingerprint(dir);
  await sh("echo third > data/f5; sleep 0.2", dir);
  const third = await incremental();
  const now = await fingerprint(dir);

  const refused = await place.run(["backup", "consolidate", "1", "--json"]);
  assert.equal(refused.code, 2);
  assert.match(refused.json.error.message, /Cannot consolidate backup 1: it is FULL already/);
  assert.equal((await place.run(["backup", "consolidate", "9"])).code, 10);

  // One from the middle takes its place in time behind none that is newer.
  const made = (await place.ok(["backup", "consolidate", "2", "--json"])).json;
  const { backup } = made;
  assert.equal(backup.id, 4);
  assert.equal(backup.backup_type, "FULL");
  assert.equal(backup.status, "completed");
  assert.equal(backup.verify_status, "passed");
  assert.equal(backup.trigger, "manual");
  assert.equal(backup.parent_id, null);
  assert.equal(backup.created_at, second.created_at);
  assert.equal(backup.source_version, "1.4.2");
  assert.equal(backup.description, "consolidated from backups 1, 2");
  assert.equal(backup.file_count, second.file_count);
  assert.deepEqual(
    backup.backup_metadata.consolidated_from,
    [full, second].map((one) => one.backup_name),
  );
  assert.equal(backup.backup_metadata.chain, undefined);
  assert.deepEqual(made.needed_by, [3]);
  // What has not changed of a large file is copied too, though it is put together anew.
  assert.ok(made.copied_bytes > 0.9 * backup.backup_size, `${made.copied_bytes} were copied`);
  const listed = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.deepEqual(listed.map((row: { id: number }) => row.id), [3, 4, 2, 1]);
  assert.match((await place.ok(["status"], { cwd: dir })).stdout, /last backup +3\b/i);
  assert.equal((await incremental()).parent_id, third.id);

  // The newest one: what comes next builds on it.
  const last = await place.ok(["backup", "consolidate", "5", "--compression", "zstd"]);
  assert.match(last.stdout, /Backup 6 is complete\./);
  assert.match(
    last.stdout,
    /needs none of backups 1, 2, 3, 5 \(.*\)\. .*: duckback backup delete --id 1 --cascade/,
  );
  assert.equal((await incremental()).parent_id, 6);
  const gone = ["backup", "delete", "--id", "1", "--cascade", "--yes", "--json"];
  const deleted = (await place.ok(gone)).json.deleted.map((row: { id: number }) => row.id);
  assert.deepEqual(deleted, [5, 3, 2, 1]);
  for (const [id, tree] of [[4, then], [6, now], [7, now]] as const) {
    const out = place.path(`out${id}`);
    await place.ok(["restore", String(id), "--target", out]);
    assert.equal(await fingerprint(out), tree, `backup ${id}`);
  }
  assert.equal((await place.ok(["cat", "6", "data/f5"])).stdout, "third\n");
  await place.ok(["backup", "verify", "--all"]);
  await place.ok(["catalog", "check"]);
  const actions = await auditRows(place, "consolidate");
  assert.deepEqual(actions.map(({ status }) => status), [
    "failed",
    "failed",
    "completed",
    "completed",
  ]);

  // Back to one of them, and what the catalogue lost is found again.
  await place.ok(["rollback", "4", "--rollback-data", "--force"], { cwd: dir });
  assert.equal(await fingerprint(dir), then);
  await sh("rm home/catalog*", place.dir);
  await place.ok(["catalog", "rebuild"]);
  const found = (await place.ok(["backup", "show", "6", "--json"])).json.backup;
  assert.equal(found.created_at, third.created_at < found.created_at ? found.created_at : "");
  assert.equal(found.backup_type, "FULL");
});

Deno.test("backup consolidate leaves nothing where an archive is missing or damaged, or it is killed", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha" });
  await sh("head -c 80000000 /dev/urandom > b; sleep 0.2", dir);
  const create = async () =>
    (await place.ok(["backup", "create", "--kind", "incremental", "--json"], { cwd: dir })).json
      .backup;
  const full = await create();
  await sh("echo more >> a.txt; sleep 0.2", dir);
  const next = await create();
  const backups = place.path("home/backups");
  const sound = [...files(full.backup_name), ...files(next.backup_name)].sort();
  assert.deepEqual(names(backups), sound);

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    const child = place.start(["backup", "consolidate", "2", "--compression", "zstd"]);
    const partial = () => names(backups).find((name) => name.endsWith(".tar.zst.partial"));
    await until("the archive grows", () => {
      const name = partial();
      return name !== undefined && Deno.statSync(`${backups}/${name}`).size > 1 << 20;
    });
    child.kill(signal);
    const began = performance.now();
    const { code } = await finished(child);
    assert.ok(performance.now() - began < 1500);
    if (signal === "SIGINT") assert.equal(code, 130);
    else {
      assert.ok(partial());
      await place.ok(["recover"]);
    }
    assert.deepEqual(names(backups), sound, signal);
  }
  const rows = (await place.ok(["backup", "list", "--json"])).json.backups;
  const states = Object.fromEntries(
    rows.map((row: { id: number; status: string }) => [row.id, row.status]),
  );
  assert.deepEqual(states, { 1: "completed", 2: "completed", 3: "failed", 4: "failed" });

  Deno.renameSync(full.backup_path, `${full.backup_path}.away`);
  const missing = await place.run(["backup", "consolidate", "2", "--json"]);
  assert.equal(missing.code, 12);
  assert.match(missing.json.error.message, /backup 1, which it needs, has lost its archive/);
  Deno.renameSync(`${full.backup_path}.away`, full.backup_path);

  await sh(`printf x | dd of=${full.backup_path} bs=1 seek=40000000 conv=notrunc status=none`);
  const damaged = await place.run(["backup", "consolidate", "2", "--json"]);
  assert.equal(damaged.code, 12);
  assert.ok(damaged.json.error.message.includes(full.backup_path), damaged.json.error.message);
  assert.deepEqual(names(backups), sound);
  const shown = (await place.ok(["backup", "show", "1", "--json"])).json.backup;
  assert.equal(shown.verify_status, "failed");
  assert.equal((await place.run(["backup", "consolidate", "2"])).code, 12);
});
