/** The catalogue lost, damaged, outdated: archives and their records bring it back (issue E). */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { readManifest } from "../../lib/catalog/manifest.ts";
import type { BackupRecord, ManifestEntry } from "../../lib/core/model.ts";
import { auditRows, fingerprint, names, Place, type Result, sh } from "./support.ts";

interface Shown extends BackupRecord {
  file_exists: boolean;
}

/** Two backups of a directory that holds all sorts of things, a change between them. */
async function twoBackups(place: Place, ...args: string[]): Promise<string> {
  const dir = place.tree("shop", { "a.txt": "alpha", "data/deep/two": "2", "data/empty": null });
  await sh("ln -s a.txt link; ln a.txt hard; mkfifo fifo; chown 12:34 data/deep/two", dir);
  await sh("touch -d '2001-02-03 04:05:06.123456789' a.txt; truncate -s 3M sparse", dir);
  Deno.writeTextFileSync(join(dir, "data/caf\u00e9"), "x".repeat(100_000));
  await sh("printf odd > \"data/$(printf 'od\\351d')\"", dir);
  await place.ok(["backup", "create", "--description", "first", ...args], { cwd: dir });
  Deno.writeTextFileSync(join(dir, "data/deep/two"), "two");
  await place.ok(["backup", "create", "--version", "2.0", ...args], { cwd: dir });
  return dir;
}

async function listed(place: Place): Promise<Shown[]> {
  return (await place.ok(["backup", "list", "--json"])).json.backups;
}

async function rowsOf(archive: string): Promise<ManifestEntry[]> {
  const rows: ManifestEntry[] = [];
  const manifest = archive.replace(/\.tar(\.gz|\.zst)?$/, ".manifest.parquet");
  for await (const batch of readManifest(manifest)) rows.push(...batch);
  return rows;
}

/** Removes everything from the home but what `keep` is true for, of the backups' files. */
function lose(place: Place, keep: (file: string) => boolean) {
  const backups = join(place.home, "backups");
  for (const name of names(place.home)) {
    if (name !== "backups") Deno.removeSync(join(place.home, name), { recursive: true });
  }
  for (const name of names(backups)) if (!keep(name)) Deno.removeSync(join(backups, name));
}

Deno.test("catalog rebuild brings the catalogue back from the records, and a rollback works [case 24]", async () => {
  await using place = new Place();
  const dir = await twoBackups(place);
  const after = await fingerprint(dir);
  const before = await listed(place);
  lose(place, () => true);
  const { json } = await place.ok(["catalog", "rebuild", "--json"]);
  assert.deepEqual(await listed(place), before);
  assert.deepEqual(json.stacks, ["shop"]);
  assert.deepEqual(json.archives.map((one: { error: unknown }) => one.error), [null, null]);
  await place.ok(["rollback", "1", "--force", "--rollback-data", "--stack", "shop"]);
  assert.equal(Deno.readTextFileSync(join(dir, "data/deep/two")), "2");
  await place.ok(["rollback", "--undo", "--force"], { cwd: dir });
  assert.equal(await fingerprint(dir), after);
});

for (const compression of ["gzip", "zstd", "none"]) {
  Deno.test(`catalog rebuild brings the catalogue back from ${compression} archives alone [case 24]`, async () => {
    await using place = new Place();
    await twoBackups(place, "--compression", compression);
    const before = await listed(place);
    const manifests = await Promise.all(before.map((record) => rowsOf(record.backup_path)));
    lose(place, (file) => /\.tar(\.gz|\.zst)?$/.test(file));
    const { json } = await place.ok(["catalog", "rebuild", join(place.home, "backups"), "--json"]);
    assert.deepEqual(
      json.archives.map((one: { from: string; backup_id: number }) => [one.backup_id, one.from]),
      [[1, "archive"], [2, "archive"]],
    );
    const rebuilt = await listed(place);
    // How long it took and that it was verified only the catalogue and its record knew.
    const known = ({ completed_at: _c, duration_ms: _d, ...record }: Shown) => ({
      ...record,
      ...{ verify_status: null, verified_at: null, verify_level: null },
    });
    assert.deepEqual(rebuilt.map(known), before.map(known));
    for (const [n, { backup_path }] of before.entries()) {
      assert.deepEqual(shared(await rowsOf(backup_path)), shared(manifests[n]));
    }
    await place.ok(["backup", "verify", "--all"]);
    await place.ok(["catalog", "check"]);
  });
}

