/** The archive engine as a user meets it: failing disks, devices, refused owners, hostile names. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { assertSameEntries, describeTree, makeRichTree } from "../fixtures/tree.ts";
import { rawArchive } from "../fixtures/raw_tar.ts";
import { names, Place, sh } from "./support.ts";

/** Runs duckback so that system calls on one file fail from the `when`-th on. */
function failing(path: string, call: string, error: string, when: string): string[] {
  const inject = `inject=${call}:error=${error}:when=${when}`;
  return [
    "strace",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-P",
    path,
    "-e",
    `trace=${call}`,
    "-e",
    inject,
  ];
}

Deno.test("case 13: an error at fsync, close or the last write alone fails the backup", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha", "data/one": "1".repeat(5000) });
  await place.ok(["backup", "create"], { cwd: dir });
  const kept = names(join(place.home, "backups"));
  const output = place.path("out.tar.gz");
  const tries: [string, string, string][] = [
    ["fsync", "EIO", "1"],
    ["fsync", "ENOSPC", "1"],
    ["close", "EIO", "1"],
    ["close", "EDQUOT", "1"],
    ["write", "ENOSPC", "2+"], // the block of the last entry, which the compressor's flush gives
    ["write", "EIO", "1+"],
  ];
  for (const [call, error, when] of tries) {
    const wrap = failing(`${output}.partial`, call, error, when);
    const args = ["backup", "create", "--output", output, "--json"];
    const result = await place.run(args, { cwd: dir, wrap });
    const what = `${call} ${error}: ${result.stdout}${result.stderr}`;
    assert.equal(result.code, 1, what);
    assert.equal(result.json.success, false, what);
    const full = error === "EIO" ? "IO" : "DISK_FULL";
    assert.equal(result.json.error.code, full, what);
    assert.deepEqual(names(place.dir), ["home", "shop"], what);
  }
  const { backups } = (await place.ok(["backup", "list", "--json"])).json;
  const statuses = backups.map((backup: { status: string }) => backup.status);
  assert.deepEqual(statuses, [...tries.map(() => "failed"), "completed"]);
  assert.deepEqual(names(join(place.home, "backups")), kept);
  assert.equal((await place.ok(["backup", "verify", "1", "--json"])).json.results[0].ok, true);
});

Deno.test("case 14: a file the disk cannot read is named, the backup is partial, exit code 3", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  // A file system in a file that is cut behind its back: what lies beyond is EIO.
  await sh(
    `truncate -s 64M disk; mkfs.ext4 -q -O ^has_journal disk; mount -o loop disk shop; rm -rf shop/lost+found
     echo good > shop/a-good; head -c 40000000 /dev/urandom > shop/bad; echo good > shop/good; sync
     umount shop; mount -o loop disk shop; truncate -s 30M disk; echo 3 > /proc/sys/vm/drop_caches`,
    place.dir,
  );
  try {
    const result = await place.run(["backup", "create", "--json"], { cwd: dir });
    assert.equal(result.code, 3, result.stderr);
    const { status, warnings, verify_status } = result.json.backup;
    assert.deepEqual([status, verify_status], ["partial", "passed"]);
    const found = warnings.map((w: { code: string; path: string }) => `${w.code} ${w.path}`);
    assert.deepEqual(found, ["UNREADABLE bad"]);
    const text = await place.run(["backup", "show", "1"]);
    assert.match(text.stdout, /bad: cannot be read beyond byte \d+: input\/output error \(EIO\)/);
  } finally {
    await sh("umount shop", place.dir);
  }
});

Deno.test("case 17: rollback brings back a tree of every type, its top and devices included", async () => {
  await using place = new Place();
  const dir = place.path("shop");
  await makeRichTree(dir);
  await sh("chown 77:88 .; chmod 2771 .; setfacl -d -m u:1:rwx .; touch -d @1234567890.5 .", dir);
  const before = await describeTree(dir);
  const made = await place.ok(["backup", "create", "--json"], { cwd: dir });
  assert.equal(made.json.backup.status, "completed");
  await sh("rm -rf xattrs sparse special; chmod 700 .; setfacl -b .; echo other > size-1", dir);
  const back = await place.run(["rollback", "1", "--force", "--json"], { cwd: dir });
  assert.equal(back.code, 0, back.stdout + back.stderr);
  const own = ({ path }: { path: string }) => !path.startsWith(".duckback");
  assertSameEntries((await describeTree(dir)).filter(own), before);
});

