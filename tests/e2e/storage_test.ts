/** Where archives lie: moved to another disk, missed when it is gone, and room made in time. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import { MARKER } from "../../lib/repository/archive_directory.ts";
import { addHistory, filesOf } from "../fixtures/history.ts";
import { auditRows, names, Place, sh } from "./support.ts";

const KEY = "auto_backup_directory";

/** A directory that is another file system; unmounted on disposal. */
async function mounted(place: Place, name: string, size = "64m") {
  const path = place.tree(name, {});
  await sh(`mount -t tmpfs -o size=${size} tmpfs ${path}`);
  return { path, [Symbol.asyncDispose]: async () => void await sh(`umount ${path} || true`) };
}

async function rows(place: Place) {
  await using catalog = await openCatalog({ home: place.home });
  return (await catalog.backups.list()).sort((one, other) => one.id - other.id);
}

/** All archives lie in `dir`, complete, and nothing else does. */
async function assertAllIn(place: Place, dir: string, label = dir) {
  const found = await rows(place);
  assert.deepEqual(found.map(({ backup_path }) => join(backup_path, "..")), found.map(() => dir));
  assert.deepEqual(names(dir), found.flatMap(filesOf).sort(), label);
  for (const { backup_path } of found) {
    const sidecar = JSON.parse(Deno.readTextFileSync(backup_path.replace(".tar.gz", ".json")));
    assert.equal(sidecar.backup_path, backup_path, label);
  }
}

Deno.test("config set auto_backup_directory takes the archives along, across file systems and within one", async () => {
  await using place = new Place();
  await using disk = await mounted(place, "disk");
  const dir = place.tree("shop", { "a": "a" });
  const backups = join(place.home, "backups");
  await place.ok(["backup", "create", "--quiet"], { cwd: dir });
  await addHistory(place.home, [{ days: 3 }, { days: 2 }]);

  const there = (await place.ok(["config", "set", KEY, disk.path, "--json"])).json;
  assert.deepEqual([there.value, there.storage.moved.sort(), there.storage.problems], [
    disk.path,
    [2, 3, 4],
    [],
  ]);
  await assertAllIn(place, disk.path);
  assert.deepEqual(names(backups), []);
  assert.ok((await place.ok(["backup", "verify", "--all", "--json"])).json.success);

  // A name that is taken, and a disk that is too small: nothing happens.
  const [first] = await rows(place);
  const tight = await mounted(place, "tight", "4k");
  for (const [to, code] of [[place.tree("taken", {}), "REFUSED"], [tight.path, "DISK_FULL"]]) {
    if (code === "REFUSED") Deno.writeTextFileSync(join(to, filesOf(first)[2]), "{}");
    const refused = await place.run(["config", "set", KEY, to, "--json"]);
    assert.deepEqual([refused.code, refused.json.error.code], [1, code]);
    await assertAllIn(place, disk.path, code);
  }
  await tight[Symbol.asyncDispose]();

  // Left behind, then fetched; on one file system they are linked, not copied.
  const near = join(disk.path, "near");
  const inode = Deno.statSync(first.backup_path).ino;
  await place.ok(["config", "set", KEY, near, "--no-move"]);
  assert.equal((await rows(place))[0].backup_path, first.backup_path);
  await place.ok(["config", "set", KEY, near]);
  await assertAllIn(place, near);
  assert.equal(Deno.statSync((await rows(place))[0].backup_path).ino, inode);

  // Moved by hand: only the rows follow.
  await sh(`mv ${near} ${disk.path}/moved`);
  const follow = await place.ok(["config", "set", KEY, join(disk.path, "moved")]);
  assert.match(follow.stdout, /^Moved 3 archives/m);
  await assertAllIn(place, join(disk.path, "moved"));

  const back = await place.ok(["config", "unset", KEY, "--json"]);
  assert.deepEqual(back.json.storage.moved.length, 3);
  await assertAllIn(place, backups);
  await place.ok(["backup", "verify", "--all"]);
  assert.deepEqual(
    (await auditRows(place, "config")).map(({ status }) => status),
    ["completed", "failed", "failed", ...Array(4).fill("completed")],
  );
});