Deno.test("catalog rebuild takes in a chain from its archives alone, into a home that has other backups", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha", "data/gone": "g", "data/now/a": "a" });
  await sh("head -c 100000 /dev/urandom > data/large; ln a.txt hard; sleep 0.2", dir);
  const create = ["backup", "create", "--kind", "incremental", "--json"];
  await place.ok(create, { cwd: dir });
  await sh("mv data/large moved; rm -r data/gone data/now; echo f > data/now; sleep 0.2", dir);
  await place.ok(create, { cwd: dir });
  await sh("rm data/now; mkdir data/now; echo new > data/now/b; echo n >> a.txt; sleep 0.2", dir);
  await place.ok(create, { cwd: dir });
  const before = (await listed(place)).reverse();
  const manifests = await Promise.all(before.map((record) => rowsOf(record.backup_path)));
  const stem = ({ backup_path }: Shown) => backup_path.replace(/\.tar\.gz$/, "");

  // Elsewhere, where ids 1 and 2 are taken; of the chain its middle is missing at first.
  const other = {
    cwd: place.tree("other", { b: "b" }),
    env: { DUCKBACK_HOME: place.path("home2") },
  };
  for (let n = 0; n < 2; n++) await place.ok(["backup", "create", "--no-verify"], other);
  const archives = place.path("archives");
  await sh(`mkdir ${archives}; mv home/backups/*.tar.gz ${archives}`, place.dir);
  const path = (record: Shown) => join(archives, basename(record.backup_path));
  Deno.renameSync(path(before[1]), place.path("away"));
  const rebuild = ["catalog", "rebuild", archives, "--json"];
  const lacking = await place.run(rebuild, other);
  assert.equal(lacking.code, 3);
  const [base, , ...more] = lacking.json.archives;
  assert.deepEqual([base.error, more], [null, []]);
  const { error, backup_id } = lacking.json.archives[1];
  assert.deepEqual([error.code, backup_id], ["ARCHIVE_MISSING", null]);
  assert.ok(error.message.includes(path(before[1])), error.message);
  assert.deepEqual(
    names(archives).filter((name) => name.startsWith(basename(stem(before[2])))),
    [basename(before[2].backup_path)],
    "nothing is left of what could not be done",
  );
  Deno.renameSync(place.path("away"), path(before[1]));
  const whole = await place.ok(rebuild, other);
  assert.deepEqual(
    whole.json.archives.map((
      one: { from: string; backup_id: number },
    ) => [one.backup_id, one.from]),
    [[3, "catalogue"], [4, "archive"], [5, "archive"]],
  );
  const rows: Shown[] = (await place.ok(["backup", "list", "--json"], other)).json.backups;
  const parents = rows.map(({ id, parent_id }) => [id, parent_id]).sort();
  assert.deepEqual(parents, [[1, null], [2, null], [3, null], [4, 3], [5, 4]]);
  for (const [n, record] of before.entries()) {
    assert.deepEqual(shared(await rowsOf(path(record))), shared(manifests[n]));
    const again: BackupRecord = JSON.parse(
      Deno.readTextFileSync(path(record).replace(/\.tar\.gz$/, ".json")),
    );
    assert.deepEqual(again.backup_metadata, record.backup_metadata);
    assert.deepEqual([again.id, again.parent_id], parents[n + 2]);
  }
  await place.ok(["backup", "verify", "5"], other);
  await place.ok(["catalog", "check"], other);
  const out = place.path("out");
  await place.ok(["restore", "5", "--target", out], other);
  assert.equal(await fingerprint(out), await fingerprint(dir));
});

