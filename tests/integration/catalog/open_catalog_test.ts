import assert from "node:assert/strict";
import { catalogPath, openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { backup, child, command, failure, modes, sha256, temporaryDirectory } from "./support.ts";
import { temporaryMount } from "./support.ts";

Deno.test("openCatalog() makes home and catalogue and keeps what was written", async () => {
  using directory = temporaryDirectory();
  const home = `${directory.path}/deep/home/`;
  {
    await using catalog = await openCatalog({ home });
    assert.equal(catalog.path, `${directory.path}/deep/home/catalog.duckdb`);
    await catalog.backups.insert(backup("one"));
  }
  await using catalog = await openCatalog({ home });
  assert.deepEqual((await catalog.backups.list()).map((one) => one.backup_name), ["one"]);
  assert.deepEqual(modes(home), {
    "catalog.duckdb": "600",
    "catalog.lock": "600",
    "catalog.lock.gate": "600",
  });
});

Deno.test("openCatalog() leaves the file as it is when nothing is written", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  const before = sha256(catalogPath(directory.path));
  {
    await using catalog = await openCatalog({ home: directory.path });
    await catalog.backups.list();
  }
  assert.equal(sha256(catalogPath(directory.path)), before);
});

Deno.test("openCatalog() keeps every file private whatever the umask", async () => {
  using directory = temporaryDirectory();
  const home = `${directory.path}/home`;
  await using other = child("modes", home);
  const [homeMode, files, spilled] = await other.next();
  assert.equal(homeMode, "700");
  assert.deepEqual(files, {
    "catalog.duckdb": "600",
    "catalog.duckdb.tmp": "700",
    "catalog.duckdb.wal": "600",
    "catalog.lock": "600",
    "catalog.lock.gate": "600",
  });
  assert.ok(Object.keys(spilled).length > 0);
  for (const mode of Object.values(spilled)) assert.equal(mode, "600");
  const [umask, left] = await other.next();
  assert.equal(umask, 0); // given back
  assert.deepEqual(left, {
    "catalog.duckdb": "600",
    "catalog.lock": "600",
    "catalog.lock.gate": "600",
  });
});

Deno.test("openCatalog() takes a catalogue that others could read from them", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  Deno.chmodSync(catalogPath(directory.path), 0o644);
  await (await openCatalog({ home: directory.path })).close();
  assert.equal(modes(directory.path)["catalog.duckdb"], "600");
});

Deno.test("openCatalog() throws CATALOG_LOCKED and names the holder", async () => {
  using directory = temporaryDirectory();
  await using holder = child("hold", directory.path);
  assert.equal(await holder.next(), "open");
  const waits: string[] = [];
  const error = await failure(
    "CATALOG_LOCKED",
    openCatalog({ home: directory.path, timeout_ms: 300, on_wait: (who) => waits.push(who) }),
  );
  assert.match(error.message, new RegExp(`process ${holder.process.pid} \\(deno run\\)`));
  assert.match(error.message, /catalog\.duckdb/);
  assert.deepEqual(waits, [`process ${holder.process.pid} (deno run)`]);
});

Deno.test("openCatalog() goes on when the holder is killed", async () => {
  using directory = temporaryDirectory();
  await using holder = child("hold", directory.path);
  assert.equal(await holder.next(), "open");
  const opening = openCatalog({ home: directory.path, on_wait: () => holder.kill() });
  await using catalog = await opening;
  assert.deepEqual(await catalog.backups.list(), []);
});

Deno.test("openCatalog() waits for a program that knows only DuckDB's own lock", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  await using shell = child("shell", directory.path);
  assert.equal(await shell.next(), "open");
  const error = await failure(
    "CATALOG_LOCKED",
    openCatalog({ home: directory.path, timeout_ms: 300 }),
  );
  assert.match(error.message, new RegExp(`process ${shell.process.pid} \\(deno\\)`));
  await using _catalog = await openCatalog({ home: directory.path, on_wait: () => shell.kill() });
});

Deno.test("openCatalog() waits for an earlier open of the same process", async () => {
  using directory = temporaryDirectory();
  const first = await openCatalog({ home: directory.path });
  const second = openCatalog({ home: directory.path });
  const error = await failure(
    "CATALOG_LOCKED",
    openCatalog({ home: directory.path, timeout_ms: 100 }),
  );
  assert.match(error.message, new RegExp(`process ${Deno.pid} `));
  await first.backups.insert(backup("one"));
  await first.close();
  await using catalog = await second;
  assert.equal((await catalog.backups.list()).length, 1);
});

