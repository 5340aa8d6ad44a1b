import assert from "node:assert/strict";
import {
  canReadManifest,
  impliedDirectories,
  manifestLine,
  type ManifestPart,
  readManifest,
  writeManifest,
} from "../../../lib/catalog/manifest.ts";
import type { EntryType, ManifestEntry } from "../../../lib/core/model.ts";
import { failure, temporaryDirectory } from "./support.ts";

function entry(path: string, type: EntryType = "file"): ManifestEntry {
  return {
    ...{ path, type, size: 3, mode: 0o644, uid: 0, gid: 0, mtime_s: 1, mtime_ns: 5, link: null },
    ...{ sha256: "ab".repeat(32), block_offset: 0, block_inner: 0 },
  };
}

const ENTRIES = [
  entry(".", "directory"),
  entry("conf", "directory"),
  entry("conf/a"),
  entry("conf/é", "directory"),
  entry("conf/é/ß"),
  entry("conf/caf\udce9", "directory"),
  entry("conf/caf\udce9/x"),
  entry("confusing"),
  entry('it\'s a "name" % _ [x]*'),
  entry("volumes/shop_data", "directory"),
  entry("volumes/shop_data/deep", "directory"),
  entry("volumes/shop_data/deep/x"),
  entry("volumes/other/x"),
];

async function written(directory: string): Promise<string> {
  Deno.writeTextFileSync(`${directory}/n`, ENTRIES.map(manifestLine).join(""));
  await writeManifest(`${directory}/n`, `${directory}/m.parquet`);
  return `${directory}/m.parquet`;
}

Deno.test("readManifest() gives the parts that are asked for, in the archive's order", async () => {
  using directory = temporaryDirectory();
  const path = await written(directory.path);
  const cases: [ManifestPart[], string[]][] = [
    [[], []],
    [[{ path: "conf", take: "self" }], ["conf"]],
    [[{ path: "nope", take: "self" }], []],
    [[{ path: "conf", take: "children" }], ["conf/a", "conf/é", "conf/caf\udce9"]],
    [[{ path: "conf/é", take: "children" }], ["conf/é/ß"]],
    [[{ path: "", take: "children" }], ["conf", "confusing", 'it\'s a "name" % _ [x]*']],
    [[{ path: "conf/é", take: "all" }], ["conf/é", "conf/é/ß"]],
    [[{ path: "", take: "all" }], ENTRIES.map((one) => one.path)],
    // By its bytes and by its stand-in.
    [[{ path: "conf/caf\udce9", take: "all" }], ["conf/caf\udce9", "conf/caf\udce9/x"]],
    [[{ path: "conf/caf\\xe9", take: "children" }], ["conf/caf\udce9/x"]],
    [[{ path: 'it\'s a "name" % _ [x]*', take: "self" }], ['it\'s a "name" % _ [x]*']],
    [[{ path: "volumes/other/x", take: "self" }, { path: "conf/a", take: "self" }], [
      "conf/a",
      "volumes/other/x",
    ]],
  ];
  for (const [parts, expected] of cases) {
    const rows = (await Array.fromAsync(readManifest(path, parts))).flat();
    assert.deepEqual(rows.map((row) => row.path), expected, JSON.stringify(parts));
    for (const row of rows) assert.deepEqual(row, ENTRIES.find((one) => one.path === row.path));
  }
});

Deno.test("impliedDirectories() names directories that have no entry", async () => {
  using directory = temporaryDirectory();
  const path = await written(directory.path);
  assert.deepEqual(await impliedDirectories(path, ""), ["volumes"]);
  assert.deepEqual(await impliedDirectories(path, "volumes"), ["volumes/other"]);
  assert.deepEqual(await impliedDirectories(path, "conf"), []);
});

Deno.test("canReadManifest() is false for what is no manifest, and reading that raises IO", async () => {
  using directory = temporaryDirectory();
  const path = await written(directory.path);
  assert.ok(await canReadManifest(path));
  const bytes = Deno.readFileSync(path);
  Deno.writeFileSync(path, bytes.subarray(0, bytes.length - 20));
  assert.ok(!await canReadManifest(path));
  await failure("IO", Array.fromAsync(readManifest(path, [{ path: "", take: "all" }])));
  assert.ok(!await canReadManifest(`${directory.path}/none`));
});

Deno.test("readManifest() finds one row of a million", async () => {
  using directory = temporaryDirectory();
  const file = Deno.openSync(`${directory.path}/n`, { write: true, create: true });
  const encoder = new TextEncoder();
  for (let batch = 0; batch < 100; batch++) {
    const lines = Array.from(
      { length: 10_000 },
      (_, at) => manifestLine(entry(`d${batch}/f${at}`)),
    );
    const bytes = encoder.encode(lines.join(""));
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }
  file.close();
  const path = `${directory.path}/m.parquet`;
  await writeManifest(`${directory.path}/n`, path);
  const rows = (await Array.fromAsync(readManifest(path, [{ path: "d77/f7777", take: "self" }])))
    .flat();
  assert.deepEqual(rows.map((row) => row.path), ["d77/f7777"]);
  assert.equal((await impliedDirectories(path, "")).length, 100);
});