/** What an archive itself tells of its entries; more is known only while the tree is read. */
function shared(rows: ManifestEntry[]) {
  return rows.map((row) => ({
    ...{ path: row.path, type: row.type, size: row.size, mode: row.mode, uid: row.uid },
    ...{ gid: row.gid, mtime_s: row.mtime_s, mtime_ns: row.mtime_ns, link: row.link },
    ...{ sha256: row.sha256, at: row.block_offset, inner: row.block_inner },
    stored_in: row.stored_in,
  }));
}

const DAMAGE: Record<string, string> = {
  "garbage in its middle":
    "dd if=/dev/urandom of=catalog.duckdb bs=4096 seek=2 count=40 conv=notrunc",
  "zeros where its header was": "dd if=/dev/zero of=catalog.duckdb bs=4096 count=3 conv=notrunc",
  "cut to half its length": "truncate -s $(($(stat -c %s catalog.duckdb) / 2)) catalog.duckdb",
  "a write-ahead log of zeros": "head -c 4096 /dev/zero > catalog.duckdb.wal",
};

for (const [damage, script] of Object.entries(DAMAGE)) {
  Deno.test(`a catalogue with ${damage} is put aside and made anew; the run goes on [case 23]`, async () => {
    await using place = new Place();
    const dir = await twoBackups(place);
    await place.ok(["config", "set", "backup.compression", "zstd"]);
    const before = await listed(place);
    await sh(script, place.home);
    const broken = await sh("cat catalog.duckdb | sha256sum", place.home);
    const read = await place.run(["backup", "list", "--json"]);
    if (read.code !== 0) {
      assert.equal(read.json.error.code, "CATALOG_CORRUPT");
      assert.match(read.json.error.hint, /duckback catalog rebuild/);
    }
    const made = await place.ok(["backup", "create", "--json"], { cwd: dir });
    if (read.code !== 0) {
      assert.match(made.stderr, /was damaged and is kept as/);
      const aside = names(place.home).filter((name) => /duckdb\.damaged-[-T0-9]+$/.test(name));
      assert.equal(aside.length, 1);
      assert.equal(await sh(`cat '${aside[0]}' | sha256sum`, place.home), broken);
      assert.equal((await auditRows(place, "rebuild")).length, 1);
    }
    const [newest, ...older] = await listed(place);
    assert.deepEqual(older, before);
    assert.equal(newest.compression_type, "zstd", "the settings came back");
    assert.equal((await sh("stat -c %a catalog.duckdb*", place.home)).replace(/600\n/g, ""), "");
  });
}

Deno.test("a catalogue that lost its newest rows gets them back from the records [case 22]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  await place.ok(["backup", "create"], { cwd: dir });
  await sh("cp catalog.duckdb old", place.home);
  await place.ok(["backup", "create"], { cwd: dir });
  const before = await listed(place);
  await sh("mv old catalog.duckdb", place.home);
  assert.equal((await listed(place)).length, 1);
  await place.ok(["recover"]);
  assert.deepEqual(await listed(place), before);
});

