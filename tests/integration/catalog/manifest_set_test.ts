import assert from "node:assert/strict";
import { Database } from "../../../lib/catalog/duckdb.ts";
import { followPath, searchEntries } from "../../../lib/catalog/entry_search.ts";
import type { SearchCriteria } from "../../../lib/catalog/entry_search.ts";
import { ENTRY_COLUMNS, type ManifestSet } from "../../../lib/catalog/manifest_set.ts";
import { treeChange } from "../../../lib/catalog/tree_change.ts";
import { TreeDiff } from "../../../lib/catalog/tree_diff.ts";
import { TreeStats } from "../../../lib/catalog/tree_stats.ts";
import { file, openSet, other, writeManifests } from "./manifests.ts";
import { temporaryDirectory } from "./support.ts";

async function search(set: ManifestSet, criteria: SearchCriteria): Promise<string[]> {
  const rows = (await Array.fromAsync(searchEntries(set, criteria))).flat();
  return rows.map(({ path, path_raw, backups }) => `${path}${path_raw ? "!" : ""} ${backups}`);
}

Deno.test("searchEntries() gives each version with the backups that hold it", async () => {
  using directory = temporaryDirectory();
  const dir = other("conf", "directory", { mtime_s: 1 });
  await using set = await openSet(
    directory.path,
    await writeManifests(
      directory.path,
      [dir, file("conf/a.ini", "one"), file("it's", "q"), file("conf/caf\udce9", "raw")],
      [{ ...dir, mtime_s: 2 }, file("conf/a.ini", "two!"), file("conf/caf\udce9", "raw")],
      [dir, file("conf/a.ini", "one", { mtime_s: 1_800_000_000 }), file("a.ini", "one")],
    ),
  );
  const cases: [SearchCriteria, string[]][] = [
    [{}, [
      "a.ini 3",
      "conf 1,2,3",
      "conf/a.ini 1,3",
      "conf/a.ini 2",
      "conf/caf\\xe9! 1,2",
      "it's 1",
    ]],
    [{ names: ["a.ini"] }, ["a.ini 3", "conf/a.ini 1,3", "conf/a.ini 2"]],
    [{ names: ["it's"] }, ["it's 1"]],
    [{ paths: ["conf/a.ini", "it's"] }, ["conf/a.ini 1,3", "conf/a.ini 2", "it's 1"]],
    [{ names: ["caf\\xe9"] }, ["conf/caf\\xe9! 1,2"]],
    [{ contains: ["conf/", ".ini"] }, ["conf/a.ini 1,3", "conf/a.ini 2"]],
    [{ size: { least: 4 } }, ["conf/a.ini 2"]],
    [{ size: { most: 1 } }, ["it's 1"]],
    [{ after: 1_750_000_000 }, ["conf/a.ini 3"]],
    [{ before: 3 }, ["conf 1,2,3"]],
    [{ types: ["directory", "fifo"] }, ["conf 1,2,3"]],
    [{ sha256: file("", "one").sha256!, names: ["a.ini"] }, ["a.ini 3", "conf/a.ini 1,3"]],
    [{ sha256: file("", "two!").sha256!.slice(0, 8) }, ["conf/a.ini 2"]],
    [{ paths: [""] }, []],
  ];
  for (const [criteria, expected] of cases) {
    assert.deepEqual(await search(set, criteria), expected, JSON.stringify(criteria));
  }
  const states = await followPath(set, ["conf/caf\\xe9"]);
  assert.deepEqual(states.map(({ backup_id, path_raw }) => [backup_id, path_raw]), [
    [1, "636f6e662f636166e9"],
    [2, "636f6e662f636166e9"],
  ]);
});

Deno.test("ManifestSet leaves out what is missing or broken, wherever it is broken, and names it", async () => {
  using directory = temporaryDirectory();
  const many = Array.from({ length: 3_000 }, (_, n) => file(`dir/${n}`, `${n * 7919}`));
  const manifests = await writeManifests(
    directory.path,
    ...[many, many, many, many, [file("dir/1", "good")], many],
  );
  Deno.removeSync(manifests[0].path);
  Deno.writeTextFileSync(manifests[1].path, "no Parquet at all");
  const bytes = Deno.readFileSync(manifests[2].path);
  Deno.writeFileSync(manifests[2].path, bytes.subarray(0, bytes.length - 9));
  const spoiled = Deno.readFileSync(manifests[3].path);
  spoiled.fill(0x55, 100, spoiled.length >> 1); // its end, which tells what there is, is whole
  Deno.writeFileSync(manifests[3].path, spoiled);
  const db = await Database.open(":memory:", { temp_directory: `${directory.path}/x` });
  await db.run(`COPY (SELECT 1 AS path) TO '${manifests[5].path}' (FORMAT parquet)`);
  await db.close();
  await using set = await openSet(directory.path, manifests);
  assert.deepEqual(await search(set, { names: ["1"] }), ["dir/1 5"]);
  assert.deepEqual(set.used.map(({ backup_id }) => backup_id), [5]);
  assert.deepEqual(set.unread.map(({ backup_id }) => backup_id).sort(), [1, 2, 3, 4, 6]);
  assert.match(set.unread.find(({ backup_id }) => backup_id === 1)!.reason, /missing/);
  for (const { reason } of set.unread) {
    assert.ok(reason.length > 5 && !reason.includes("\n"), reason);
  }
});

