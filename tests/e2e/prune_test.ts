/** `backup prune` of the compiled binary: what it says, what it does, and what a kill leaves. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import { addHistory, filesOf, type Past } from "../fixtures/history.ts";
import { auditRows, names, Place, sh } from "./support.ts";

const failed = {
  status: "failed",
  verify_status: null,
  backup_hash: null,
  backup_size: null,
} as const;

/** A place with one real backup of today, and a past. */
async function withPast(past: Past[]): Promise<{ place: Place; dir: string }> {
  const place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  await place.ok(["backup", "create"], { cwd: dir });
  await addHistory(place.home, past);
  return { place, dir };
}

async function rows(place: Place) {
  await using catalog = await openCatalog({ home: place.home });
  return (await catalog.backups.list()).sort((one, other) => one.id - other.id);
}

/** Every row that is to have an archive has all its files, and no file lies there without a row. */
async function assertInStep(place: Place, label: string) {
  const found = await rows(place);
  const wanted = found.filter(({ status }) => status !== "failed").flatMap(filesOf).sort();
  assert.deepEqual(names(join(place.home, "backups")), wanted, label);
  return found;
}

Deno.test("backup prune removes what is past its time, says why for each, and keeps the rest [case 37]", async () => {
  const { place } = await withPast([
    { days: 91, stack: "other" }, // 2
    { days: 90, stack: "other" }, // 3
    { days: 200, trigger: "manual" }, // 4
    ...Array.from({ length: 20 }, (_, n) => ({ days: 30 - n })), // 5 to 24: 30 to 11 days old
    { days: 10 }, // 25: the newest verified one
    { days: 45, ...failed, files: false }, // 26
    { days: 40, trigger: "safety" }, // 27
    { days: 9.5, trigger: "safety" }, // 28
    // Many nights that failed, the first with its leftovers.
    ...Array.from({ length: 8 }, (_, n) => ({ days: 8 - n, ...failed, files: false })), // 29 to 36
  ]);
  await using _place = place;
  const bytes = await dropNewest(place);
  const leftover = join(place.home, "backups/backup_auto_shop_v1_27-8.tar.gz.partial");
  Deno.writeTextFileSync(leftover, "half");
  const pinned = (await place.ok(["backup", "pin", "4", "--json"])).json.backup;
  const sidecar = JSON.parse(Deno.readTextFileSync(pinned.backup_path.replace(".tar.gz", ".json")));
  assert.deepEqual([pinned.pinned, sidecar.pinned], [true, true]);
  const before = await sh(`ls -l ${place.home}/backups`);

  const dry = await place.ok(["backup", "prune", "--dry-run", "--stack", "shop", "--json"]);
  assert.equal(await sh(`ls -l ${place.home}/backups`), before);
  const action = new Map(dry.json.backups.map((one: { id: number; action: string }) => [
    one.id,
    one.action,
  ]));
  const going = [...Array.from({ length: 13 }, (_, n) => 5 + n), 26, 27];
  assert.deepEqual(sorted(dry.json.removed), going);
  assert.equal(action.get(29), "remove_files");
  assert.ok(!action.has(3));

  const table = (await place.ok(["backup", "prune", "--dry-run", "--stack", "shop"])).stdout;
  assert.match(table, /^ 4 .* keep +pinned$/m);
  assert.match(table, /^ 5 .* remove +automatic, older than 7 days$/m);
  assert.match(table, /^25 .* keep +the newest good one/m);
  assert.match(table, /^28 .* keep +safety backup, for 30 days$/m);
  assert.match(table, /Would remove 15 backups/);

  // One that cannot be removed keeps its row; the rest goes on.
  const immutable = (await rows(place)).find(({ id }) => id === 6)!;
  await sh(`chattr +i ${immutable.backup_path}`);
  const done = await place.run(["backup", "prune", "--stack", "shop", "--json"]);
  assert.equal(done.code, 3);
  assert.match(done.json.problems[0], /Backup 6 stays: Cannot remove/);
  assert.deepEqual(sorted([...done.json.removed, 6]), going);
  assert.equal(done.json.freed_bytes, 13 * bytes);
  const left = await assertInStep(place, "after the prune");
  const good = left.filter(({ status }) => status === "completed").map(({ id }) => id);
  assert.deepEqual(good, [2, 3, 4, 6, 18, 19, 20, 21, 22, 23, 24, 25, 28]);
  await sh(`chattr -i ${immutable.backup_path}`);

  // All stacks, and a policy as mean as it can be: the last good one of each stays, and so does an
  // archive that was cut short: who knows what is with its disk.
  await sh(`truncate -s 10 ${left[0].backup_path}`);
  await place.ok(["backup", "unpin", "4"]);
  await place.ok(["config", "set", "auto_backup_retention_days", "1"]);
  await place.ok(["config", "set", "backup.max_total_bytes", "1"]);
  const mean = (await place.ok(["backup", "prune", "--force", "--json"])).json;
  assert.deepEqual(sorted(mean.removed), [4, 6, 18, 19, 20, 21, 22, 23, 24]);
  assert.equal(mean.over_limit_bytes, 3 * bytes - 1);
  await assertInStep(place, "after the last prune");
  assert.match((await place.ok(["backup", "prune", "--force"])).stdout, /Nothing was removed/);
  const [first, second] = await auditRows(place, "prune");
  assert.deepEqual([first.status, second.status], ["partial", "completed"]);
  assert.match(second.result_message!, /^removed 9 backups \(/);
});

/** Takes the real backup of today out, so that the newest good one is of the past; returns its size. */
async function dropNewest(place: Place): Promise<number> {
  const { id, backup_size } = (await rows(place)).at(-1)!;
  await place.ok(["backup", "delete", "--id", String(id), "--force"]);
  return backup_size!;
}

function sorted(ids: number[]): number[] {
  return ids.sort((one, other) => one - other);
}

Deno.test("a prune follows a good backup where backup.prune_after says so, never a failed one", async () => {
  const { place, dir } = await withPast([{ days: 90 }]);
  await using _place = place;
  const ids = async () => (await rows(place)).map(({ id }) => id);
  await place.ok(["backup", "create"], { cwd: dir });
  assert.deepEqual(await ids(), [2, 3, 4], "after manual ones: no, unless it is set");
  await place.ok(["config", "set", "backup.prune_after", "all"]);
  const broken = await place.run(["backup", "create", "--source", "not-there"], { cwd: dir });
  assert.equal(broken.code, 1);
  assert.ok((await ids()).includes(2));
  await place.ok(["backup", "create"], { cwd: dir });
  const left = await ids();
  assert.ok(!left.includes(2), "the one that is long past its time");
  assert.deepEqual((await auditRows(place, "prune")).map((row) => row.action_description), [
    `prune after backup ${left.at(-1)}`,
  ]);
});

Deno.test("kill -9 at any step of a prune: no row without its file, no file without a row [case 38]", async () => {
  const { place } = await withPast([{ days: 90 }]);
  await using _place = place;
  const template = place.path("template");
  await sh(`cp -a ${place.home} ${template}`);
  const fresh = () => sh(`rm -r ${place.home}; cp -a ${template} ${place.home}`);
  const calls = ["renameat", "unlink"] as const;
  const trace = (...more: string[]) => ["strace", "-f", "-qq", ...more];
  const log = place.path("log");
  await place.ok(["backup", "prune", "--force"], {
    wrap: trace("-e", `trace=${calls}`, "-o", log),
  });
  // strace counts for each thread: the steps are all in the one that writes the journal.
  const lines = Deno.readTextFileSync(log).split("\n");
  const thread = lines.find((line) => line.includes("/journal/"))!.split(" ")[0];
  const main = lines.filter((line) => line.startsWith(`${thread} `));
  let killed = 0;
  for (const call of calls) {
    const made = main.filter((line) => line.includes(` ${call}(`));
    for (const [n, line] of made.entries()) {
      if (!line.endsWith("= 0") || !line.includes(place.home)) continue;
      await fresh();
      const inject = `inject=${call}:signal=KILL:when=${n + 1}`;
      const run = await place.run(["backup", "prune", "--force"], {
        wrap: trace("-o", "/dev/null", "-e", `trace=${call}`, "-e", inject),
      });
      assert.notEqual(run.code, 0, `${call} ${n + 1} was reached`);
      killed++;
      for (const row of await rows(place)) {
        assert.ok(Deno.statSync(row.backup_path).isFile, `a row without its file: ${line}`);
      }
      await place.ok(["recover"]);
      await assertInStep(place, `recovered, killed at ${line}`);
      assert.deepEqual(names(join(place.home, "journal")), []);
    }
  }
  assert.ok(killed >= 5, `only ${killed} steps were found`);
  await place.ok(["backup", "prune", "--force"]);
  assert.deepEqual((await assertInStep(place, "at the end")).map(({ id }) => id), [3]);
});