Deno.test("catalog check names what differs, mends what it can and removes nothing", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  for (let n = 0; n < 5; n++) await place.ok(["backup", "create", "--no-verify"], { cwd: dir });
  assert.deepEqual((await place.ok(["catalog", "check", "--json"])).json.findings, []);
  const [five, four, three, two, one] = (await listed(place)).map((row) => row.backup_path);
  const stem = (path: string) => path.replace(/\.tar\.gz$/, "");
  Deno.removeSync(one);
  await sh(`echo more >> '${two}'`);
  Deno.removeSync(`${stem(three)}.json`);
  Deno.removeSync(`${stem(four)}.manifest.parquet`);
  const record = JSON.parse(Deno.readTextFileSync(`${stem(five)}.json`));
  Deno.writeTextFileSync(`${stem(five)}.json`, JSON.stringify({ ...record, description: "old" }));
  const other = `${place.home}/backups/backup_manual_other.tar.gz`;
  Deno.copyFileSync(three, other);
  const files = names(join(place.home, "backups"));
  const view = ({ json }: Result) =>
    Object.fromEntries(
      json.findings.map((one: { code: string; path: string; repaired: boolean }) => [
        `${one.code} ${basename(one.path).replace(/^.*_(\d\d)(_\d)?\./, "$2.")}`,
        one.repaired,
      ]),
    );
  const dry = await place.run(["catalog", "check", "--dry-run", "--json"]);
  assert.equal(dry.code, 3);
  assert.ok(Object.values(view(dry)).every((repaired) => repaired === false));
  const wet = await place.run(["catalog", "check", "--json"]);
  assert.equal(wet.code, 3);
  const codes = wet.json.findings.map((one: { code: string; repaired: boolean }) =>
    `${one.code} ${one.repaired}`
  ).sort();
  assert.deepEqual(codes, [
    "ARCHIVE_GONE false",
    "ARCHIVE_SIZE false",
    "ARCHIVE_UNKNOWN false",
    "MANIFEST_MISSING false",
    "ORPHAN false",
    "ORPHAN false",
    "RECORD_DIFFERS true",
    "RECORD_MISSING true",
  ]);
  assert.equal(JSON.parse(Deno.readTextFileSync(`${stem(five)}.json`)).description, null);
  const kept = new Set(names(join(place.home, "backups")));
  assert.ok(files.every((name) => kept.has(name)), "nothing was removed");
  // What needs the archive read is rebuild's business; what is short is marked and said.
  const rebuilt = await place.run(["catalog", "rebuild", "--json"]);
  assert.equal(rebuilt.code, 3);
  assert.ok(
    names(join(place.home, "backups")).includes(basename(`${stem(four)}.manifest.parquet`)),
  );
  const row = (await listed(place)).find(({ backup_path }) => backup_path === two)!;
  assert.equal(row.verify_status, "failed");
  assert.equal((await place.run(["rollback", String(row.id), "--force"], { cwd: dir })).code, 12);
});

Deno.test("kill -9 at renames, fsyncs and catalogue writes: no row says completed without a good archive [case 19]", async () => {
  const calls = "rename,renameat,renameat2,fsync,fdatasync";
  const create = ["backup", "create", "--compression", "none"];
  let total = 0;
  {
    await using place = new Place();
    const dir = place.tree("shop", { "a": "a" });
    await place.ok(["init"], { cwd: dir });
    const log = place.path("trace");
    await place.ok(create, {
      cwd: dir,
      wrap: ["strace", "--seccomp-bpf", "-qq", "-f", "-o", log, "-e", `trace=${calls}`],
    });
    total =
      Deno.readTextFileSync(log).split("\n").filter((line) => /^\d+ +\w+\(/.test(line)).length;
    assert.ok(total > 12, `only ${total} calls`);
  }
  const points = Array.from({ length: 6 }, (_, n) => 1 + Math.round(n * (total - 1) / 5));
  const kill = async (at: number) => {
    await using place = new Place();
    const dir = place.tree("shop", { "a": "a" });
    await place.ok(["init"], { cwd: dir });
    const inject = `inject=${calls}:signal=KILL:when=${at}`;
    const trace = [
      "strace",
      "--seccomp-bpf",
      "-qq",
      "-f",
      "-o",
      "/dev/null",
      "-e",
      `trace=${calls}`,
      "-e",
      inject,
    ];
    const killed = await place.run(create, { cwd: dir, wrap: trace });
    await place.ok(["recover"]);
    const label = `killed at ${at} of ${total} (${killed.code})`;
    for (const row of await listed(place)) {
      assert.notEqual(row.status, "running", label);
      assert.ok(row.status !== "completed" || row.file_exists, label);
    }
    await place.ok(["backup", "verify", "--all"]);
    await place.ok(["catalog", "check"]);
    await place.ok(create, { cwd: dir });
    assert.deepEqual(names(join(place.home, "journal")), [], label);
  };
  for (let n = 0; n < points.length; n += 2) await Promise.all(points.slice(n, n + 2).map(kill));
});