Deno.test("openCatalog() stops waiting when its signal is aborted", async () => {
  using directory = temporaryDirectory();
  await using _first = await openCatalog({ home: directory.path });
  const signal = AbortSignal.timeout(100);
  await failure("INTERRUPTED", openCatalog({ home: directory.path, signal }));
});

Deno.test("openCatalog() refuses a damaged file and does not touch it", async () => {
  const damages: [string, (bytes: Uint8Array) => Uint8Array][] = [
    ["empty", () => new Uint8Array()],
    ["another kind of file", () => new TextEncoder().encode("hello\n".repeat(10_000))],
    ["zeros", (bytes) => bytes.fill(0)],
    ["cut short", (bytes) => bytes.slice(0, 5000)],
    ["a changed byte", (bytes) => (bytes[12_288 + 100] ^= 1, bytes)],
  ];
  for (const [name, damage] of damages) {
    using directory = temporaryDirectory();
    await (await openCatalog({ home: directory.path })).close();
    const path = catalogPath(directory.path);
    Deno.writeFileSync(path, damage(Deno.readFileSync(path)));
    const before = sha256(path);
    const error = await failure("CATALOG_CORRUPT", openCatalog({ home: directory.path }));
    assert.match(error.message, /catalog\.duckdb/, name);
    assert.match(error.hint!, /archives .* not affected/, name);
    assert.equal(sha256(path), before, name);
  }
});

Deno.test("openCatalog() refuses a damaged write-ahead log and a log without its file", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  const path = catalogPath(directory.path);
  await using shell = child("shell-wal", directory.path);
  assert.equal(await shell.next(), null);
  const wal = Deno.readFileSync(`${path}.wal`);
  Deno.writeFileSync(`${path}.wal`, new Uint8Array([...wal, ...new Uint8Array(4096)]));
  const before = [sha256(path), sha256(`${path}.wal`)];
  await failure("CATALOG_CORRUPT", openCatalog({ home: directory.path }));
  assert.deepEqual([sha256(path), sha256(`${path}.wal`)], before);
  Deno.removeSync(path);
  await failure("CATALOG_CORRUPT", openCatalog({ home: directory.path }));
  assert.deepEqual(Object.keys(modes(directory.path)), [
    "catalog.duckdb.wal",
    "catalog.lock",
    "catalog.lock.gate",
  ]);
});

Deno.test("openCatalog() replays a whole write-ahead log", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  await using shell = child("shell-wal", directory.path);
  assert.equal(await shell.next(), null);
  await using catalog = await openCatalog({ home: directory.path });
  assert.equal(await catalog.settings.get("backup.compression"), "zstd");
});

Deno.test("openCatalog() reads a catalogue on a read-only file system, and says it cannot write", async () => {
  using mount = temporaryMount("8m");
  {
    await using catalog = await openCatalog({ home: mount.path });
    await catalog.backups.insert(backup("one"));
  }
  command("mount", "-o", "remount,ro", mount.path);
  await using catalog = await openCatalog({ home: mount.path });
  assert.equal((await catalog.backups.list()).length, 1);
  const error = await failure("CATALOG_WRITE", catalog.backups.insert(backup("two")));
  assert.match(error.hint!, /writable/);
  await failure("NOT_WRITABLE", openCatalog({ home: `${mount.path}/other` }));
});

Deno.test("openCatalog() says which home it cannot use", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "");
  const error = await failure("NOT_WRITABLE", openCatalog({ home: `${directory.path}/file` }));
  assert.match(error.message, /file\/catalog\.duckdb/);
  await failure("USAGE", openCatalog({ home: "/tmp/caf\udce9" }));
});

Deno.test("Catalog.close() may be called twice, and a later call of a method fails", async () => {
  using directory = temporaryDirectory();
  const catalog = await openCatalog({ home: directory.path });
  const insert = catalog.backups.insert(backup("one"));
  await Promise.all([catalog.close(), catalog.close()]);
  await insert; // what was under way ends well
  await failure("INTERNAL", catalog.backups.list());
});
