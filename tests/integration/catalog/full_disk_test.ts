import assert from "node:assert/strict";
import { catalogPath, openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { backup, child, command, failure, fillDisk, temporaryMount } from "./support.ts";

Deno.test("a full disk fails the write with CATALOG_WRITE and loses no acknowledged row", async () => {
  using mount = temporaryMount("1m");
  const home = mount.path;
  const acknowledged: string[] = [];
  {
    await using catalog = await openCatalog({ home });
    const error = await failure(
      "CATALOG_WRITE",
      (async () => {
        for (let at = 0; at < 1000; at++) {
          // Random, or DuckDB would compress it away.
          const description = crypto.getRandomValues(new Uint8Array(8000)).toBase64();
          await catalog.backups.insert(backup(`${at}`, { description }));
          acknowledged.push(`${at}`);
        }
      })(),
    );
    assert.match(error.message, /no space left/);
    assert.match(error.hint!, /Free some space/);
    await catalog.backups.update(1, { stack: "other" }).catch(() => {});
  }
  assert.ok(acknowledged.length > 3);
  command("mount", "-o", "remount,size=8m", home);
  await using catalog = await openCatalog({ home });
  const names = (await catalog.backups.list()).map((one) => one.backup_name);
  for (const name of acknowledged) assert.ok(names.includes(name), name);
  await catalog.backups.insert(backup("after"));
});

Deno.test("openCatalog() and list() work on a disk that is full", async () => {
  using mount = temporaryMount("1m");
  const home = mount.path;
  {
    await using catalog = await openCatalog({ home });
    await catalog.backups.insert(backup("one"));
  }
  fillDisk(home);
  {
    await using catalog = await openCatalog({ home });
    assert.equal((await catalog.backups.list()).length, 1);
    await failure("CATALOG_WRITE", catalog.backups.insert(backup("two")));
  }
  Deno.removeSync(`${home}/filler`);
  await using catalog = await openCatalog({ home });
  const [row, ...rest] = await catalog.backups.list();
  assert.equal(row.backup_name, "one");
  assert.deepEqual(rest, []);
  assert.ok(Deno.statSync(catalogPath(home)).size > 0);
});

Deno.test("no write on a full disk kills the process, however little room is left", async () => {
  const writes = 11;
  using mount = temporaryMount("4m");
  const home = mount.path;
  {
    await using catalog = await openCatalog({ home });
    await catalog.backups.insert(backup("one"));
  }
  const whole = Deno.readFileSync(catalogPath(home));
  for (const left of [0, 4, 24]) {
    for (let which = 0; which < writes; which++) {
      Deno.writeFileSync(catalogPath(home), whole);
      fillDisk(home, left * 1024);
      await using other = child("every-write", home, String(which));
      const code = await other.next();
      assert.ok(code === "CATALOG_WRITE" || code === "ok", `write ${which}, ${left} KiB: ${code}`);
      assert.equal((await other.process.status).code, 0, `write ${which}, ${left} KiB`);
      Deno.removeSync(`${home}/filler`);
      await using catalog = await openCatalog({ home });
      assert.ok((await catalog.backups.list()).length <= 2);
    }
  }
});

Deno.test("every write goes well where there is room", async () => {
  using mount = temporaryMount("40m");
  {
    await using catalog = await openCatalog({ home: mount.path });
    await catalog.backups.insert(backup("one"));
  }
  await using other = child("every-write", mount.path);
  for (let which = 0; which < 11; which++) assert.equal(await other.next(), "ok", `write ${which}`);
  assert.equal(await other.next(), null);
});
