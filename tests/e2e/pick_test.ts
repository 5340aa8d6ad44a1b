/** restore of paths and globs: what is picked comes out as it was, and nothing else is touched. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack } from "../fixtures/docker.ts";
import { assertSameTree } from "../fixtures/tree.ts";
import { fingerprint, names, Place, sh } from "./support.ts";

/** A stack's directory, backed up as backup 1. */
async function prepared(place: Place, ...options: string[]): Promise<string> {
  const dir = place.tree("shop", { "conf/a.txt": "alpha", "conf/.env": "SECRET=1" });
  await sh(
    `mkdir -p data/uploads/deep data/empty; cd data; echo c > uploads/deep/c.jpg; echo b > uploads/b.png
     echo h > uploads/.h.jpg; ln uploads/b.png zlink; ln -s uploads/b.png soft; echo 1 > 'f[1].txt'
     echo one > f1.txt; head -c 3000000 /dev/urandom > big; truncate -s 8000000 sparse; echo end >> sparse
     chmod 750 uploads; chmod 2770 uploads/deep; chown 1234:5678 uploads/deep uploads/deep/c.jpg
     chown 1234:1234 f1.txt; chmod 4755 f1.txt; setfattr -n user.note -v hi uploads
     touch -d 2020-02-02T02:02:02.123456789 uploads/deep uploads`,
    dir,
  );
  const sources = ["--source", "conf", "--source", "data"];
  await place.ok(["backup", "create", ...sources, ...options], { cwd: dir });
  return dir;
}

async function archiveOf(place: Place): Promise<string> {
  return (await place.ok(["backup", "show", "1", "--json"])).json.backup.backup_path;
}

/** Paths of all files and directories below a directory, sorted. */
async function found(dir: string): Promise<string[]> {
  return (await sh(`find . -mindepth 1 -printf '%P\\n' | LC_ALL=C sort`, dir)).trim().split("\n");
}

for (const way of ["out of their blocks", "without a manifest"]) {
  Deno.test(`restore takes paths and globs, with the metadata of the directories above: ${way}`, async () => {
    await using place = new Place();
    const dir = await prepared(
      place,
      "--compression",
      way === "without a manifest" ? "zstd" : "gzip",
    );
    if (way === "without a manifest") {
      Deno.removeSync((await archiveOf(place)).replace(/\.tar\.\w+$/, ".manifest.parquet"));
    }
    const out = (name: string) => place.path(`out-${name}`);
    const restore = (name: string, ...args: string[]) =>
      place.ok(["restore", "1", ...args, "--target", out(name), "--json"]);

    await restore("one", "data/uploads/deep/c.jpg");
    assert.deepEqual(await found(out("one")), [
      "data",
      "data/uploads",
      "data/uploads/deep",
      "data/uploads/deep/c.jpg",
    ]);
    const stat = "find data -printf '%P %m %U:%G %T@\\n' | grep -v '^ ' | LC_ALL=C sort";
    const picked = "/^uploads(|.deep|.deep.c.jpg) /";
    const wanted = await sh(`${stat} | awk '${picked}'`, dir);
    assert.equal(await sh(stat, out("one")), wanted);
    assert.equal(
      (await sh(`getfattr --only-values -n user.note data/uploads`, out("one"))).trim(),
      "hi",
    );

    await restore("glob", "**/*.{jpg,png}", "conf");
    assert.deepEqual((await found(out("glob"))).filter((path) => /\./.test(path)), [
      "conf/.env",
      "conf/a.txt",
      "data/uploads/.h.jpg",
      "data/uploads/b.png",
      "data/uploads/deep/c.jpg",
    ]);
    await restore("odd", "data/f[1].txt");
    assert.deepEqual(await found(out("odd")), ["data", "data/f1.txt", "data/f[1].txt"]);

    await restore("all", "data/*", "conf/**");
    await assertSameTree(join(out("all"), "data/uploads"), join(dir, "data/uploads"), (entry) =>
      // The name outside is a further name of b.png.
      entry.path === "b.png");
    await assertSameTree(join(out("all"), "conf"), join(dir, "conf"));

    // A hard link whose content lies with a name that is not picked.
    await restore("link", "data/zlink");
    assert.deepEqual(await found(out("link")), ["data", "data/zlink"]);
    assert.equal(Deno.readTextFileSync(join(out("link"), "data/zlink")), "b\n");

    const missing = await place.run(
      ["restore", "1", "conf", "nope*", "data/no", "--target", out("none"), "--json"],
    );
    assert.equal(missing.code, 10);
    assert.equal(missing.json.error.code, "NO_SUCH_PATH");
    assert.match(missing.json.error.message, /"nope\*", "data\/no"/);
    assert.deepEqual(names(out("none")), []);
  });
}

