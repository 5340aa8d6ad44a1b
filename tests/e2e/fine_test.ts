/** As fine as one file: ls, cat, and restore of paths and globs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { BINARY, Place, sh } from "./support.ts";

/** A stack's directory with a bit of everything, backed up as backup 1. */
async function prepared(place: Place, ...options: string[]): Promise<string> {
  const dir = place.tree("shop", { "conf/a.txt": "alpha", "data/uploads/deep/c.jpg": "c" });
  await sh(
    `cd data; echo b > uploads/b.png; echo h > uploads/.hidden.jpg; ln uploads/b.png linked
     ln -s uploads/b.png soft; echo n > "$(printf 'caf\\xe9')"; echo e > "$(printf 'esc\\033[31m')"
     echo 1 > 'f[1].txt'; echo one > f1.txt; mkdir empty; mkfifo pipe
     head -c 20000000 /dev/urandom > big; truncate -s 30000000 sparse; echo end >> sparse
     head -c 9000000 /dev/zero > zeros; chmod 750 uploads; touch -d 2020-02-02T02:02:02 uploads/deep uploads`,
    dir,
  );
  await place.ok(["backup", "create", ...options], { cwd: dir });
  return dir;
}

function lines(text: string): string[] {
  return text.trimEnd().split("\n");
}

/** Where backup 1 lies. */
async function archiveOf(place: Place, id = "1"): Promise<string> {
  return (await place.ok(["backup", "show", id, "--json"])).json.backup.backup_path;
}

const DATA = [
  "big",
  "caf\\xe9",
  "empty/",
  "esc\\x1b[31m",
  "f1.txt",
  "f[1].txt",
  "linked",
  "pipe",
  "soft",
  "sparse",
  "uploads/",
  "zeros",
];

Deno.test("ls shows a level, all of it, one entry; names cannot drive a terminal", async () => {
  await using place = new Place();
  await prepared(place, "--source", "conf", "--source", "data");
  const ls = async (...args: string[]) => lines((await place.ok(["ls", "1", ...args])).stdout);
  assert.deepEqual(await ls(), ["conf/", "data/"]);
  assert.deepEqual((await ls("data")).sort(), DATA.toSorted());
  assert.deepEqual(await ls("./data/uploads/"), [".hidden.jpg", "b.png", "deep/"]);
  assert.deepEqual(await ls("data/empty"), [""]);
  assert.deepEqual(await ls("conf/a.txt"), ["a.txt"]);
  const all = await ls("-R");
  assert.ok(all.includes("data/uploads/deep/c.jpg") && all.includes("conf/"));
  assert.deepEqual(await ls("data/uploads", "-R"), [
    "data/uploads/.hidden.jpg",
    "data/uploads/b.png",
    "data/uploads/deep/",
    "data/uploads/deep/c.jpg",
  ]);
  const long = await ls("data", "-l");
  assert.match(
    long.find((line) => line.endsWith("uploads/"))!,
    /^drwxr-x--- {2}0:0 +0 {2}2020-02-02 /,
  );
  assert.match(
    long.find((line) => line.includes(" big"))!,
    /^-rw-r--r-- {2}0:0 +20000000 {2}.* big$/,
  );
  assert.ok(long.some((line) => line.startsWith("l") && line.endsWith("soft -> uploads/b.png")));
  // Of two names of one file the archive has the content with the first.
  assert.ok((await ls("data/uploads", "-l"))[1].endsWith("b.png link to data/linked"));

  const missing = await place.run(["ls", "1", "data/nope", "--json"]);
  assert.equal(missing.code, 10);
  assert.equal(missing.json.error.code, "NO_SUCH_PATH");
  assert.equal((await place.run(["ls", "7"])).code, 10);
  assert.equal((await place.run(["ls", "1", "../x"])).code, 2);
});

Deno.test("ls --json is one document with the manifest's columns", async () => {
  await using place = new Place();
  const dir = await prepared(place, "--source", "data");
  const { json } = await place.ok(["ls", "1", "data", "-l", "--json"]);
  assert.equal(json.success, true);
  assert.equal(json.backup_id, 1);
  assert.equal(json.path, "data");
  const big = json.entries.find((row: { path: string }) => row.path === "data/big");
  const stat = Deno.statSync(join(dir, "data/big"));
  assert.deepEqual(
    { ...big, block_offset: 0, block_inner: 0 },
    {
      ...{ path: "data/big", path_raw: null, type: "file", size: 20_000_000, mode: 0o644 },
      ...{ uid: 0, gid: 0, mtime_s: Math.floor(stat.mtime!.getTime() / 1000) },
      mtime_ns: big.mtime_ns,
      ...{ link: null, link_raw: null, block_offset: 0, block_inner: 0 },
      sha256: (await sh("sha256sum data/big", dir)).slice(0, 64),
    },
  );
  const odd = json.entries.find((row: { path_raw: string | null }) => row.path_raw !== null);
  assert.deepEqual([odd.path, odd.path_raw], ["data/caf\\xe9", "646174612f636166e9"]);
  assert.deepEqual((await place.ok(["ls", "1", "data/empty", "--json"])).json.entries, []);
});