Deno.test("ManifestSet of no manifest at all is an empty table", async () => {
  using directory = temporaryDirectory();
  const gone = { backup_id: 1, stack: "shop", path: `${directory.path}/nope` };
  await using set = await openSet(directory.path, [gone]);
  assert.deepEqual(await search(set, {}), []);
  assert.equal(set.unread.length, 1);
});

Deno.test("ManifestSet reads manifests that lack columns or have more, in any order of them", async () => {
  using directory = temporaryDirectory();
  const manifests = await writeManifests(directory.path, [file("a")], [file("a")], [
    file("a", "new"),
  ]);
  const db = await Database.open(":memory:", { temp_directory: `${directory.path}/x` });
  const [, second] = manifests;
  const base = ENTRY_COLUMNS.toReversed().join(", ");
  await db.run(
    `COPY (SELECT 1 AS of_the_future, ${base} FROM '${second.path}')
     TO '${second.path}.new' (FORMAT parquet)`,
  );
  await db.close();
  Deno.renameSync(`${second.path}.new`, second.path);
  for (
    const [list, expected] of [
      [manifests, ["a 1,2", "a 3"]],
      [manifests.toReversed(), ["a 3", "a 2,1"]],
      [[manifests[1], manifests[0]], ["a 2,1"]],
      [[manifests[1]], ["a 2"]], // nothing in it says where things are stored
    ] as const
  ) {
    await using set = await openSet(directory.path, [...list]);
    assert.deepEqual(await search(set, {}), expected);
    assert.deepEqual(set.unread, []);
  }
});

Deno.test("ManifestSet gives up at once when it is told to", async () => {
  using directory = temporaryDirectory();
  const manifests = await writeManifests(directory.path, [file("a")]);
  const stop = new AbortController();
  await using set = await openSetWith(directory.path, manifests, stop.signal);
  const endless = set.rows("SELECT count(*) FROM range(1000000000000) a, entries");
  setTimeout(() => stop.abort(), 50);
  await assert.rejects(endless, { code: "INTERRUPTED" });
});

async function openSetWith(
  directory: string,
  manifests: Parameters<typeof openSet>[1],
  signal: AbortSignal,
) {
  const { ManifestSet } = await import("../../../lib/catalog/manifest_set.ts");
  return await ManifestSet.open(manifests, { temp_directory: `${directory}/tmp`, signal });
}

Deno.test("TreeDiff tells added, removed, changed and renamed, and totals by directory", async () => {
  using directory = temporaryDirectory();
  const manifests = await writeManifests(
    directory.path,
    [
      other("d", "directory", { mtime_s: 1 }),
      file("same", "s"),
      file("touched", "t", { mtime_s: 1 }),
      file("d/x/edited", "old"),
      file("d/x/chmod", "c"),
      file("d/x/moved", "content"),
      file("copies/1", "copy"),
      file("copies/2", "copy"),
      file("gone", "g"),
      file("empty-a", ""),
      file("became", "b"),
      other("link", "symlink", { link: "one" }),
      file("caf\udce9", "1"),
    ],
    [
      other("d", "directory", { mtime_s: 2 }),
      file("same", "s"),
      file("touched", "t", { mtime_s: 2 }),
      file("d/x/edited", "newer"),
      file("d/x/chmod", "c", { mode: 0o4755, uid: 7 }),
      file("d/y/place", "content"),
      file("copies/1", "copy"),
      file("copies/3", "copy"),
      file("copies/4", "copy"),
      file("empty-b", ""),
      other("became", "directory"),
      other("link", "symlink", { link: "two" }),
      file("caf\udce9", "2"),
    ],
  );
  await using set = await openSet(directory.path, manifests);
  const diff = await TreeDiff.between(set, { live: false, within: null });
  const rows = (await Array.fromAsync(diff.rows())).flat();
  assert.deepEqual(
    rows.map((row) =>
      [row.change, row.path, row.from, row.size_before, row.size, row.what].filter((v) =>
        v !== null
      )
        .join(" ")
    ),
    [
      "changed became 1 0 type",
      "changed caf\\xe9 1 1 content",
      "renamed copies/3 copies/2 4 4",
      "added copies/4 4",
      "changed d/x/chmod 1 1 mode,owner",
      "changed d/x/edited 3 5 content",
      "renamed d/y/place d/x/moved 7 7",
      "removed empty-a 0",
      "added empty-b 0",
      "removed gone 1",
      "changed link 0 0 link",
    ],
  );
  assert.deepEqual(
    Object.fromEntries((await diff.totals()).map((t) => [t.change, [t.entries, t.bytes]])),
    {
      added: [2, 4],
      removed: [2, 1],
      changed: [5, 6],
      renamed: [2, 11],
      same: [4, 6],
    },
  );
  const directories = await diff.directories(1);
  assert.deepEqual(
    directories.map((d) => [d.directory, d.added, d.removed, d.changed, d.renamed]),
    [
      [".", 1, 2, 3, 0],
      ["copies", 1, 0, 0, 1],
      ["d", 0, 0, 2, 1],
    ],
  );
  assert.deepEqual((await diff.directories(2)).map((d) => d.directory), [
    ".",
    "copies",
    "d/x",
    "d/y",
  ]);
});