Deno.test("restore of a few files needs no other block, and proves theirs before it writes", async () => {
  await using place = new Place();
  await prepared(place, "--compression", "none");
  const archive = await archiveOf(place);
  const rows = (await place.ok(["ls", "1", "-R", "--json"])).json.entries;
  const row = rows.find((one: { path: string }) => one.path === "data/big");
  const file = Deno.openSync(archive, { write: true });
  file.seekSync(row.block_offset + row.block_inner + 2_000_000, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode("not what was there"));
  file.close();
  await place.ok(["restore", "1", "data/uploads", "--target", place.path("a")]);
  const bad = await place.run(
    ["restore", "1", "data/uploads", "data/big", "--target", place.path("b"), "--json"],
  );
  assert.equal(bad.code, 12);
  assert.deepEqual(names(place.path("b")), []);
});

Deno.test("restore of a few files flushes these, not all that waits to be written to the disk", async () => {
  await using place = new Place();
  await prepared(place);
  const log = place.path("log");
  await place.ok(["restore", "1", "data/uploads/deep/c.jpg", "--target", place.path("out")], {
    wrap: ["strace", "-f", "-qq", "-e", "trace=openat,fsync,syncfs", "-o", log],
  });
  const calls = Deno.readTextFileSync(log);
  const made = /openat\(\d+, "c\.jpg", [^)]*O_CREAT[^)]*\) = (\d+)/.exec(calls)!;
  const behind = calls.slice(made.index);
  assert.ok(behind.includes(`fsync(${made[1]}) `), "the file");
  const parent = /openat\(\d+, "deep", [^)]*O_DIRECTORY[^)]*\) = (\d+)/.exec(calls)!;
  assert.ok(behind.includes(`fsync(${parent[1]}) `), "the directory with its name");
  assert.ok(!calls.includes("syncfs("));
});

Deno.test("restore --strip-components leaves out names at the start", async () => {
  await using place = new Place();
  await prepared(place);
  const args = ["restore", "1", "data/uploads/**", "data/zlink", "--strip-components", "2"];
  await place.ok([...args, "--target", place.path("out")]);
  assert.deepEqual(await found(place.path("out")), [".h.jpg", "b.png", "deep", "deep/c.jpg"]);
  await place.ok(["restore", "1", "--strip-components", "1", "--target", place.path("all")]);
  assert.ok((await found(place.path("all"))).includes("uploads/deep/c.jpg"));
  const none = await place.run([...args.slice(0, -1), "9", "--target", place.path("n"), "--json"]);
  assert.equal(none.code, 10);
  assert.match(none.json.error.message, /strip-components/);
});

Deno.test("restore --overwrite: never keeps what is there, older keeps what is newer, always keeps nothing", async () => {
  await using place = new Place();
  await prepared(place);
  const fill = (name: string) =>
    sh(
      `mkdir -p ${name}/data/uploads; cd ${name}/data; echo mine > f1.txt; echo old > uploads/b.png
       touch -d 2001-01-01 uploads/b.png; echo newer > big; touch -d 2090-01-01 big; echo else > other
       chmod 700 uploads; touch -d 2015-05-05 uploads`,
      place.dir,
    );
  const paths = ["data/f1.txt", "data/uploads", "data/big", "data/zlink"];
  const cat = (name: string) =>
    sh(`cd ${name}/data; cat f1.txt uploads/b.png zlink other; head -c 5 big`, place.dir);
  const restore = async (name: string, ...args: string[]) => {
    await fill(name);
    return await place.run(
      ["restore", "1", ...paths, "--target", place.path(name), "--json", ...args],
    );
  };
  const refused = await restore("none");
  assert.equal(refused.code, 1);
  assert.equal(refused.json.error.code, "REFUSED");

  const never = await restore("never", "--overwrite", "never");
  assert.equal(never.code, 0, never.stderr);
  assert.equal(never.json.kept, 3);
  // zlink is the archive's b.png, never the one that was there.
  assert.equal(await cat("never"), "mine\nold\nb\nelse\nnewer");
  assert.equal(await sh("stat -c %a never/data/uploads", place.dir), "700\n");
  assert.deepEqual(names(place.path("never/data/uploads")), [".h.jpg", "b.png", "deep"]);

  const older = await restore("older", "--overwrite", "older");
  assert.equal(older.code, 0);
  assert.equal(older.json.kept, 2, "f1.txt and big are newer");
  assert.equal(await cat("older"), "mine\nb\nb\nelse\nnewer");

  const always = await restore("always", "--overwrite", "always");
  assert.equal(always.code, 0);
  assert.match(await cat("always"), /^one\nb\nb\nelse\n/);
  assert.equal(await sh("stat -c '%a' always/data/uploads", place.dir), "750\n");
  assert.equal((await restore("force", "--force")).code, 0);
});

