import assert from "node:assert/strict";
import fc from "fast-check";
import type { BackupRecord } from "../../../lib/core/model.ts";
import { type Catalog, openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { backup, failure, temporaryDirectory } from "./support.ts";

async function withCatalog(work: (catalog: Catalog) => Promise<void>): Promise<void> {
  using directory = temporaryDirectory();
  await using catalog = await openCatalog({ home: directory.path });
  await work(catalog);
}

Deno.test("Backups.insert() gives back what was put in, and an id", () =>
  withCatalog(async ({ backups }) => {
    const record = backup("one", {
      backup_path: "/srv/caf\udce9/\udcff.tar.gz",
      description: "x\0y \ufdd0 'quoted' \"too\" 😀",
      error_message: "",
      expires_at: "2027-01-01T00:00:00.000Z",
      warnings: [{ code: "UNREADABLE", path: "a\udc80b\ufdd0", message: "\0", incomplete: true }],
      backup_metadata: metadata("/srv/caf\udce9"),
    });
    const row = await backups.insert(record);
    assert.deepEqual(row, { id: 1, ...record });
    assert.deepEqual(await backups.get(1), row);
    assert.deepEqual(await backups.findByName("one"), row);
    assert.deepEqual(await backups.list(), [row]);
    assert.deepEqual(Object.keys(row).length, 1 + Object.keys(record).length);
  }));

Deno.test("Backups.insert() keeps any text and any warning", () =>
  withCatalog(async ({ backups }) => {
    let at = 0;
    // Code units, not characters: lone surrogates are what undecodable bytes look like.
    const text = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
      .map((units) => String.fromCharCode(...units));
    await fc.assert(
      fc.asyncProperty(text, fc.array(text), async (description, paths) => {
        const warnings = paths.map((path) => ({ code: "X", path, message: "", incomplete: false }));
        const record = backup(`${at++}`, { description, warnings });
        const { id } = await backups.insert(record);
        assert.deepEqual(await backups.get(id), { id, ...record });
      }),
      { numRuns: 40 },
    );
  }));

Deno.test("Backups.insert() keeps a record with a hundred thousand warnings", () =>
  withCatalog(async ({ backups }) => {
    const warnings = Array.from({ length: 100_000 }, (_, at) => ({
      code: "FILE_CHANGED",
      path: `volumes/data/some/where/file-${at}`,
      message: "changed while it was read",
      incomplete: true,
    }));
    const { id } = await backups.insert(backup("one", { warnings }));
    assert.deepEqual((await backups.get(id))!.warnings, warnings);
  }));

Deno.test("Backups.insert() refuses a second record of a name, and words that do not exist", () =>
  withCatalog(async ({ backups }) => {
    await backups.insert(backup("one"));
    const error = await failure("CATALOG_WRITE", backups.insert(backup("one")));
    assert.match(error.message, /"one".*Duplicate key/);
    for (
      const wrong of [
        { status: "done" },
        { backup_type: "HALF" },
        { trigger: "cosmic" },
        { compression_type: "lzma" },
        { verify_status: "maybe" },
      ]
    ) {
      await failure("CATALOG_WRITE", backups.insert(backup("two", wrong as any)));
    }
    assert.equal((await backups.insert(backup("two"))).id, 2); // failures used up no id
  }));

Deno.test("Backups.update() changes what is given, time and again, indexed columns too", () =>
  withCatalog(async ({ backups }) => {
    const record = backup("one", { status: "running", completed_at: null });
    let expected: BackupRecord = await backups.insert(record);
    const patches: Partial<BackupRecord>[] = [
      { status: "completed", completed_at: "2026-01-02T03:06:00.000Z" },
      { created_at: "2026-02-02T00:00:00.001Z", backup_type: "DATA_ONLY" },
      { created_at: "2026-03-02T00:00:00.002Z", backup_type: "FULL" },
      { backup_name: "uno" },
      { backup_name: "one", description: undefined, stack: "other" },
      { verify_status: "passed", verified_at: "2026-01-02T03:07:00.000Z" },
      { warnings: [{ code: "A", path: "b", message: "c", incomplete: true }] },
      { backup_metadata: metadata("/srv"), description: "text" },
      { backup_metadata: null, description: null },
      {},
    ];
    for (const patch of [...patches, ...patches]) {
      const given = Object.entries(patch).filter(([, value]) => value !== undefined);
      expected = { ...expected, ...Object.fromEntries(given) };
      assert.deepEqual(await backups.update(1, patch), expected);
      assert.deepEqual(await backups.list(), [expected]);
    }
    await failure("NO_SUCH_BACKUP", backups.update(2, { status: "failed" }));
    await failure("NO_SUCH_BACKUP", backups.update(2, {}));
  }));

Deno.test("Backups.update() that fails changes nothing and leaves the catalogue usable", () =>
  withCatalog(async ({ backups }) => {
    await backups.insert(backup("one"));
    const two = await backups.insert(backup("two"));
    await failure("CATALOG_WRITE", backups.update(2, { stack: "x", backup_name: "one" }));
    assert.deepEqual(await backups.get(2), two);
    await backups.update(2, { stack: "x" });
  }));

Deno.test("Backups.list() has the newest first and filters", () =>
  withCatalog(async ({ backups }) => {
    await backups.insert(backup("b", { created_at: "2026-01-02T00:00:00.000Z" }));
    await backups.insert(backup("c", { created_at: "2026-01-02T00:00:00.000Z", stack: "wiki" }));
    await backups.insert(backup("a", { created_at: "2026-01-01T00:00:00.000Z", status: "failed" }));
    const names = async (filter?: Parameters<typeof backups.list>[0]) =>
      (await backups.list(filter)).map((one) => one.backup_name).join("");
    assert.equal(await names(), "cba");
    assert.equal(await names({ stack: "shop" }), "ba");
    assert.equal(await names({ status: "failed" }), "a");
    assert.equal(await names({ stack: "wiki", status: "failed" }), "");
    assert.equal(await names({ limit: 2 }), "cb");
    assert.equal(await backups.get(99), null);
    assert.equal(await backups.findByName("z"), null);
    const found = await backups.findByNames(["c", "z", "a"]);
    assert.deepEqual([...found].map(([name, { stack }]) => `${name} ${stack}`).sort(), [
      "a shop",
      "c wiki",
    ]);
    assert.equal((await backups.findByNames([])).size, 0);
  }));

Deno.test("Backups.delete() never lets an id be used again", () =>
  withCatalog(async ({ backups }) => {
    await backups.insert(backup("one"));
    await backups.insert(backup("two"));
    assert.equal(await backups.delete(2), true);
    assert.equal(await backups.delete(2), false);
    assert.equal((await backups.insert(backup("two"))).id, 3);
    assert.deepEqual((await backups.list()).map((one) => one.id), [3, 1]);
  }));

Deno.test("Backups.adopt() keeps the id where it is free, and settles a row of the same name", () =>
  withCatalog(async ({ backups }) => {
    const running = await backups.insert(backup("one", { status: "running" }));
    assert.equal((await backups.adopt({ ...backup("far"), id: 7 })).id, 7);
    assert.equal((await backups.insert(backup("next"))).id, 8);
    assert.equal((await backups.adopt({ ...backup("taken"), id: 7 })).id, 9);
    assert.equal((await backups.adopt({ ...backup("between"), id: 3 })).id, 3);
    assert.equal((await backups.adopt({ ...backup("odd"), id: 0 })).id, 10);
    const settled = { ...backup("one", { status: "completed" }), id: 55 };
    assert.deepEqual(await backups.adopt(settled), { ...settled, id: running.id });
    assert.deepEqual(await backups.adopt(settled), { ...settled, id: running.id });
    assert.deepEqual((await backups.list()).map((one) => one.id), [10, 9, 8, 7, 3, 1]);
  }));

Deno.test("Backups methods called at once do not mix their transactions", () =>
  withCatalog(async ({ backups }) => {
    const work = Array.from({ length: 10 }, (_, at) => backups.insert(backup(`${at % 8}`)));
    const results = await Promise.allSettled(work);
    assert.equal(results.filter((one) => one.status === "fulfilled").length, 8);
    assert.deepEqual((await backups.list()).map((one) => one.id), [8, 7, 6, 5, 4, 3, 2, 1]);
  }));

function metadata(path: string): BackupRecord["backup_metadata"] {
  return {
    tool_version: "0.1.0",
    host: "host",
    work_dir: path,
    project: "shop",
    compose_files: [`${path}/compose.yaml`],
    compose_hash: null,
    sources: [
      { kind: "path", role: "data", name: ".", path, archive_path: ".", origin: "stack" },
    ],
    skipped: [],
    services: [],
    quiesce: "stop",
    consistency: null,
    level: 6,
  };
}
