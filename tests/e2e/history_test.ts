import assert from "node:assert/strict";
import { join } from "node:path";
import { auditRows, COMMAND, names, Place, sh } from "./support.ts";

/** Backups 1 to 3 of a plain directory in three states, and a fourth state that is live. */
async function prepared(place: Place): Promise<string> {
  const dir = place.tree("shop", {
    "conf/app.ini": "a=1\n",
    "data/log.txt": "line\n".repeat(2000),
    "data/uploads/a.jpg": "picture a",
    "data/uploads/b.jpg": "picture b",
    "data/evil\x1b[31m\u202e.txt": "evil",
  });
  const at = { cwd: dir };
  await sh(`printf raw > "data/$(printf 'caf\\351')"`, dir);
  await place.ok(["backup", "create", "--no-verify"], at);
  await sh(
    `echo a=22 > conf/app.ini; mv data/uploads/b.jpg data/uploads/c.jpg; echo more >> data/log.txt
     chmod 600 data/uploads/a.jpg`,
    dir,
  );
  await place.ok(["backup", "create", "--no-verify"], at);
  await sh(`rm conf/app.ini; mkdir new; echo new > new/file; echo more >> data/log.txt`, dir);
  await place.ok(["backup", "create", "--no-verify"], at);
  await sh(`echo a=1 > conf/app.ini; mv new/file new/other; echo more >> data/log.txt`, dir);
  return dir;
}

// deno-lint-ignore no-explicit-any
type Row = any;