Deno.test("restore --chown and --no-owner: other owners, and never setuid for them", async () => {
  await using place = new Place();
  await prepared(place);
  const paths = ["data/uploads/deep", "data/f1.txt", "data/soft"];
  const restore = (name: string, ...args: string[]) =>
    place.run(["restore", "1", ...paths, "--target", place.path(name), "--json", ...args]);
  const owners = (name: string) =>
    sh(
      "cd data; stat -c '%n %u:%g %a' uploads/deep uploads/deep/c.jpg f1.txt soft",
      place.path(name),
    );
  const chown = await restore("chown", "--chown", "daemon:99");
  assert.equal(chown.code, 3, "the setuid bit is not there");
  assert.match(JSON.stringify(chown.json.warnings), /setuid/);
  assert.equal(
    await owners("chown"),
    "uploads/deep 1:99 770\nuploads/deep/c.jpg 1:99 644\nf1.txt 1:99 755\nsoft 1:99 777\n",
  );
  await restore("user", "--chown", "77");
  assert.match(await owners("user"), /c.jpg 77:5678 644\nf1.txt 77:1234/);
  const kept = await restore("group", "--chown", "1234:1234");
  assert.match(await owners("group"), /f1.txt 1234:1234 4755/);
  assert.equal(kept.code, 3, "deep has lost its setgid bit");
  const none = await restore("none", "--no-owner");
  assert.match(await owners("none"), /deep 0:0 770\nuploads\/deep\/c.jpg 0:0 644\nf1.txt 0:0 755/);
  assert.equal(none.code, 3);
  for (const bad of ["nobody-here", "a:b:c", ":", "4294967295"]) {
    assert.equal((await restore("bad", "--chown", bad)).code, 2, bad);
  }
  assert.equal((await restore("bad", "--chown", "root", "--no-owner")).code, 2);
  assert.deepEqual(names(place.path("bad")), []);
});

Deno.test("restore of paths never leads out of the target, whatever stands there", async () => {
  await using place = new Place();
  await prepared(place);
  place.tree("elsewhere", { "f1.txt": "untouched" });
  await sh("mkdir out; ln -s ../elsewhere out/data", place.dir);
  const before = await fingerprint(place.path("elsewhere"));
  const args = ["restore", "1", "data/f1.txt", "--target", place.path("out"), "--json"];
  for (const how of ["never", "older", "always"]) {
    const refused = await place.run([...args, "--overwrite", how]);
    assert.equal(refused.json.error.code, "RESTORE_FAILED", how);
  }
  assert.equal(await fingerprint(place.path("elsewhere")), before);
});

Deno.test("restore of more than can be taken one by one reads the archive through", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh(
    `mkdir -p many/a other; cd many/a; seq 21000 | split -l 1 -a 4 - f; echo x > ../../other/x`,
    dir,
  );
  await place.ok(["backup", "create"], { cwd: dir });
  const done = await place.ok([
    "restore",
    "1",
    "many/**/f*",
    "--target",
    place.path("out"),
    "--json",
  ]);
  assert.equal(done.json.files, 21_000);
  assert.deepEqual(names(place.path("out")), ["many"]);
  await sh(`diff -r ${place.path("out/many")} many`, dir);
});

Deno.test("restore --in-place puts a path back where it came from, and rollback --undo takes it back", async () => {
  await using place = new Place();
  const dir = await prepared(place);
  const before = await fingerprint(dir);
  await sh(
    `echo changed > conf/a.txt; rm -r data/uploads; mkdir data/uploads; echo later > data/uploads/later
     echo mine > data/f1.txt`,
    dir,
  );
  const changed = await fingerprint(dir);
  const inPlace = (path: string, ...more: string[]) =>
    place.run(["restore", "1", path, "--in-place", "--json", ...more], { cwd: dir });
  const undo = () => place.ok(["rollback", "--undo", "--force"], { cwd: dir });

  const one = await inPlace("data/f1.txt");
  assert.equal(one.code, 0, one.stderr);
  assert.equal(one.json.live, join(dir, "data/f1.txt"));
  assert.equal(await sh("stat -c '%u %a' data/f1.txt; cat data/f1.txt", dir), "1234 4755\none\n");
  assert.equal(Deno.readTextFileSync(join(dir, "conf/a.txt")), "changed\n");
  await undo();
  assert.equal(Deno.readTextFileSync(join(dir, "data/f1.txt")), "mine\n");

  assert.equal((await inPlace("data/uploads")).code, 0);
  assert.deepEqual(names(join(dir, "data/uploads")).filter((name) => name !== ".duckback-undo"), [
    ".h.jpg",
    "b.png",
    "deep",
  ]);
  await undo();
  assert.deepEqual(names(join(dir, "data/uploads")), ["later"]);
  const same = (text: string) => text.split("\n").filter((line) => !/^(data|conf|) d /.test(line));
  assert.deepEqual(same(await fingerprint(dir)), same(changed));

  await inPlace("conf");
  await inPlace("data");
  assert.deepEqual(same(await fingerprint(dir)), same(before));
  assert.equal((await inPlace("data/nope")).code, 10);
  assert.equal((await inPlace("data/*")).code, 10, "a path, never a glob");
  assert.equal((await inPlace("data", "--target", place.path("x"))).code, 2);
  const none = await place.run(["restore", "1", "--in-place", "--json"], { cwd: dir });
  assert.equal(none.code, 2);
});