Deno.test("kill -9 at any step of a move: all archives are in the one place or in the other", async () => {
  await using place = new Place();
  await using disk = await mounted(place, "disk");
  const dir = place.tree("shop", { "a": "a" });
  const backups = join(place.home, "backups");
  await place.ok(["backup", "create", "--quiet"], { cwd: dir });
  const template = place.path("template");
  await sh(`cp -a ${place.home} ${template}`);
  const fresh = () =>
    sh(`rm -r ${place.home}; cp -a ${template} ${place.home}
        find ${disk.path} -mindepth 1 -delete`);
  const move = ["config", "set", KEY, disk.path];
  const calls = ["renameat", "renameat2", "unlink"];
  const trace = (...more: string[]) => ["strace", "-f", "-qq", ...more];
  const log = place.path("log");
  await place.ok(move, { wrap: trace("-e", `trace=${calls}`, "-o", log) });
  const lines = Deno.readTextFileSync(log).split("\n");
  // strace counts for each thread: the steps are all in the one that writes the journal.
  const thread = lines.find((line) => line.includes("/journal/"))!.split(" ")[0];
  const main = lines.filter((line) => line.startsWith(`${thread} `));
  const ends = { old: 0, new: 0 };
  for (const call of calls) {
    const made = main.filter((line) => line.includes(` ${call}(`));
    for (const [n, line] of made.entries()) {
      if (!line.endsWith("= 0") || !/\/journal\/|\.tar\.gz|\.parquet/.test(line)) continue;
      await fresh();
      const inject = `inject=${call}:signal=KILL:when=${n + 1}`;
      const run = await place.run(move, {
        wrap: trace("-o", "/dev/null", "-e", `trace=${call}`, "-e", inject),
      });
      assert.notEqual(run.code, 0, `${call} ${n + 1} was reached`);
      for (const row of await rows(place)) {
        assert.ok(Deno.statSync(row.backup_path).isFile, `a row without its file: ${line}`);
      }
      await place.ok(["recover"]);
      const at_new = (await rows(place))[0].backup_path.startsWith(disk.path);
      ends[at_new ? "new" : "old"]++;
      await assertAllIn(place, at_new ? disk.path : backups, line);
      const other = at_new ? backups : disk.path;
      assert.deepEqual(names(other), [], line);
      assert.deepEqual(names(join(place.home, "journal")), [], line);
    }
  }
  // One archive gives few steps; kills before and behind the change of rows must be among them.
  assert.ok(ends.old >= 2 && ends.new >= 2, JSON.stringify(ends));
});

Deno.test("a backup is refused while the disk of its directory is not mounted", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a" });
  await using disk = await mounted(place, "disk");
  const create = (...more: string[]) =>
    place.run(["backup", "create", "--json", ...more], { cwd: dir });
  await place.ok(["config", "set", KEY, disk.path]);
  assert.equal((await create()).code, 0);
  assert.ok(Deno.statSync(join(disk.path, MARKER)).isFile);

  await sh(`umount ${disk.path}`);
  const gone = await create();
  assert.deepEqual([gone.code, gone.json.error.code], [1, "DIRECTORY_GONE"]);
  assert.match(gone.json.error.hint, /mounted.*config set auto_backup_directory/);
  assert.deepEqual(names(disk.path), [], "nothing was written below the mount point");
  const { problems } = (await place.run(["status", "--json"], { cwd: dir })).json;
  assert.ok(problems.some((text: string) => /directory .* is not what it was/.test(text)));
  // What does not write there works.
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.deepEqual([row.id, row.file_exists], [1, false]);
  assert.equal((await create("--output", place.path("x.tar.gz"))).code, 0);
  assert.deepEqual((await place.ok(["backup", "prune", "--json"])).json.removed, []);

  // Another disk in its place is not it either, until somebody says so.
  await sh(`mount -t tmpfs tmpfs ${disk.path}`);
  const other = await create();
  assert.equal(other.json.error.code, "DIRECTORY_GONE");
  assert.match(other.json.error.message, /its marker file .* is missing/);
  await place.ok(["config", "set", KEY, disk.path]);
  assert.equal((await create()).code, 0);
});

Deno.test("a backup that would not fit is refused and told, or prunes first", async () => {
  await using place = new Place();
  await using disk = await mounted(place, "disk");
  const dir = place.tree("shop", {});
  await sh("head -c 2000000 /dev/urandom > a", dir);
  await place.ok(["config", "set", KEY, disk.path]);
  const create = (...more: string[]) =>
    place.run(["backup", "create", "--json", ...more], { cwd: dir });
  await create();
  await addHistory(place.home, [{ days: 40 }]);
  const free = Number(
    await sh(`stat -f -c '%a * %S' ${disk.path} | xargs -I{} sh -c 'echo $(({}))'`),
  );
  // One archive more fits, and leaves a megabyte less than wanted.
  await place.ok(["config", "set", "backup.min_free_bytes", String(free - 1_000_000)]);

  const told: string[] = [];
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      told.push((await request.json()).kind);
      return new Response();
    },
  );
  const { port } = server.addr as Deno.NetAddr;
  await place.ok(["config", "set", "notify.webhook_urls", `http://127.0.0.1:${port}/`]);
  assert.equal((await create("--dry-run")).json.error.code, "DISK_FULL");
  assert.deepEqual(told, []);
  const full = await create();
  assert.deepEqual([full.code, full.json.error.code], [1, "DISK_FULL"]);
  assert.match(full.json.error.hint, /backup prune/);
  assert.deepEqual(told.sort(), ["backup_failed", "disk_low"]);

  await place.ok(["config", "set", "backup.prune_when_full", "true"]);
  const made = await create();
  assert.equal(made.code, 0);
  assert.deepEqual((await rows(place)).map(({ id, status }) => [id, status]), [
    [3, "completed"],
    [4, "failed"],
    [5, "completed"],
  ]);
  const [audit] = await auditRows(place, "prune");
  assert.equal(audit.action_description, "prune for want of space");
  await place.ok(["config", "set", "backup.min_free_bytes", "0"]);
  const shown = await place.ok(["backup", "create", "--dry-run"], { cwd: dir });
  assert.match(shown.stdout, /archive size +about 2\.\d MiB, by the last 2 runs/);
  const kept = await create("--expires-in", "2");
  const days = Date.parse(kept.json.backup.expires_at) - Date.parse(kept.json.backup.created_at);
  assert.equal(days, 2 * 86_400_000);
});
