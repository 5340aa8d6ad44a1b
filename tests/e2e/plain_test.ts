/** The main job without Docker: a directory without a compose file, and everything that can go wrong. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { auditRows, fingerprint, names, Place, sh, until } from "./support.ts";

const FILES = {
  "a.txt": "alpha",
  "conf/app.ini": "x=1\n",
  "data/one": "1".repeat(5000),
  "data/deep/er/two": "2",
  "data/empty": null,
};

async function stack(place: Place): Promise<string> {
  const dir = place.tree("shop", FILES);
  Deno.symlinkSync("a.txt", join(dir, "link"));
  Deno.linkSync(join(dir, "a.txt"), join(dir, "data/hard"));
  Deno.chmodSync(join(dir, "conf/app.ini"), 0o640);
  await sh(
    "mkfifo data/fifo; chown 1234:4321 data/one; touch -d '2001-02-03 04:05:06.123456789' a.txt",
    dir,
  );
  return dir;
}

Deno.test("backup create, list, show, verify, damage, rollback, undo", async () => {
  await using place = new Place();
  const dir = await stack(place);
  const before = await fingerprint(dir);
  const init = await place.ok(["init", "--json"], { cwd: dir });
  assert.equal(init.json.stack.name, "shop");
  assert.equal(init.json.registered, true);

  const made =
    (await place.ok(["backup", "create", "--version", "1.0", "--json"], { cwd: dir })).json;
  assert.equal(made.success, true);
  assert.equal(made.backup.status, "completed");
  assert.equal(made.backup.verify_status, "passed");
  assert.equal(made.backup.backup_type, "FULL");
  assert.equal(made.backup.trigger, "manual");
  assert.match(
    made.backup.backup_name,
    /^backup_manual_shop_v1\.0_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d$/,
  );
  const archive = made.backup.backup_path;
  const hash = (await sh(`sha256sum ${archive}`)).split(" ")[0];
  assert.equal(made.backup.backup_hash, hash);
  assert.deepEqual(names(join(place.home, "backups")), [
    `${made.backup.backup_name}.json`,
    `${made.backup.backup_name}.manifest.parquet`,
    `${made.backup.backup_name}.tar.gz`,
  ]);
  assert.deepEqual(names(join(place.home, "journal")), []);

  const list = (await place.ok(["list-backups", "--json"])).json;
  assert.deepEqual(list.backups.map((b: { id: number }) => b.id), [made.backup.id]);
  const show = (await place.ok(["backup", "show", "1", "--json"])).json.backup;
  assert.equal(show.backup_hash, hash);
  assert.equal(show.backup_metadata.sources.length, 1);
  assert.equal((await place.ok(["backup", "verify", "--all", "--json"])).json.results[0].ok, true);

  // GNU tar alone restores it.
  const out = place.tree("out", {});
  await sh(`tar -xpzf ${archive} -C ${out}`);
  assert.equal(await fingerprint(out), before);

  await sh("rm -r data/deep data/empty link; echo changed > a.txt; echo new > extra", dir);
  const damaged = await fingerprint(dir);
  const back = (await place.ok(["rollback", "1", "--force", "--json"])).json;
  assert.equal(back.safety_backup.trigger, "safety");
  assert.equal(back.safety_backup.status, "completed");
  assert.equal(await fingerprint(dir), before);

  await place.ok(["rollback", "--undo", "--force", "--work-dir", dir]);
  assert.equal(await fingerprint(dir), damaged);
  await place.ok(["rollback", "--undo", "--force", "--work-dir", dir]);
  assert.equal(await fingerprint(dir), before);

  // The safety backup is a backup like any other.
  await place.ok(["rollback", String(back.safety_backup.id), "--force"]);
  assert.equal(await fingerprint(dir), damaged);

  const rows = await auditRows(place);
  assert.deepEqual(rows.map((row) => `${row.action_type} ${row.status}`), [
    "init completed",
    "backup completed",
    "verify completed",
    "rollback completed",
    "rollback-undo completed",
    "rollback-undo completed",
    "rollback completed",
  ]);
});

for (const compression of ["gzip", "zstd", "none"]) {
  Deno.test(`restore --target gives a ${compression} backup back beside the live tree`, async () => {
    await using place = new Place();
    const dir = await stack(place);
    const before = await fingerprint(dir);
    await place.ok(["backup", "create", "--compression", compression], { cwd: dir });
    await place.ok(["restore", "1", "--target", place.path("all")]);
    assert.equal(await fingerprint(place.path("all")), before);
    const some = await place.ok([
      "restore",
      "1",
      "data/deep",
      "a.txt",
      "--target",
      place.path("some"),
      "--json",
    ]);
    assert.equal(some.json.files, 2);
    assert.equal(Deno.readTextFileSync(place.path("some/data/deep/er/two")), "2");
    const again = await place.run(["restore", "1", "--target", place.path("some"), "--json"]);
    assert.equal(again.code, 1);
    assert.equal(again.json.error.code, "REFUSED");
    const none = await place.run([
      "restore",
      "1",
      "no/such",
      "--target",
      place.path("none"),
      "--json",
    ]);
    assert.equal(none.code, 10);
    assert.equal(await fingerprint(dir), before);
  });
}

Deno.test("backup create --output - streams an archive that tar reads", async () => {
  await using place = new Place();
  const dir = await stack(place);
  const before = await fingerprint(dir);
  const child = place.start(["backup", "create", "--output", "-"], { cwd: dir });
  const file = await Deno.open(place.path("x.tar.gz"), { create: true, write: true });
  await child.stdout.pipeTo(file.writable);
  assert.equal((await child.status).code, 0);
  await child.stderr.cancel();
  await sh(`mkdir out && tar -xpzf x.tar.gz -C out`, place.dir);
  assert.equal(await fingerprint(place.path("out")), before);
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.backup_path, "-");
  assert.equal(row.status, "completed");
  assert.equal((await place.run(["rollback", "1", "--force", "--json"])).code, 12);
  // What was streamed can be restored by duckback too.
  await place.ok(["restore", place.path("x.tar.gz"), "--target", place.path("out2")]);
  assert.equal(await fingerprint(place.path("out2")), before);
});

Deno.test("backup create --output - fails when its reader goes away", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 8000000 /dev/urandom > big", dir);
  const run = place.start(["backup", "create", "--output", "-"], { cwd: dir });
  await run.stdout.cancel();
  assert.equal((await run.status).code, 1);
  await run.stderr.cancel();
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.status, "failed");
  assert.match(row.error_message, /closed the pipe/);
});

Deno.test("backup create refuses what is not there, and an empty plan [case 16]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  const missing = await place.run(["backup", "create", "--source", "gone", "--json"], { cwd: dir });
  assert.equal(missing.code, 1);
  assert.equal(missing.json.error.code, "SOURCE_MISSING");
  assert.match(missing.json.error.message, /gone/);
  const nothing = await place.run(["backup", "create", "--kind", "data-only", "--json"], {
    cwd: dir,
  });
  assert.equal(nothing.code, 1);
  assert.equal(nothing.json.error.code, "NOTHING_TO_BACK_UP");
  const { backups } = (await place.ok(["backup", "list", "--json"])).json;
  assert.deepEqual(backups.map((b: { status: string }) => b.status), ["failed", "failed"]);
  assert.deepEqual(names(join(place.home, "backups")), []);
});

Deno.test("backup create leaves out the backup directory that lies inside a source [case 18]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  const env = { DUCKBACK_HOME: join(dir, "home") };
  await place.ok(["backup", "create"], { cwd: dir, env });
  const second = (await place.ok(["backup", "create", "--json"], { cwd: dir, env })).json.backup;
  assert.doesNotMatch(await sh(`tar tzf ${second.backup_path}`), /home\//);
  await place.ok(["config", "set", "auto_backup_directory", join(dir, "keep")], { cwd: dir, env });
  await place.ok(["backup", "create"], { cwd: dir, env });
  const third = (await place.ok(["backup", "create", "--json"], { cwd: dir, env })).json.backup;
  assert.doesNotMatch(await sh(`tar tzf ${third.backup_path}`), /keep\//);
  // A rollback of that source keeps home and archives where they are.
  Deno.writeTextFileSync(join(dir, "a"), "changed");
  await place.ok(["rollback", String(third.id), "--force"], { cwd: dir, env });
  assert.equal(Deno.readTextFileSync(join(dir, "a")), "a");
  assert.ok(names(join(dir, "keep")).length > 2);
  assert.equal(
    (await place.ok(["backup", "verify", String(third.id), "--json"], { cwd: dir, env })).json
      .success,
    true,
  );
});

Deno.test("two backups in one second have names of their own [case 21]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  const paths = new Set<string>();
  for (let n = 0; n < 4; n++) {
    const { backup } =
      (await place.ok(["backup", "create", "--json", "--no-verify"], { cwd: dir })).json;
    paths.add(backup.backup_path);
  }
  assert.equal(paths.size, 4);
  for (const path of paths) await sh(`tar tzf ${path}`);
});

Deno.test("a full disk fails the backup and leaves the older ones [case 12]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 3000000 /dev/urandom > a", dir);
  const disk = place.tree("disk", {});
  await sh(`mount -t tmpfs -o size=8m tmpfs ${disk}`);
  try {
    await place.ok(["config", "set", "auto_backup_directory", disk]);
    const first = (await place.ok(["backup", "create", "--json"], { cwd: dir })).json.backup;
    // Zeros first, so that experience says that it will fit.
    await sh("head -c 30000000 /dev/urandom > b", dir);
    await place.ok(["backup", "delete", "--id", "1", "--force"]);
    const again =
      (await place.ok(["backup", "create", "--json", "--source", "a"], { cwd: dir })).json.backup;
    const full = await place.run(["backup", "create", "--json", "--compression", "zstd"], {
      cwd: dir,
    });
    assert.equal(full.code, 1);
    assert.equal(full.json.error.code, "DISK_FULL");
    assert.ok(full.json.error.hint);
    assert.deepEqual(names(disk).filter((name) => !name.startsWith(again.backup_name)), []);
    assert.notEqual(first.backup_name, "");
    const { backups } = (await place.ok(["backup", "list", "--json"])).json;
    assert.equal(backups[0].status, "failed");
    assert.match(backups[0].error_message, /no space left/);
    assert.equal(
      (await place.ok(["backup", "verify", String(again.id), "--json"])).json.success,
      true,
    );
  } finally {
    await sh(`umount ${disk}`);
  }
});

Deno.test("a backup directory that cannot be written to is said so, and nothing is left", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  const disk = place.tree("disk", {});
  await sh(`mount -t tmpfs -o ro tmpfs ${disk}`);
  try {
    await place.ok(["config", "set", "auto_backup_directory", disk]);
    const readonly = await place.run(["backup", "create", "--json"], { cwd: dir });
    assert.equal(readonly.code, 1);
    assert.equal(readonly.json.error.code, "NOT_WRITABLE");
    assert.match(readonly.json.error.message, /read-only/);
    const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
    assert.equal(row.status, "failed");
    assert.match(row.error_message, /read-only/);
  } finally {
    await sh(`umount ${disk}`);
  }
});

Deno.test("an unreadable file makes the backup partial and is named", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "open": "o", "shut": "s" });
  Deno.chmodSync(join(dir, "shut"), 0);
  Deno.chmodSync(place.dir, 0o755);
  await sh(
    `mkdir -p ${place.home} && chown -R 1000:1000 ${place.home} ${dir} && chown 0 ${dir}/shut`,
  );
  const result = await place.run(["backup", "create", "--json"], {
    cwd: dir,
    wrap: ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"],
  });
  assert.equal(result.code, 3, result.stderr);
  assert.equal(result.json.backup.status, "partial");
  const warning = result.json.backup.warnings.find((w: { path: string }) =>
    w.path.endsWith("shut")
  );
  assert.equal(warning.incomplete, true);
  const tar = await sh(`tar tzf ${result.json.backup.backup_path}`);
  assert.match(tar, /open/);
  assert.doesNotMatch(tar, /shut/);
});

Deno.test("a file that changes while it is read makes the backup partial", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 60000000 /dev/urandom > log", dir);
  // Grows all the time, for as long as the backup runs.
  const writer = new Deno.Command("sh", {
    args: ["-c", "while :; do echo more >> log; done"],
    cwd: dir,
  }).spawn();
  try {
    const result = await place.run(["backup", "create", "--json"], { cwd: dir });
    assert.equal(result.code, 3, result.stderr);
    assert.equal(result.json.backup.status, "partial");
    assert.equal(result.json.backup.warnings[0].code, "FILE_CHANGED");
    await sh(`tar xzf ${result.json.backup.backup_path} -O log > /dev/null`);
  } finally {
    writer.kill("SIGKILL");
    await writer.status;
  }
});

Deno.test("a damaged or missing archive is refused before anything is touched [case 27]", async () => {
  await using place = new Place();
  const dir = await stack(place);
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: dir })).json;
  Deno.writeTextFileSync(join(dir, "a.txt"), "changed since");
  const before = await fingerprint(dir);
  const bytes = Deno.readFileSync(backup.backup_path);
  const flipped = bytes.slice();
  flipped[flipped.length >> 1] ^= 1;
  for (const broken of [flipped, bytes.slice(0, -20), bytes.slice(0, 30), new Uint8Array()]) {
    Deno.writeFileSync(backup.backup_path, broken);
    const result = await place.run(["rollback", "1", "--force", "--json"]);
    assert.equal(result.code, 12, result.stderr);
    assert.equal(result.json.error.code, "ARCHIVE_CORRUPT");
    assert.equal(
      (await place.run(["restore", "1", "--target", place.path("out"), "--json"])).code,
      12,
    );
    assert.equal((await place.run(["backup", "verify", "1", "--json"])).code, 12);
  }
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.verify_status, "failed");
  Deno.removeSync(backup.backup_path);
  const missing = await place.run(["rollback", "1", "--force", "--json"]);
  assert.equal(missing.code, 12);
  assert.equal(missing.json.error.code, "ARCHIVE_MISSING");
  assert.equal(await fingerprint(dir), before);
  assert.equal((await place.ok(["backup", "list", "--json"])).json.backups.length, 1);
});

Deno.test("a rollback without a safety backup does not happen [case 28]", async () => {
  await using place = new Place();
  const dir = await stack(place);
  await place.ok(["backup", "create"], { cwd: dir });
  await sh("head -c 30000000 /dev/urandom > big", dir);
  const before = await fingerprint(dir);
  const disk = place.tree("disk", {});
  await sh(`mount -t tmpfs -o size=4m tmpfs ${disk}`);
  try {
    await place.ok(["config", "set", "auto_backup_directory", disk]);
    const result = await place.run(["rollback", "1", "--force", "--json"]);
    assert.equal(result.code, 1);
    assert.equal(result.json.error.code, "SAFETY_FAILED");
    assert.equal(await fingerprint(dir), before);
    assert.ok(!names(dir).includes(".duckback-undo"));
    assert.deepEqual(names(join(place.home, "journal")), []);
  } finally {
    await sh(`umount ${disk}`);
  }
});

Deno.test("unknown ids end with 10, wrong usage with 2, both with a hint", async () => {
  await using place = new Place();
  const table: [string[], number, string][] = [
    [["backup", "show", "7"], 10, "NO_SUCH_BACKUP"],
    [["backup", "verify", "7"], 10, "NO_SUCH_BACKUP"],
    [["backup", "delete", "--id", "7"], 10, "NO_SUCH_BACKUP"],
    [["rollback", "7", "--force"], 10, "NO_SUCH_BACKUP"],
    [["rollback-data-only", "7", "--force"], 10, "NO_SUCH_BACKUP"],
    [["restore", "7", "--target", "x"], 10, "NO_SUCH_BACKUP"],
    [["restore", "nowhere.tar.gz", "--target", "x"], 12, "ARCHIVE_MISSING"],
    [["status", "--work-dir", "nowhere"], 10, "NO_SUCH_STACK"],
    [["backup", "create", "--file", "nowhere.yml"], 10, "COMPOSE_MISSING"],
    [["rollback"], 2, "USAGE"],
    [["backup", "create", "--level", "99"], 2, "USAGE"],
    [["backup", "create", "--bogus"], 2, "USAGE"],
    [["bogus"], 2, "USAGE"],
    [["config", "get", "backup.compresion"], 2, "USAGE"],
    [["config", "set", "backup.compression", "rar"], 2, "USAGE"],
    [["config", "set", "auto_backup_last_time", "2020-01-01T00:00:00Z"], 2, "USAGE"],
  ];
  for (const [args, code, name] of table) {
    const result = await place.run([...args, "--json"]);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.stdout}${result.stderr}`);
    assert.equal(result.json.success, false);
    assert.equal(result.json.error.code, name, args.join(" "));
    assert.doesNotMatch(result.stderr, /\.ts:\d+|at .*\(/, "no stack trace");
  }
});

Deno.test("rollback --list-json prints one document of the old shape, on error too", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  assert.deepEqual((await place.ok(["rollback", "--list-json"])).json, {
    success: true,
    backups: [],
    error: null,
  });
  await place.ok(["backup", "create", "--type", "pre-upgrade", "--version", "2.0"], { cwd: dir });
  await place.ok(["backup", "create"], { cwd: dir });
  const { backups, success, error } = (await place.ok(["rollback", "--list-json"])).json;
  assert.equal(success, true);
  assert.equal(error, null);
  const [manual, upgrade] = backups;
  assert.equal(manual.backup_type, "Manual");
  assert.equal(upgrade.backup_type, "PreUpgrade");
  assert.equal(upgrade.service_version, "2.0");
  assert.match(upgrade.created_at, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.equal(upgrade.file_exists, true);
  assert.equal(upgrade.file_size, Deno.statSync(upgrade.file_path).size);
  Deno.writeTextFileSync(place.path("nohome"), "");
  const failed = await place.run(["rollback", "--list-json", "--home", place.path("nohome")]);
  assert.notEqual(failed.code, 0);
  assert.equal(failed.json.success, false);
  assert.deepEqual(failed.json.backups, []);
  assert.equal(typeof failed.json.error, "string");
});

Deno.test("a second run leaves with 11 while the first works; lists go on [cases 25, 33, 34]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 30000000 /dev/urandom > big", dir);
  await place.ok(["init"], { cwd: dir });
  // A reader that does not read holds the first run where it is, for as long as the test likes.
  const first = place.start(["backup", "create", "--output", "-"], { cwd: dir });
  await until("the first run is at work", () => names(join(place.home, "journal")).length > 0);
  const second = await place.run(["backup", "create", "--json"], { cwd: dir });
  assert.equal(second.code, 11);
  assert.equal(second.json.error.code, "LOCKED");
  assert.match(second.json.error.message, /backup create.*pid \d+/);
  const restore = await place.run(["restore", "1", "--target", place.path("x"), "--json"]);
  assert.equal(restore.code, 11);
  const lists = await Promise.all(
    Array.from({ length: 10 }, () => place.run(["backup", "list", "--json"])),
  );
  for (const list of lists) {
    assert.equal(list.code, 0, list.stderr);
    assert.equal(list.json.backups[0].status, "running");
  }
  const { code } = await first.output();
  assert.equal(code, 0);
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.status, "completed");
  await place.ok(["backup", "create"], { cwd: dir });
});

Deno.test("kill -9 in mid-archive: the next run settles the row and removes the rest", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 80000000 /dev/urandom > big", dir);
  await place.ok(["init"], { cwd: dir });
  const first = place.start(["backup", "create"], { cwd: dir });
  const backups = join(place.home, "backups");
  await until(
    "the first run writes",
    () =>
      Deno.statSync(place.home).isDirectory && names(place.home).includes("backups") &&
      names(backups).some((name) => name.endsWith(".partial")),
  );
  first.kill("SIGKILL");
  await first.output();
  const recovered = (await place.ok(["recover", "--json"])).json;
  assert.deepEqual(recovered.settled.map((row: { status: string }) => row.status), ["failed"]);
  assert.deepEqual(names(backups), []);
  assert.deepEqual(names(join(place.home, "journal")), []);
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.status, "failed");
  await place.ok(["backup", "create"], { cwd: dir });
});

Deno.test("SIGINT and SIGTERM end a backup with 130 within a second or so", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 200000000 /dev/urandom > big", dir);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const run = place.start(["backup", "create", "--json", "--level", "9"], { cwd: dir });
    await until(
      "it writes",
      () =>
        names(place.dir).includes("home") && names(place.home).includes("backups") &&
        names(join(place.home, "backups")).some((name) => name.endsWith(".tar.gz.partial")),
    );
    const at = performance.now();
    run.kill(signal);
    const { code, stdout } = await run.output();
    assert.equal(code, 130);
    assert.ok(performance.now() - at < 3000, `${performance.now() - at} ms`);
    assert.equal(JSON.parse(new TextDecoder().decode(stdout)).error.code, "INTERRUPTED");
    assert.deepEqual(names(join(place.home, "backups")), []);
  }
  const { backups } = (await place.ok(["backup", "list", "--json"])).json;
  assert.deepEqual(backups.map((b: { status: string }) => b.status), [
    "failed",
    "failed",
    "failed",
  ]);
});

Deno.test("a catalogue that cannot be written at the end loses nothing [case 26, without services]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 60000000 /dev/urandom > big", dir);
  await place.ok(["init"], { cwd: dir });
  const catalog = join(place.home, "catalog.duckdb");
  const run = place.start(["backup", "create", "--json", "--no-verify"], { cwd: dir });
  await until("it writes", () =>
    names(place.home).includes("backups") &&
    names(join(place.home, "backups")).some((name) => name.endsWith(".partial")));
  await sh(`chattr +i ${catalog}`);
  const { code, stdout } = await run.output();
  await sh(`chattr -i ${catalog}`);
  const { backup } = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(code, 3);
  assert.equal(backup.status, "completed");
  // The list already knows better than the row.
  assert.equal((await place.ok(["backup", "list", "--json"])).json.backups[0].status, "completed");
  await place.ok(["recover"]);
  const shown = (await place.ok(["backup", "show", "1", "--json"])).json.backup;
  assert.equal(shown.status, "completed");
  assert.equal(shown.backup_hash, backup.backup_hash);
  assert.equal((await place.ok(["backup", "verify", "1", "--json"])).json.success, true);
});

Deno.test("an archive whose row is gone is taken in from its sidecar", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: dir })).json;
  for (const name of names(place.home)) {
    if (name.startsWith("catalog")) Deno.removeSync(join(place.home, name), { recursive: true });
  }
  assert.deepEqual((await place.ok(["recover", "--json"])).json.adopted, [backup.backup_name]);
  const shown = (await place.ok(["backup", "show", "1", "--json"])).json.backup;
  const { file_exists: _, ...row } = shown;
  assert.deepEqual(row, backup);
});

Deno.test("whatever the umask, everything in the home is 0600 or 0700 [case 42]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  const wrap = ["sh", "-c", 'umask 000; exec "$@"', "sh"];
  // While it works, too.
  const seen = new Set<string>();
  const look = async () => {
    const text = await sh(`find ${place.home} -printf '%m %y %P\\n' 2>/dev/null || true`);
    for (const line of text.split("\n")) if (line) seen.add(line);
  };
  await sh("head -c 40000000 /dev/urandom > big", dir);
  let done = false;
  const run = place.ok(["backup", "create"], { cwd: dir, wrap }).finally(() => done = true);
  while (!done) await look();
  await run;
  await place.ok(["rollback", "1", "--force"], { wrap });
  await look();
  assert.ok([...seen].some((line) => line.includes(".partial")), "saw the partial file");
  const open = [...seen].filter((line) => !/^(600 f|700 d) /.test(line));
  assert.deepEqual(open, []);
});

Deno.test("secrets in the environment or .env reach no log, no catalogue, no sidecar [case 39]", async () => {
  await using place = new Place();
  const secret = "hunter2-very-secret-value";
  const dir = place.tree("shop", { ".env": `PASSWORD=${secret}\n`, "a": "a" });
  const result = await place.run(["backup", "create", "--verbose", "--exclude", ".env"], {
    cwd: dir,
    env: { DB_PASSWORD: secret },
  });
  assert.equal(result.code, 0, result.stderr);
  assert.ok(!(result.stdout + result.stderr).includes(secret));
  const hits = await sh(`grep -rla ${secret} ${place.home} || true`);
  assert.equal(hits, "");
});

Deno.test("config set, get, unset and list agree", async () => {
  await using place = new Place();
  const set = await place.ok(["config", "set", "backup.compression", "zstd", "--json"]);
  assert.equal(set.json.value, "zstd");
  assert.equal((await place.ok(["config", "get", "backup.compression"])).stdout, "zstd\n");
  const dir = place.tree("shop", { "a": "a" });
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: dir })).json;
  assert.match(backup.backup_path, /\.tar\.zst$/);
  await place.ok(["config", "unset", "backup.compression"]);
  const { settings } = (await place.ok(["config", "list", "--json"])).json;
  const found = settings.find((s: { key: string }) => s.key === "backup.compression");
  assert.deepEqual([found.value, found.is_set], ["gzip", false]);
});

Deno.test("a pipe sees no progress and no colour; standard error has no noise", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  const result = await place.run(["backup", "create"], { cwd: dir, env: { NO_COLOR: "" } });
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(result.stdout + result.stderr, /\x1b|\r/);
  const quiet = await place.ok(["backup", "create", "--quiet"], { cwd: dir });
  assert.equal(quiet.stdout + quiet.stderr, "");
});

Deno.test("--progress json gives events as JSON lines on standard error", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a".repeat(100_000) });
  const { stderr } = await place.ok(["backup", "create", "--progress", "json"], { cwd: dir });
  const events = stderr.trim().split("\n").map((line) => JSON.parse(line));
  const phases = events.filter((event) => event.type === "phase").map((event) => event.phase);
  assert.deepEqual(phases, ["measure", "archive", "finish", "verify"]);
  const last = events.findLast((event) => event.type === "progress");
  assert.equal(last.total_bytes, 100_000);
  assert.equal(last.bytes, 100_000);
});

Deno.test("--exclude and --source choose what is backed up; --dry-run writes nothing", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "keep": "k", "x.tmp": "t", "cache/c": "c", "sub/y.tmp": "t" });
  const extra = place.tree("elsewhere", { "e": "e" });
  const preview = await place.ok(["backup", "create", "--dry-run", "--json"], { cwd: dir });
  assert.equal(preview.json.estimate.files, 4);
  assert.deepEqual((await place.ok(["backup", "list", "--json"])).json.backups, []);
  const { backup } = (await place.ok([
    ...["backup", "create", "--json", "--exclude", "*.tmp", "--exclude", "cache/"],
    ...["--source", ".", "--source", extra],
  ], { cwd: dir })).json;
  const listed = (await sh(`tar tzf ${backup.backup_path}`)).split("\n");
  assert.ok(listed.includes("keep"), listed.join());
  assert.ok(listed.includes(`external${extra}/e`), listed.join());
  assert.ok(
    !listed.some((name) => name.endsWith(".tmp") || name.startsWith("cache")),
    listed.join(),
  );
});

Deno.test("--help and --version need no home and say what there is", async () => {
  await using place = new Place();
  const help = await place.ok(["--help"]);
  assert.match(help.stdout, /rollback/);
  assert.match((await place.ok(["backup", "create", "--help"])).stdout, /Examples:/);
  assert.match((await place.ok(["version"])).stdout, /^duckback \d/);
  assert.deepEqual(names(place.dir), []);
});
