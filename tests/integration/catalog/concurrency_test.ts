import assert from "node:assert/strict";
import { openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { backup, child, temporaryDirectory } from "./support.ts";

Deno.test("ten processes list at once while another one writes, and all succeed", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  await (await openCatalog({ home })).close();
  await using writer = child("write", home, "w");
  assert.equal(await writer.next(), 1);
  const readers = Array.from({ length: 10 }, () => child("list", home));
  try {
    const counts = await Promise.all(readers.map((reader) => reader.next()));
    const codes = await Promise.all(
      readers.map(async (reader) => (await reader.process.status).code),
    );
    assert.deepEqual(codes, Array(10).fill(0));
    for (const count of counts) assert.ok(count >= 1);
  } finally {
    for (const reader of readers) await reader[Symbol.asyncDispose]();
  }
});

Deno.test("ten processes may make the catalogue at once", async () => {
  using directory = temporaryDirectory();
  const children = Array.from({ length: 10 }, () => child("list", `${directory.path}/home`));
  try {
    const counts = await Promise.all(children.map((one) => one.next()));
    assert.deepEqual(counts, Array(10).fill(0));
  } finally {
    for (const one of children) await one[Symbol.asyncDispose]();
  }
});

Deno.test("two processes write at once and no row or id is lost", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  const ids: number[] = [];
  {
    await using first = child("write", home, "a");
    await using second = child("write", home, "b");
    for (let turn = 0; turn < 10; turn++) {
      ids.push(...await Promise.all([first.next(), second.next()]));
    }
  }
  assert.equal(new Set(ids).size, 20);
  await using catalog = await openCatalog({ home });
  const rows = (await catalog.backups.list()).map((one) => one.id);
  for (const id of ids) assert.ok(rows.includes(id));
});

Deno.test("kill -9 of a writer loses no acknowledged row", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  const acknowledged = new Set<number>();
  for (let round = 0; round < 6; round++) {
    await using writer = child("write", home, `round${round}`);
    for (let at = 0; at < 3 + round; at++) acknowledged.add(await writer.next());
    await new Promise((resolve) => setTimeout(resolve, round * 7)); // another moment each time
    writer.kill();
    for (let id = await writer.next(); id !== null; id = await writer.next()) acknowledged.add(id);
    await using catalog = await openCatalog({ home, timeout_ms: 5_000 });
    const rows = (await catalog.backups.list()).map((one) => one.id);
    for (const id of acknowledged) assert.ok(rows.includes(id), `id ${id} of round ${round}`);
    const { id } = await catalog.backups.insert(backup(`after round ${round}`));
    assert.ok(!acknowledged.has(id));
    acknowledged.add(id);
  }
});

Deno.test("timers go on after the catalogue was used (a fault of Deno's, see duckdb.ts)", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  const begin = performance.now();
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(performance.now() - begin < 1_000);
});
