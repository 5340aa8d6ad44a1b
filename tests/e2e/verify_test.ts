/** `backup verify`: what it finds, what it writes down, and what is then left alone. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readSidecar } from "../../lib/repository/sidecar.ts";
import { fingerprint, Place, type Result, sh } from "./support.ts";

/** A stack of plain files with one backup; its archive's bytes to damage and put back. */
async function backedUp(place: Place, args: string[] = []) {
  const dir = place.tree("shop", { "a.txt": "a", "data/b": "b", "data/c": "c" });
  const made = await place.ok(["backup", "create", "--json", ...args], { cwd: dir });
  const path: string = made.json.backup.backup_path;
  return { dir, path, bytes: Deno.readFileSync(path) };
}

async function row(place: Place) {
  const [backup] = (await place.ok(["backup", "list", "--json"])).json.backups;
  return backup;
}

/** Every way to take something out of backup 1, and what came of each. */
async function takers(place: Place): Promise<Record<string, Result>> {
  const out = place.path("out");
  return {
    rollback: await place.run(["rollback", "1", "--force", "--json"]),
    data: await place.run(["rollback-data-only", "1", "--force", "--json"]),
    dry_run: await place.run(["rollback", "1", "--dry-run", "--json"]),
    all: await place.run(["restore", "1", "--target", out, "--json"]),
    path: await place.run(["restore", "1", "a.txt", "--target", out, "--json"]),
    in_place: await place.run(["restore", "1", "a.txt", "--in-place", "--force", "--json"]),
    cat: await place.run(["cat", "1", "a.txt"]),
  };
}

Deno.test("backup verify flags an archive that is gone, short or altered, and nothing is taken from it [case 20]", async () => {
  await using place = new Place();
  const { dir, path, bytes } = await backedUp(place, ["--no-verify"]);
  const quick = ["backup", "verify", "1", "--level", "quick", "--json"];
  const full = ["backup", "verify", "1", "--json"];
  const before = await fingerprint(dir);

  const good = (await place.ok(quick)).json.results[0];
  assert.deepEqual([good.ok, good.level, good.entries], [true, "quick", null]);
  const first = await row(place);
  assert.deepEqual([first.verify_status, first.verify_level], ["passed", "quick"]);

  const flipped = bytes.slice();
  flipped[flipped.length >> 1] ^= 1;
  const damage: [string, () => void, string][] = [
    ["altered", () => Deno.writeFileSync(path, flipped), "ARCHIVE_CORRUPT"],
    ["short", () => Deno.writeFileSync(path, bytes.slice(0, -20)), "ARCHIVE_CORRUPT"],
    ["gone", () => Deno.removeSync(path), "ARCHIVE_MISSING"],
  ];
  for (const [name, hurt, code] of damage) {
    for (const verify of [quick, full]) {
      Deno.writeFileSync(path, bytes);
      await place.ok(full);
      hurt();
      const result = await place.run(verify);
      assert.equal(result.code, 12, name);
      const [found] = result.json.results;
      assert.deepEqual([result.json.success, found.ok, found.error.code], [false, false, code]);
      const { status, verify_status, verified_at } = await row(place);
      assert.deepEqual([status, verify_status], ["completed", "failed"], name);
      assert.equal(verified_at, found.verified_at);
    }
    const taken = name === "altered" ? await takers(place) : {
      rollback: await place.run(["rollback", "1", "--force", "--json"]),
    };
    for (const [way, result] of Object.entries(taken)) {
      assert.equal(result.code, 12, `${way} of an archive that is ${name}: ${result.stdout}`);
    }
    const { problems, last_backup } = (await place.run(["status", "--json"], { cwd: dir })).json;
    assert.equal(last_backup, null);
    assert.match(problems.join("\n"), /archive of backup 1 is (damaged|missing)/);
  }
  assert.equal(await fingerprint(dir), before);

  // Put right, it still is not taken before it was looked at as closely as when it was found bad.
  Deno.writeFileSync(path, bytes);
  assert.equal((await place.run(["restore", "1", "--target", place.path("out")])).code, 12);
  assert.equal((await place.ok(["ls", "1", "-R"])).stdout.includes("data/b"), true);
  assert.equal((await place.ok(quick)).json.results[0].level, "full");
  await place.ok(["restore", "1", "--target", place.path("out")]);
  await place.ok(quick);
  const last = await row(place);
  assert.deepEqual([last.verify_status, last.verify_level], ["passed", "full"]);
  assert.equal(readSidecar(path)!.verified_at, last.verified_at);
});

Deno.test("backup verify names a manifest or record that is lost beside a sound archive", async () => {
  await using place = new Place();
  const { path } = await backedUp(place);
  const stem = path.replace(/\.tar\.gz$/, "");
  Deno.writeTextFileSync(`${stem}.json`, "{");
  await sh(
    `printf x | dd of=${stem}.manifest.parquet bs=1 seek=40 conv=notrunc; truncate -s -9 ${stem}.manifest.parquet`,
  );
  for (const level of ["quick", "full"]) {
    const result = await place.run(["backup", "verify", "--all", "--level", level, "--json"]);
    assert.equal(result.code, 3, result.stderr);
    const [found] = result.json.results;
    assert.equal(found.ok, true);
    assert.match(found.problems.join("\n"), /manifest/);
  }
  assert.equal(readSidecar(path)!.id, 1, "the record was written anew");
  assert.equal((await row(place)).verify_status, "passed");
  await place.ok(["restore", "1", "--target", place.path("out")]);
  assert.equal(Deno.readTextFileSync(join(place.path("out"), "data/b")), "b");
});