for (const compression of ["gzip", "zstd", "none"]) {
  Deno.test(`cat gives a file's bytes out of a ${compression} archive`, async () => {
    await using place = new Place();
    const dir = await prepared(place, "--source", "data", "--compression", compression);
    const names = ["big", "sparse", "zeros", "uploads/b.png", "linked", "f[1].txt", "f1.txt"];
    for (const name of names) {
      const child = place.start(["cat", "1", `data/${name}`]);
      const { code, stdout } = await child.output();
      assert.equal(code, 0, name);
      const content = Deno.readFileSync(join(dir, "data", name));
      assert.equal(stdout.length, content.length, name);
      assert.ok(stdout.every((byte, at) => byte === content[at]), name);
    }
    assert.equal((await place.ok(["cat", "1", "data/caf\\xe9"])).stdout, "n\n");
  });
}

Deno.test("cat refuses what is no file, and says what is not there", async () => {
  await using place = new Place();
  await prepared(place, "--source", "data");
  const cases: [string, number, RegExp][] = [
    ["data", 1, /it is a directory/],
    ["data/uploads/", 1, /it is a directory/],
    ["data/soft", 1, /it is a symlink to "uploads\/b.png"/],
    ["data/pipe", 1, /it is a fifo/],
    ["data/nope", 10, /no such path/],
    ["data/../x", 2, /no "\.\."/],
  ];
  for (const [path, code, message] of cases) {
    const found = await place.run(["cat", "1", path]);
    assert.equal(found.code, code, path);
    assert.equal(found.stdout, "");
    assert.match(found.stderr, message);
  }
  assert.equal((await place.run(["cat", "1", "data/f1.txt", "--json"])).json.error.code, "USAGE");
  assert.equal((await place.run(["cat", "9", "data/f1.txt"])).code, 10);
});

Deno.test("cat ends with 12 where the content is not what was backed up, and needs no other block", async () => {
  await using place = new Place();
  await prepared(place, "--source", "data", "--compression", "none");
  const archive = await archiveOf(place);
  const rows = (await place.ok(["ls", "1", "-R", "--json"])).json.entries;
  const at = (path: string) => {
    const row = rows.find((row: { path: string }) => row.path === path);
    return row.block_offset + row.block_inner;
  };
  const file = Deno.openSync(archive, { write: true });
  file.seekSync(at("data/big") + 10_000_000, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode("not what was there"));
  file.close();
  const bad = await place.run(["cat", "1", "data/big"]);
  assert.equal(bad.code, 12);
  assert.match(bad.stderr, /SHA-256/);
  assert.equal((await place.ok(["cat", "1", "data/f1.txt"])).stdout, "one\n");
});

Deno.test("cat ends quietly when its reader goes away, and at once on SIGTERM when it stalls", async () => {
  await using place = new Place();
  await prepared(place, "--source", "data");
  const child = place.start(["cat", "1", "data/big"]);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const stderr = await new Response(child.stderr).text();
  assert.equal((await child.status).code, 0);
  assert.equal(stderr, "");

  const stalled = place.start(["cat", "1", "data/big"]);
  const stuck = stalled.stdout.getReader();
  await stuck.read();
  await new Promise((resolve) => setTimeout(resolve, 500));
  stalled.kill("SIGTERM");
  assert.equal((await stalled.status).code, 130);
  await stuck.cancel();
  await stalled.stderr.cancel();

  const full = `DUCKBACK_HOME=${place.home} timeout 20 ${BINARY} cat 1 data/big > /dev/full`;
  if (!Deno.env.get("DUCKBACK_E2E_SOURCE")) {
    assert.equal(await sh(`${full} 2>/dev/null || echo $?`), "1\n");
  }
});

Deno.test("ls and cat do without a manifest, and read archives of tar's", async () => {
  await using place = new Place();
  await prepared(place, "--source", "conf", "--source", "data");
  const whole = (await place.ok(["ls", "1", "-R"])).stdout;
  const manifest = (await archiveOf(place)).replace(/\.tar\.\w+$/, ".manifest.parquet");
  Deno.writeTextFileSync(manifest, "no Parquet");
  const again = await place.ok(["ls", "1", "-R"]);
  assert.equal(again.stdout, whole);
  assert.match(again.stderr, /manifest .* cannot be read/);
  Deno.removeSync(manifest);
  assert.deepEqual(lines((await place.ok(["ls", "1"])).stdout), ["conf/", "data/"]);
  assert.equal((await place.ok(["cat", "1", "data/uploads/b.png"])).stdout, "b\n");
  assert.equal((await place.run(["cat", "1", "data"])).code, 1);
  assert.equal((await place.run(["ls", "1", "nope"])).code, 10);

  await sh(
    `tar czf x.tgz -C shop data/f1.txt data/uploads; echo two > shop/data/f1.txt
    gunzip -c x.tgz > x.tar; tar rf x.tar -C shop data/f1.txt`,
    place.dir,
  );
  for (const [name, content] of [["x.tgz", "one\n"], ["x.tar", "two\n"]]) {
    const path = place.path(name);
    assert.deepEqual(lines((await place.ok(["ls", path])).stdout), ["data/"]);
    assert.equal((await place.ok(["cat", path, "data/f1.txt"])).stdout, content);
  }
});