Deno.test("TreeDiff of a live tree tells content by size and time, within its sources alone", async () => {
  using directory = temporaryDirectory();
  const live = (path: string, more = {}) => file(path, "abc", { sha256: null, ...more });
  const manifests = await writeManifests(
    directory.path,
    [file("data/a", "abc"), file("data/b", "abc", { mtime_s: 7 }), file("dumps/db.sql", "abc")],
    [live("data/a", { mtime_ns: 6 }), live("data/c", { mtime_s: 7 })],
  );
  await using set = await openSet(directory.path, manifests);
  const diff = await TreeDiff.between(set, { live: true, within: ["data"] });
  const rows = (await Array.fromAsync(diff.rows())).flat();
  assert.deepEqual(rows.map(({ change, path, from }) => [change, path, from]), [
    ["changed", "data/a", null],
    ["renamed", "data/c", "data/b"],
  ]);
});

Deno.test("treeChange() counts what is lost, but not what was moved, and picks changed files", async () => {
  using directory = temporaryDirectory();
  const big = (letter: string) => letter.repeat(5000);
  const hash = (n: string) => ({ sha256: n.repeat(64) });
  const manifests = await writeManifests(
    directory.path,
    [
      file("moved", "moved"),
      file("lost", "lost"),
      file("edited", big("a"), hash("1")),
      file("small", "a"),
      file("linked", "linked"),
      other("dir", "directory"),
    ],
    [
      file("moved-here", "moved"),
      file("edited", big("b"), hash("2")),
      file("small", "b"),
      other("linked", "hardlink", { link: "moved-here" }),
    ],
  );
  await using set = await openSet(directory.path, manifests);
  const { before, now, lost, sample } = await treeChange(set);
  assert.deepEqual(before, { files: 5, bytes: 5 + 4 + 5000 + 1 + 6 });
  assert.deepEqual(now, { files: 3, bytes: 5 + 5000 + 1 });
  assert.equal(lost, 1);
  assert.deepEqual(sample, ["edited"]);
});

Deno.test("TreeStats tells churn, the largest, the restless and how extensions compress", async () => {
  using directory = temporaryDirectory();
  const sized = (path: string, size: number, block_offset: number, hash = "0") =>
    file(path, "", { size, block_offset, sha256: hash.repeat(64) });
  const tree = (n: number) => [
    sized("data/log.txt", 1000, 0, String(n)),
    sized("data/rare.txt", 500, 0, n < 3 ? "7" : "8"),
    sized("media/a.jpg", 900, 400, "a"),
    sized("media/readme", 100, 400, "b"),
    sized("top.MIX", 50, 1300, "c"),
    sized("top.other", 50, 1300, "d"),
    sized("v/disk.iso", 3000, 1400, "e"),
    // 900 bytes of the image before it lie in its block.
    { ...sized("v/last.php", 100, 3500, "f"), block_inner: 900 },
  ];
  await using set = await openSet(
    directory.path,
    await writeManifests(directory.path, tree(1), tree(2), tree(3)),
  );
  const stats = new TreeStats(set);
  assert.deepEqual(
    (await stats.churn(1)).map((c) => [c.directory, c.files, c.bytes, c.new_contents, c.new_bytes]),
    [
      ["data", 2, 1500, 3, 2500],
      ["v", 2, 3100, 0, 0],
      ["media", 2, 1000, 0, 0],
      [".", 2, 100, 0, 0],
    ],
  );
  assert.deepEqual((await stats.largest(2)).map(({ path, size }) => [path, size]), [
    ["v/disk.iso", 3000],
    ["data/log.txt", 1000],
  ]);
  assert.deepEqual((await stats.restless(9)).map(({ path, backups }) => [path, backups]), [
    ["data/log.txt", 3],
  ]);
  assert.deepEqual(
    (await stats.byExtension(3, 3600)).map((
      e,
    ) => [e.extension, e.bytes, e.compressed, e.measured_bytes]),
    [
      ["iso", 3000, 2190, 3000],
      ["txt", 1500, 400, 1500],
      ["jpg", 900, 810, 900],
      ["", 100, 90, 0],
      ["php", 100, 10, 0],
      ["mix", 50, 50, 0],
      ["other", 50, 50, 0],
    ],
  );
});