Deno.test("find, history, diff, stats and query answer from manifests alone", async (t) => {
  await using place = new Place();
  const dir = await prepared(place);
  const at = { cwd: dir };
  const json = async (...args: string[]) => (await place.ok([...args, "--json"], at)).json;
  const found = async (...args: string[]) =>
    (await json("find", ...args)).rows.map((row: Row) => `${row.path} ${row.backups.join()}`);

  // The archives are gone; what lies beside them is enough.
  const backups = join(place.home, "backups");
  for (const name of names(backups)) {
    if (name.endsWith(".tar.gz")) Deno.removeSync(join(backups, name));
  }

  await t.step("find", async () => {
    assert.deepEqual(await found("app.ini"), ["conf/app.ini 1", "conf/app.ini 2"]);
    assert.deepEqual(await found(join(dir, "data/uploads/b.jpg")), ["data/uploads/b.jpg 1"]);
    assert.deepEqual(await found("data/**", "--size", "+1k", "--backup", "2"), ["data/log.txt 2"]);
    const { rows } = await json("find", "caf*");
    assert.equal(rows[0].path_raw, "646174612f636166e9");
    assert.match(rows[0].mtime, /^20.*\.\d{9}Z$/);
    const text = await place.ok(["find", "{*evil*,*.jpg}", "--newer", "1h", "--limit", "1"], at);
    assert.ok(text.stdout.includes("data/evil\\x1b[31m\\u202e.txt"), text.stdout);
    assert.match(text.stdout, /and 4 more/);
    assert.match((await place.ok(["find", "app"], at)).stdout, /Nothing found.*\n.*'\*app\*'/);
    assert.equal((await place.run(["find", "--size", "much"], at)).code, 2);
    assert.equal((await place.run(["find", "x", "--backup", "99"], at)).code, 10);
  });

  await t.step("history", async () => {
    const ini = await json("history", "conf/app.ini");
    assert.deepEqual(ini.versions.map((one: Row) => [one.version, one.size, one.backups]), [
      [1, 4, [1]],
      [2, 5, [2]],
    ]);
    assert.deepEqual(ini.timeline.map((one: Row) => [one.present, one.version, one.backups]), [
      [true, 1, [1]],
      [true, 2, [2]],
      [false, null, [3]],
    ]);
    const text = await place.ok(["history", join(dir, "conf/app.ini")], at);
    assert.match(text.stdout, /2 versions, in 2 of 3 backups/);
    assert.match(text.stdout, /deleted between 2 and 3/);
    const none = await place.run(["history", "nope", "--json"], at);
    assert.equal(none.code, 10);
    assert.equal(none.json.error.code, "NO_SUCH_PATH");
  });

  await t.step("diff", async () => {
    const rows = ({ rows }: Row) =>
      rows.map((row: Row) =>
        [row.change, row.from, row.path, row.what.join()].filter(Boolean).join(" ")
      );
    const first = await json("diff", "1", "2");
    assert.deepEqual(rows(first), [
      "changed conf/app.ini content",
      "changed data/log.txt content",
      "changed data/uploads/a.jpg mode",
      "renamed data/uploads/b.jpg data/uploads/c.jpg",
    ]);
    assert.equal(first.totals.renamed.entries, 1);
    assert.deepEqual(
      first.directories.map((one: Row) => [one.directory, one.changed, one.renamed]),
      [["conf", 1, 0], ["data", 1, 0], ["data/uploads", 1, 1]],
    );
    assert.deepEqual(rows(await json("diff", "3", "live")), [
      "added conf/app.ini",
      "changed data/log.txt content",
      "renamed new/file new/other",
    ]);
    const text = await place.ok(["diff", "1", "3"], at);
    assert.match(text.stdout, /^- {2}conf\/app\.ini {2}4 B$/m);
    assert.match(text.stdout, /^\+ {2}new\/file {2}4 B$/m);
    assert.match((await place.ok(["diff", "2", "2"], at)).stdout, /No difference/);
    for (
      const [args, code] of [[["live", "live"], 2], [["1", "99"], 10], [["1", "x"], 2]] as const
    ) {
      assert.equal((await place.run(["diff", ...args], at)).code, code, args.join());
    }
    assert.deepEqual(names(place.home).filter((name) => name.startsWith("scratch")), []);
  });

  await t.step("stats", async () => {
    const stats = await json("stats", "--depth", "1");
    assert.deepEqual(stats.growth.map((one: Row) => one.id), [1, 2, 3]);
    assert.deepEqual(stats.restless.map((one: Row) => [one.path, one.backups]), [[
      "data/log.txt",
      3,
    ]]);
    assert.equal(stats.largest[0].path, "data/log.txt");
    assert.deepEqual(stats.churn.slice(0, 2).map((one: Row) => [one.directory, one.new_contents]), [
      ["data", 3],
      ["conf", 1],
    ]);
    const exts = stats.compression.extensions;
    assert.equal(stats.compression.estimated, true);
    assert.ok(exts.some((one: Row) => one.extension === "txt" && one.compressed < one.bytes));
    const text = await place.ok(["stats"], at);
    assert.doesNotMatch(text.stdout, /█/, "no chart into a pipe");
    const terminal = await sh(
      `DUCKBACK_HOME='${place.home}' NO_COLOR=1 TERM=xterm script -qec "stty cols 100; $0 stats" /dev/null`
        .replace("$0", COMMAND.map((part) => `'${part}'`).join(" ")),
      dir,
    );
    assert.match(terminal, /data\/log\.txt .*█/);
    for (const line of terminal.split(/\r?\n/)) assert.ok([...line].length <= 100, line);
  });

  await t.step("query", async () => {
    const sql =
      "SELECT path, size FROM files WHERE backup_id = 3 AND ends_with(path, '.jpg') ORDER BY 1";
    const document = await json("query", sql);
    assert.deepEqual(document.rows, [
      { path: "data/uploads/a.jpg", size: 9 },
      { path: "data/uploads/c.jpg", size: 9 },
    ]);
    assert.deepEqual(document.columns[1], { name: "size", type: "BIGINT" });
    const list = await place.ok(["query", sql, "--format", "json"], at);
    assert.deepEqual(list.json, document.rows);
    const csv = await place.ok(["query", `${sql} LIMIT 1`, "--format", "csv"], at);
    assert.equal(csv.stdout, "path,size\r\ndata/uploads/a.jpg,9\r\n");
    const table = await place.ok([
      "query",
      "SELECT path FROM files WHERE path LIKE '%evil%' LIMIT 1",
    ], at);
    assert.equal(table.stdout, "path\ndata/evil\\x1b[31m\\u202e.txt\n");
    const file = place.path("out.parquet");
    await place.ok(["query", sql, "--format", "parquet", "--output", file], at);
    assert.equal(Deno.readTextFileSync(file).slice(0, 4), "PAR1");
    assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
    assert.equal((await place.run(["query", sql, "--output", file], at)).code, 1);
    const actions = await json(
      "query",
      "SELECT count(*) AS n FROM actions WHERE status = 'completed'",
    );
    assert.deepEqual(actions.rows, [{ n: 3 }]);
    for (
      const bad of [
        "SELECT nope FROM files",
        "SELECT * FROM read_text('/etc/passwd')",
        "DROP VIEW files",
      ]
    ) {
      const refused = await place.run(["query", bad, "--json"], at);
      assert.equal(refused.code, 2, bad);
      assert.equal(refused.json.error.code, "USAGE");
      assert.match(refused.json.error.hint, /backups, files, versions, actions/);
      assert.deepEqual(refused.json.rows, []);
    }
    assert.equal((await place.run(["query", sql, "--format", "csv", "--json"], at)).code, 2);
    assert.equal((await place.run(["query", sql, "--format", "parquet"], at)).code, 2);
  });

  await t.step(
    "a manifest that is missing or broken is left out, and the exit code is 3",
    async () => {
      const [first, second] = names(backups).filter((name) => name.endsWith(".parquet"));
      Deno.removeSync(join(backups, first));
      Deno.writeTextFileSync(join(backups, second), "broken");
      for (
        const args of [["find", "log.txt"], ["history", "data/log.txt"], ["stats"], [
          "query",
          "FROM files",
        ]]
      ) {
        const { code, json, stderr } = await place.run([...args, "--json"], at);
        assert.equal(code, 3, `${args}: ${stderr}`);
        assert.equal(json.success, true);
        assert.deepEqual(json.unread.map((one: Row) => one.backup_id), [1, 2]);
        assert.match(stderr, /Backup 1 is left out/);
      }
      const diff = await place.run(["diff", "2", "3", "--json"], at);
      assert.equal(diff.code, 12);
      assert.equal(diff.json.error.code, "ARCHIVE_MISSING");
    },
  );
});