Deno.test("kill -9 at any rename of restore --in-place: the next run has the old or the new, whole", async () => {
  const trace = ["-qq", "-f", "-o", "/dev/null", "-e", "trace=renameat,renameat2"];
  const seen = new Set<string>();
  for (let at = 1;; at += 2) {
    await using place = new Place();
    const dir = place.tree("shop", { "conf/a": "old", "conf/d/b": "old", "x": "x" });
    await place.ok(["backup", "create", "--compression", "none", "--no-verify"], { cwd: dir });
    await sh("echo new > conf/a; rm -r conf/d; echo new > conf/c", dir);
    const before = await sh("cd conf; find . -type f | sort | xargs tail -n 1", dir);
    const run = await place.run(["restore", "1", "conf", "--in-place"], {
      cwd: dir,
      wrap: ["strace", ...trace, "-e", `inject=renameat,renameat2:signal=KILL:when=${at}`],
    });
    await place.ok(["recover"], { cwd: dir });
    const after = await sh("cd conf; find . -type f | sort | xargs tail -n 1", dir);
    const state = after === before ? "before" : after.includes("new") ? "mixed" : "restored";
    assert.notEqual(state, "mixed", `killed at rename ${at}`);
    assert.deepEqual(names(join(place.home, "journal")), []);
    assert.equal(Deno.readTextFileSync(join(dir, "x")), "x");
    seen.add(state);
    // What is kept leads back; where nothing was replaced there is nothing to undo.
    const undo = await place.run(["rollback", "--undo", "--force"], { cwd: dir });
    assert.equal(undo.code === 0, state === "restored", undo.stderr);
    if (run.code === 0) break;
  }
  assert.deepEqual([...seen], ["before", "restored"]);
});

Deno.test("restore --in-place leaves services alone; with --stop exactly what ran is stopped and started", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const file = join(stack.dir, "app-data/wanted");
  Deno.writeTextFileSync(file, "as it was");
  await place.ok(["backup", "create", "--no-verify"], { cwd: stack.dir });
  const before = await stack.states();
  const started = async () => (await stack.container("app")).started_at;
  const first = await started();
  const inPlace = async (...more: string[]) => {
    Deno.writeTextFileSync(file, "lost");
    const args = ["restore", "1", "app-data/wanted", "--in-place", "--json", ...more];
    const { json } = await place.ok(args, { cwd: stack.dir });
    assert.equal(Deno.readTextFileSync(file), "as it was");
    assert.deepEqual(await stack.states(), before);
    return json;
  };
  assert.equal((await inPlace()).downtime_ms, null);
  assert.equal(await started(), first);
  assert.ok((await inPlace("--stop")).downtime_ms > 0);
  assert.notEqual(await started(), first);
});

Deno.test("restore of paths reads archives of tar's through: the last entry of a path counts, also with --overwrite", async () => {
  await using place = new Place();
  await prepared(place);
  await sh(
    `tar cf x.tar -C shop data conf; echo second > shop/data/f1.txt; tar rf x.tar -C shop data/f1.txt
     zstd -q x.tar; mkdir some; mkdir some/data; echo mine > some/data/big`,
    place.dir,
  );
  const restore = (...args: string[]) =>
    place.run(["restore", place.path("x.tar.zst"), ...args, "--json"]);
  const picked = await restore("data/f*.txt", "**/deep", "--target", place.path("out"));
  assert.equal(picked.code, 0, picked.stderr);
  assert.deepEqual(await found(place.path("out")), [
    "data",
    "data/f1.txt",
    "data/f[1].txt",
    "data/uploads",
    "data/uploads/deep",
    "data/uploads/deep/c.jpg",
  ]);
  assert.equal(Deno.readTextFileSync(place.path("out/data/f1.txt")), "second\n");
  assert.equal(await sh("stat -c %a out/data/uploads", place.dir), "750\n");
  const never = await restore("--overwrite", "never", "--target", place.path("some"));
  assert.equal(never.code, 0, never.stderr);
  assert.equal(never.json.kept, 1);
  assert.equal(Deno.readTextFileSync(place.path("some/data/big")), "mine\n");
  assert.equal(Deno.readTextFileSync(place.path("some/data/f1.txt")), "second\n");
  assert.equal((await restore("data/nope", "--target", place.path("n"))).code, 10);
});
