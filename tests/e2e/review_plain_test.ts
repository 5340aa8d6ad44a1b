/** What a hostile look at the binary found, without Docker: nothing of anybody's is overwritten or lost. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { BINARY, fingerprint, names, Place, sh } from "./support.ts";

Deno.test("--output never touches what is there, nor does deleting the row that failed", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a" });
  const out = place.tree("out", { "cfg.json": '{"somebody":"else"}' });
  const create = (name: string) =>
    place.run(["backup", "create", "--json", "--output", join(out, name)], { cwd: dir });
  assert.equal((await create("x.tar.gz")).code, 0);
  const before = await fingerprint(out);
  for (const name of ["x.tar.gz", "x.tar.zst", "x.tar", "cfg.tar.gz", "cfg"]) {
    const refused = await create(name);
    assert.equal(refused.code, 1, name);
    assert.equal(refused.json.error.code, "REFUSED", name);
  }
  assert.equal(await fingerprint(out), before);
  const rows = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(rows.length, 1, "a name that is taken is refused before there is a row");

  // A row whose run failed never owns the file that bears its path now.
  const failed = await place.run(
    ["backup", "create", "--source", "nope", "--output", join(out, "late.tar.gz"), "--json"],
    { cwd: dir },
  );
  assert.equal(failed.code, 1);
  Deno.writeTextFileSync(join(out, "late.tar.gz"), "not duckback's");
  await place.ok(["backup", "delete", "--id", "2", "--force"]);
  assert.equal(Deno.readTextFileSync(join(out, "late.tar.gz")), "not duckback's");
});

Deno.test("an archive inside its own source does not hold itself", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a" });
  await place.ok(["backup", "create", "--output", "./own.tar.gz"], { cwd: dir });
  const held = await sh("tar tzf own.tar.gz", dir);
  assert.deepEqual(held.trim().split("\n").sort(), [
    "./",
    ".duckback/backup.json",
    ".duckback/result.json",
    "a",
  ]);
});

Deno.test("runs of the same second never share a name, whether or not they leave a file", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a" });
  for (let n = 0; n < 4; n++) {
    const failed = await place.run(["backup", "create", "--source", "nope", "--json"], {
      cwd: dir,
    });
    assert.equal(failed.json.error.code, "SOURCE_MISSING");
  }
  for (const name of ["1", "2", "3"]) {
    await place.ok(["backup", "create", "--output", place.path(`${name}.tar.gz`)], { cwd: dir });
  }
});

Deno.test("a stack's name that is mistyped, and a directory that is gone, are no other stack", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a" });
  const elsewhere = place.tree("elsewhere", { b: "b" });
  await place.ok(["backup", "create"], { cwd: dir });
  const typo = await place.run(["backup", "create", "--stack", "shpo", "--json"], {
    cwd: elsewhere,
  });
  assert.equal(typo.code, 10);
  assert.equal(typo.json.error.code, "NO_SUCH_STACK");
  assert.match(typo.json.error.hint, /shop/);
  await place.ok(["backup", "create", "--stack", "elsewhere"], { cwd: elsewhere });

  Deno.renameSync(dir, place.path("moved"));
  const lost = await place.run(["rollback", "1", "--force", "--json"], { cwd: elsewhere });
  assert.equal(lost.code, 10);
  assert.match(lost.json.error.hint, /--work-dir/);
  assert.deepEqual(names(elsewhere), ["b"]);
  Deno.writeTextFileSync(place.path("moved/a"), "changed");
  await place.ok(["rollback", "1", "--force", "--work-dir", place.path("moved")]);
  assert.equal(Deno.readTextFileSync(place.path("moved/a")), "a");
  const undo = await place.ok(["rollback", "--undo", "--force"], { cwd: place.path("moved") });
  assert.match(undo.stdout, /undone/);
  assert.equal(Deno.readTextFileSync(place.path("moved/a")), "changed");
});

Deno.test("--work-dir is heeded beside --stack: the stack was moved", async () => {
  await using place = new Place();
  const dir = place.tree("old", {
    "docker-compose.yml": "name: shop\nservices: {a: {image: none}}\n",
    a: "a",
  });
  await place.ok(["init"], { cwd: dir });
  Deno.renameSync(dir, place.path("new"));
  const args = ["status", "--stack", "shop", "--json"];
  assert.equal((await place.run(args)).code, 10);
  const found = await place.ok([...args, "--work-dir", place.path("new")]);
  assert.equal(found.json.stack.work_dir, place.path("new"));
});

Deno.test("an empty DUCKBACK_HOME or --home makes no catalogue where one happens to stand", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a" });
  const env = { DUCKBACK_HOME: "", XDG_DATA_HOME: place.path("xdg"), HOME: place.path("h") };
  const wrap = ["setpriv", "--reuid=1000", "--clear-groups"];
  await sh(`chmod 755 ${place.dir}; mkdir -m 777 ${place.path("xdg")}; chmod 777 ${dir}`);
  for (const args of [["backup", "list"], ["--home", "", "backup", "list"]]) {
    await place.ok(args, { cwd: dir, env, wrap });
    assert.deepEqual(names(dir), ["a"]);
  }
  assert.ok(names(place.path("xdg/duckback")).includes("catalog.duckdb"));
});

Deno.test("output that cannot be written is an error, not a process that hangs", async () => {
  await using place = new Place();
  for (const args of ["backup list", "backup list --json", "config list", "nonsense --json"]) {
    const line =
      `DUCKBACK_HOME=${place.home} timeout 20 ${BINARY} ${args} >/dev/full 2>&1 || echo $?`;
    const code = Number(await sh(line));
    assert.ok(code === 1 || code === 2, `${args}: ${code}`);
  }
  const cut = `DUCKBACK_HOME=${place.home} timeout 20 ${BINARY} config list | head -1`;
  assert.match(await sh(cut), /^KEY/);
});

Deno.test("rollback --undo takes what was edited since for the rollback's, and loses nothing", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "conf/a": "1", "one": "1" });
  const source = ["--source", "conf", "--source", "one"];
  await place.ok(["backup", "create", ...source], { cwd: dir });
  const write = (text: string) => {
    Deno.writeTextFileSync(join(dir, "conf/a"), text);
    Deno.writeTextFileSync(join(dir, "one"), text);
  };
  const read = () =>
    [join(dir, "conf/a"), join(dir, "one")].map((path) => Deno.readTextFileSync(path));
  const undo = (...args: string[]) => place.run(["rollback", "--undo", ...args], { cwd: dir });
  write("2");
  await place.ok(["rollback", "1", "--force"], { cwd: dir });
  // As editors do it: another file takes the name, so the inode is another one too.
  await sh(
    "cp -r conf c; rm -r conf; mv c conf; cp one o; mv o one; echo -n edited > conf/a",
    dir,
  );
  assert.equal((await undo("--force")).code, 0);
  assert.deepEqual(read(), ["2", "2"]);
  assert.equal((await undo("--force")).code, 0);
  assert.deepEqual(read(), ["edited", "1"]);
  assert.equal((await undo("--force")).code, 0);
  assert.deepEqual(read(), ["2", "2"]);
  await Deno.remove(join(dir, ".duckback-undo"), { recursive: true });
  const gone = await undo("--force", "--json");
  assert.equal(gone.code, 1);
  assert.equal(gone.json.error.code, "REFUSED");
  assert.deepEqual(read(), ["2", "2"]);
});

Deno.test("a file system mounted inside a target is not carried away by a rollback", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a", "data/inner": null });
  await place.ok(["backup", "create"], { cwd: dir });
  await sh("mount -t tmpfs none data/inner && echo live > data/inner/x", dir);
  try {
    const refused = await place.run(["rollback", "1", "--force", "--json"], { cwd: dir });
    assert.equal(refused.code, 1);
    assert.equal(refused.json.error.code, "REFUSED");
    assert.match(refused.json.error.message, /data\/inner/);
    assert.equal(Deno.readTextFileSync(join(dir, "data/inner/x")), "live\n");
  } finally {
    await sh("umount data/inner", dir);
  }
});

Deno.test("restore FILE reads the archive in full before it writes", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 3000000 /dev/urandom > big; echo a > a", dir);
  await place.ok(["backup", "create", "--output", place.path("x.tar.gz")], { cwd: dir });
  await sh("truncate -s 2000000 x.tar.gz", place.dir);
  const broken = await place.run(
    ["restore", place.path("x.tar.gz"), "--target", place.path("out"), "--json"],
  );
  assert.equal(broken.code, 12);
  assert.deepEqual(names(place.path("out")), []);
});

Deno.test("one archive that cannot be looked at does not keep the others from being listed", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a" });
  place.tree("usb", {});
  await place.ok(["backup", "create", "--output", place.path("usb/x.tar.gz")], { cwd: dir });
  await place.ok(["backup", "create"], { cwd: dir });
  await sh("rm -r usb && echo file > usb", place.dir);
  const rows = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.deepEqual(rows.map((row: { file_exists: boolean }) => row.file_exists), [true, false]);
  assert.equal((await place.run(["backup", "delete", "--id", "2", "--json"])).code, 1);
});

for (const way of ["undo", "redo", "rollback"]) {
  Deno.test(`kill -9 at any rename of a ${way}: the next run makes it whole [case 29]`, async () => {
    for (const at of [4, 6, 9]) {
      await using place = new Place();
      const dir = place.tree("shop", { x: "old", "a/b/y": "old", "c/z": "old" });
      await place.ok(["backup", "create", "--compression", "none", "--no-verify"], { cwd: dir });
      const backup = await fingerprint(dir);
      await sh("echo new > x; rm -r a; mkdir d; echo new > d/w; echo new > c/z", dir);
      const before = await fingerprint(dir);
      const back = () => place.run(["rollback", "--undo", "--force"], { cwd: dir });
      if (way !== "rollback") await place.ok(["rollback", "1", "--force"], { cwd: dir });
      if (way === "redo") await back();
      const args = way === "rollback" ? ["rollback", "1", "--force"] : ["rollback", "--undo"];
      const trace = ["-qq", "-f", "-o", "/dev/null", "-e", "trace=renameat"];
      const killed = await place.run([...args, ...way === "rollback" ? [] : ["--force"]], {
        cwd: dir,
        wrap: ["strace", ...trace, "-e", `inject=renameat:signal=KILL:when=${at}`],
      });
      assert.notEqual(killed.code, 0);
      await place.ok(["recover"], { cwd: dir });
      const after = await fingerprint(dir);
      assert.ok(after === backup || after === before, `mixed, killed at rename ${at}`);
      assert.deepEqual(names(join(place.home, "journal")), []);
      // And what is kept still leads to the other state.
      const { code } = await back();
      if (code === 0) assert.equal(await fingerprint(dir), after === backup ? before : backup);
      else assert.equal(after, before);
    }
  });
}

Deno.test("home and backups deep inside the stack stay, all around them is rolled back [case 18]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "a", "var/app.db": "1", "var/x/y": "1", "var/lib/z": "1" });
  const env = { DUCKBACK_HOME: join(dir, "var/lib/duck/home") };
  const at = { cwd: dir, env };
  await place.ok(["config", "set", "auto_backup_directory", join(dir, "var/store/backups")], at);
  Deno.chmodSync(join(dir, "var/lib"), 0o711);
  await place.ok(["backup", "create"], at);
  const before = await fingerprintOf(dir);
  await sh("echo 2 > var/app.db; rm -r var/x; echo 2 > var/lib/new; chmod 700 var/lib; rm a", dir);
  const damaged = await fingerprintOf(dir);
  await place.ok(["rollback", "1", "--force"], at);
  assert.equal(await fingerprintOf(dir), before);
  await place.ok(["rollback", "--undo", "--force"], at);
  assert.equal(await fingerprintOf(dir), damaged);
  await place.ok(["rollback", "1", "--force"], at);
  assert.equal(await fingerprintOf(dir), before);
  assert.equal(
    (await place.ok(["backup", "verify", "--all", "--json"], at)).json.results.length,
    3,
  );
});

/** Without duckback's own directories, whose times change with every run. */
async function fingerprintOf(dir: string): Promise<string> {
  return (await fingerprint(dir)).split("\n")
    .filter((line) => !/var\/(lib\/duck|store)/.test(line)).join("\n");
}

Deno.test("an interruption while an archive is read back says that the backup stands", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  await sh("head -c 60000000 /dev/urandom > big", dir);
  const child = place.start(["--verbose", "--json", "backup", "create"], { cwd: dir });
  const [seen, rest] = child.stderr.tee();
  const reader = seen.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !text.includes("Verifying");) text += (await reader.read()).value ?? "";
  child.kill("SIGINT");
  const out = JSON.parse(await new Response(child.stdout).text());
  await Promise.all([reader.cancel(), rest.cancel()]);
  assert.equal((await child.status).code, 130);
  assert.match(out.error.message, /backup 1 is complete/);
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.deepEqual([row.status, row.verify_status], ["completed", null]);
  await place.ok(["backup", "verify", "1"]);
});