Deno.test("an automatic backup of data that was damaged is flagged until it is acknowledged", async () => {
  await using place = new Place();
  const files = Object.fromEntries(
    Array.from({ length: 12 }, (_, n) => [`data/${n}.txt`, `line ${n}\n`.repeat(1000)]),
  );
  const dir = place.tree("shop", files);
  const at = { cwd: dir };
  const problems = async () => (await place.ok(["status", "--json"], at)).json.problems.join("\n");
  const last = async () => (await place.ok(["backup", "list", "--json"], at)).json.backups[0];

  await place.ok(["init"], at);
  await place.ok(["auto-backup", "run"], at);
  await sh("for n in 0 1 2; do echo more >> data/$n.txt; done", dir);
  await place.ok(["auto-backup", "run"], at);
  assert.equal((await last()).suspicion, null);

  // What the next one is compared with lies in two archives.
  await sh("echo more >> data/3.txt", dir);
  await place.ok(["backup", "create", "--kind", "incremental", "--no-verify"], at);
  assert.equal((await last()).backup_type, "INCREMENTAL");

  await sh("for n in 0 1 2 3 4 5 6 7 8 9; do head -c 7000 /dev/urandom > data/$n.txt; done", dir);
  const loud = await place.ok(["auto-backup", "run"], at);
  assert.match(loud.stderr + loud.stdout, /SUSPICIOUS/);
  const encrypted = await last();
  assert.deepEqual(encrypted.suspicion.map((one: Row) => one.code), ["INCOMPRESSIBLE"]);
  assert.equal(encrypted.status, "completed");
  assert.match(await problems(), /Backup 4 is suspicious.*backup acknowledge 4/);

  // One that is under suspicion is no measure for the next: that is compared with backup 3.
  await sh("rm data/1*.txt data/[4-9].txt", dir);
  await place.ok(["auto-backup", "run"], at);
  const gone = await last();
  assert.deepEqual(gone.suspicion.map((one: Row) => one.code).sort(), [
    "FILES_LOST",
    "INCOMPRESSIBLE",
    "SHRUNK",
  ]);
  assert.match((await place.ok(["backup", "list"], at)).stdout, /suspicious/);
  assert.match((await place.ok(["backup", "show", "5"], at)).stdout, /SUSPICIOUS/);

  await place.ok(["backup", "acknowledge", "4"], at);
  await place.ok(["backup", "acknowledge", "5"], at);
  await place.ok(["backup", "acknowledge", "5"], at);
  assert.doesNotMatch(await problems(), /suspicious/);
  const sidecar = JSON.parse(
    Deno.readTextFileSync(gone.backup_path.replace(/\.tar\.gz$/, ".json")),
  );
  assert.equal(sidecar.suspicion_cleared_at, (await last()).suspicion_cleared_at);
  assert.deepEqual((await auditRows(place, "acknowledge")).map((row) => row.status), [
    "completed",
    "completed",
  ]);
  assert.equal((await place.run(["backup", "acknowledge", "1"], at)).code, 1);
});
