import assert from "node:assert/strict";
import fc from "fast-check";
import { Database } from "../../../lib/catalog/duckdb.ts";
import { manifestLine, readManifest, writeManifest } from "../../../lib/catalog/manifest.ts";
import type { EntryType, ManifestEntry } from "../../../lib/core/model.ts";
import { decodePath } from "../../../lib/core/paths.ts";
import { failure, fillDisk, modes, temporaryDirectory, temporaryMount } from "./support.ts";

function file(path: string, more: Partial<ManifestEntry> = {}): ManifestEntry {
  return {
    path,
    type: "file",
    size: 3,
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    mtime_s: 1_700_000_000,
    mtime_ns: 5,
    link: null,
    sha256: "ab".repeat(32),
    block_offset: 0,
    block_inner: 0,
    ...more,
  };
}

/** Writes entries as a manifest at `directory/name` and gives its path. */
async function write(directory: string, entries: ManifestEntry[], name = "m.parquet") {
  const lines = `${directory}/${name}.ndjson`;
  Deno.writeTextFileSync(lines, entries.map(manifestLine).join(""));
  await writeManifest(lines, `${directory}/${name}`);
  Deno.removeSync(lines);
  return `${directory}/${name}`;
}

async function read(path: string): Promise<ManifestEntry[]> {
  return (await Array.fromAsync(readManifest(path))).flat();
}

Deno.test("readManifest() gives back what writeManifest() was given, whatever the names", async () => {
  using directory = temporaryDirectory();
  const name = fc.uint8Array({ min: 1, minLength: 1, maxLength: 40 }).map(decodePath);
  const count = fc.nat({ max: 2 ** 52 });
  const entry: fc.Arbitrary<ManifestEntry> = fc.record({
    path: name,
    type: fc.constantFrom<EntryType>("file", "directory", "symlink", "hardlink", "fifo", "char"),
    size: count,
    mode: fc.nat({ max: 0o7777 }),
    uid: fc.nat({ max: 2 ** 32 - 1 }),
    gid: fc.nat({ max: 2 ** 32 - 1 }),
    mtime_s: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    mtime_ns: fc.nat({ max: 999_999_999 }),
    link: fc.option(name),
    sha256: fc.option(fc.constant("0f".repeat(32))),
    block_offset: count,
    block_inner: count,
  }, { noNullPrototype: true });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 30 }), async (entries) => {
      assert.deepEqual(await read(await write(directory.path, entries)), entries);
    }),
    { numRuns: 30 },
  );
});

Deno.test("writeManifest() keeps the order of many entries and leaves nothing else behind", async () => {
  using directory = temporaryDirectory();
  const entries = Array.from({ length: 50_000 }, (_, at) => file(`f${at * 7919 % 50_000}`));
  const path = await write(directory.path, entries);
  let at = 0;
  for await (const batch of readManifest(path)) {
    assert.ok(batch.length <= 2048);
    for (const one of batch) assert.equal(one.path, entries[at++].path);
  }
  assert.equal(at, entries.length);
  assert.deepEqual(modes(directory.path), { "m.parquet": "600" });
});

Deno.test("writeManifest() makes a file any Parquet reader understands", async () => {
  using directory = temporaryDirectory();
  const path = await write(directory.path, [
    file("plain"),
    file("caf\udce9", { type: "symlink", link: "plain", sha256: null }),
  ]);
  const db = await Database.open(":memory:", { temp_directory: `${directory.path}/tmp` });
  try {
    const columns = await db.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * FROM '${path}'`,
    );
    assert.deepEqual(columns.map((one) => `${one.column_name} ${one.column_type}`), [
      "path VARCHAR",
      "path_raw BLOB",
      "type VARCHAR",
      "size BIGINT",
      "mode INTEGER",
      "uid BIGINT",
      "gid BIGINT",
      "mtime_s BIGINT",
      "mtime_ns INTEGER",
      "link VARCHAR",
      "link_raw BLOB",
      "sha256 VARCHAR",
      "ctime_s BIGINT",
      "ctime_ns INTEGER",
      "ino UBIGINT",
      "nlink INTEGER",
      "block_offset BIGINT",
      "block_inner BIGINT",
      "stored_in VARCHAR",
    ]);
    assert.deepEqual(
      await db.rows(`SELECT path, hex(path_raw) AS raw, link FROM '${path}' ORDER BY ALL`),
      [
        { path: "caf\\xe9", raw: "636166E9", link: "plain" },
        { path: "plain", raw: null, link: null },
      ],
    );
  } finally {
    await db.close();
  }
});

Deno.test("readManifest() may be left before its end", async () => {
  using directory = temporaryDirectory();
  const path = await write(directory.path, Array.from({ length: 9000 }, (_, at) => file(`f${at}`)));
  for await (const batch of readManifest(path)) {
    assert.equal(batch[0].path, "f0");
    break;
  }
  assert.equal((await read(path)).length, 9000);
});

Deno.test("a manifest may lie in a directory of any name that is UTF-8", async () => {
  using directory = temporaryDirectory();
  for (const name of ["a*b", "a?b", "[ab]", "it's", "back\\slash", "size=3", "ü 😀", "a{b,c}"]) {
    const inner = `${directory.path}/${name}`;
    Deno.mkdirSync(inner);
    // Another file that the name taken for a pattern would find too.
    Deno.mkdirSync(`${directory.path}/${name.replaceAll(/[*?]/g, "xx")}`, { recursive: true });
    assert.deepEqual(await read(await write(inner, [file(name)])), [file(name)], name);
  }
});

Deno.test("writeManifest() that fails says why and leaves an older manifest as it was", async () => {
  using mount = temporaryMount("2m");
  const path = await write(mount.path, [file("old")]);
  const lines = `${mount.path}/lines`;
  const random = () => crypto.getRandomValues(new Uint8Array(32)).toHex();
  const entries = Array.from({ length: 4000 }, (_, at) => file(`f${at}`, { sha256: random() }));
  Deno.writeTextFileSync(lines, entries.map(manifestLine).join(""));
  fillDisk(mount.path, 8 * 1024);
  const error = await failure("DISK_FULL", writeManifest(lines, path));
  assert.match(error.message, /Cannot write the manifest ".*m\.parquet"/);
  assert.deepEqual(await read(path), [file("old")]);
  assert.deepEqual(Object.keys(modes(mount.path)), ["filler", "lines", "m.parquet"]);
  await failure("IO", writeManifest(`${mount.path}/nothing`, path));
  await failure("IO", writeManifest(lines, `${mount.path}/no/where.parquet`));
});

Deno.test("readManifest() throws IO for a file that is missing or broken", async () => {
  using directory = temporaryDirectory();
  await failure("IO", read(`${directory.path}/nothing`));
  const path = await write(directory.path, Array.from({ length: 100 }, (_, at) => file(`f${at}`)));
  const bytes = Deno.readFileSync(path);
  Deno.writeFileSync(path, bytes.subarray(0, bytes.length - 20));
  const error = await failure("IO", read(path));
  assert.match(error.message, /Cannot read the manifest/);
});