Deno.test("restore makes devices only with --allow-devices, and says what it left out", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha" });
  await sh("mknod null c 1 3; mknod disk b 7 9", dir);
  await place.ok(["backup", "create"], { cwd: dir });
  const without = await place.run(["restore", "1", "--target", place.path("out1")]);
  assert.equal(without.code, 3, without.stderr);
  assert.match(without.stdout, /the device node 2 entries, .* device nodes were not asked for/);
  assert.deepEqual(names(place.path("out1")), ["a.txt"]);
  await place.ok(["restore", "1", "--target", place.path("out2"), "--allow-devices"]);
  assertSameEntries(await describeTree(place.path("out2")), await describeTree(dir));
});

Deno.test("case 32: an ordinary user gets the content, a count of what is missing, exit code 3", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "alpha", "b": "beta", "c": "gamma" });
  await sh(
    `chown 0:0 a; chown 1:1 b c; setfattr -n trusted.x -v y a; setfattr -n user.u -v v b
     setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 c`,
    dir,
  );
  const archive = place.path("x.tar.gz");
  await place.ok(["backup", "create", "--output", archive], { cwd: dir });
  await sh(`chmod 755 .; chmod 644 ${archive}; mkdir -m 777 free`, place.dir);
  const target = place.path("free/out");
  const result = await place.run(["restore", archive, "--target", target, "--json"], {
    wrap: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    env: { DUCKBACK_HOME: place.path("free/home"), HOME: place.path("free") },
  });
  assert.equal(result.code, 3, result.stdout + result.stderr);
  const lines = result.json.warnings.map((w: { path: string; message: string }) =>
    `${w.path}: ${w.message}`
  ).sort();
  assert.equal(lines.length, 3, lines.join("\n"));
  assert.match(
    lines[0],
    /^a: the attribute trusted\.\* of this entry could not be restored: .*EPERM/,
  );
  assert.match(
    lines[1],
    /^a: the owner of 4 entries, .* only root may set owners|^\.: the owner of/,
  );
  assert.match(lines[2], /^c: the capabilities of this entry could not be restored/);
  assert.equal((await sh(`getfattr --only-values -n user.u b`, target)).trim(), "v");
  assert.equal(Deno.readTextFileSync(join(target, "c")), "gamma");
});

Deno.test("case 41: names with escape sequences never reach the terminal", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a.txt": "alpha" });
  const evil = "evil\x1b[2J\x1b]0;owned\x07\u009b31m\n\r\u202Etxt";
  await sh(
    `python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$EVIL"`
      .replace("$EVIL", evil),
    dir,
  );
  // deno-lint-ignore no-control-regex
  const unsafe = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
  const check = (what: string, text: string) => assert.doesNotMatch(text, unsafe, what);
  const made = await place.ok(["backup", "create"], { cwd: dir });
  check("create", made.stdout + made.stderr);
  const shown = await place.ok(["backup", "show", "1"]);
  check("show", shown.stdout + shown.stderr);
  assert.match(shown.stdout, /evil\\x1b\[2J.*is a socket/);
  check("json", (await place.ok(["backup", "show", "1", "--json"])).stdout);
  for (const name of [`../${evil}`, `x/${evil}//y`]) {
    Deno.writeFileSync(place.path("hostile.tar"), rawArchive([{ name, content: "x" }]));
    for (const json of [[], ["--json"]]) {
      const args = ["restore", place.path("hostile.tar"), "--target", place.path("out"), ...json];
      const result = await place.run(args);
      assert.equal(result.code, 12);
      check("restore", result.stdout + result.stderr);
      if (json.length > 0) {
        assert.match(result.json.error.message, /entry ".*evil\\x1b\[2J.*offset/);
      }
    }
  }
  assert.equal(names(place.dir).includes("evil"), false);
});

Deno.test("--one-file-system and --exclude-caches leave out what they say", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {
    "a.txt": "alpha",
    "cache/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",
    "cache/big": "x".repeat(1000),
    "mnt": null,
  });
  await sh("mount -t tmpfs none mnt; echo x > mnt/inside", dir);
  try {
    await place.ok(["backup", "create", "--one-file-system", "--exclude-caches"], { cwd: dir });
    await place.ok(["restore", "1", "--target", place.path("out")]);
    assert.equal(
      await sh("find . -mindepth 1 | sort", place.path("out")),
      "./a.txt\n./cache\n./cache/CACHEDIR.TAG\n./mnt\n",
    );
  } finally {
    await sh("umount mnt", dir);
  }
});
