/** What a rollback says before it begins, keeps, needs, and what one chooses from; without Docker. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fingerprint, names, Place, sh } from "./support.ts";
import { Terminal } from "./terminal.ts";

/** A backup, and then changes of every kind. */
async function changed(place: Place): Promise<string> {
  const dir = place.tree("shop", {
    "same": "same",
    "edited": "then",
    "lost": "lost!",
    "sub/lost": "1",
    "gone/a": "12345",
    "gone/b": "12345",
  });
  await place.ok(["backup", "create"], { cwd: dir });
  await sh(
    "echo -n longer > edited; rm -r lost sub/lost gone; mkdir new; echo -n 123 > new/x",
    dir,
  );
  await sh("echo -n 12 > sub/more", dir);
  return dir;
}

Deno.test("rollback --dry-run says what would be created, changed and removed, with sizes", async () => {
  await using place = new Place();
  const dir = await changed(place);
  const before = await fingerprint(dir);
  const { json } = await place.ok(["rollback", "1", "--dry-run", "--json"], { cwd: dir });
  const listed = json.changes.list.map((
    { action, path, entries, bytes, bytes_now }: Record<string, string>,
  ) => [action, path.slice(dir.length + 1), entries, bytes, bytes_now]);
  assert.deepEqual(listed.sort(), [
    ["change", "edited", 1, 4, 6],
    ["create", "gone", 3, 10, null],
    ["create", "lost", 1, 5, null],
    ["create", "sub/lost", 1, 1, null],
    ["remove", "new", 2, null, 3],
    ["remove", "sub/more", 1, null, 2],
  ]);
  assert.deepEqual(json.changes.totals, {
    create: { entries: 5, bytes: 16 },
    change: { entries: 1, bytes: 4 },
    remove: { entries: 3, bytes: 5 },
    keep: { entries: 0, bytes: 0 },
    same: { entries: 3, bytes: 4 },
  });
  assert.ok(json.space[0].needed_bytes >= 24 && json.space[0].free_bytes > 0);
  const text = (await place.ok(["rollback", "1", "--dry-run"], { cwd: dir })).stdout;
  assert.match(text, /create +\S+shop\/gone\/ +3 entries, 10 B\n/);
  assert.match(text, /change +\S+shop\/edited +6 B now, 4 B then\n/);
  assert.match(text, /remove +\S+shop\/new\/ +2 entries, 3 B\n/);
  assert.match(
    text,
    /creates 5 entries \(16 B\), changes 1 entry \(4 B\), removes 3 entries \(5 B\)/,
  );
  const kept = (await place.ok(["rollback", "1", "--dry-run", "--merge"], { cwd: dir })).stdout;
  assert.match(kept, /keep +\S+shop\/new\/ +2 entries, 3 B\n/);
  // Without its manifest the archive itself is read.
  await sh("rm backups/*.parquet", place.home);
  const again = await place.ok(["rollback", "1", "--dry-run", "--json"], { cwd: dir });
  assert.deepEqual(again.json.changes.totals, json.changes.totals);
  assert.equal(await fingerprint(dir), before);
  assert.equal((await place.ok(["backup", "list", "--json"])).json.backups.length, 1);
});

/** With xattrs, which `fingerprint` leaves out. */
async function whole(dir: string): Promise<string> {
  const xattrs = "find . -name .duckback-undo -prune -o -print0 | LC_ALL=C sort -z | " +
    "xargs -0 getfattr -h -d -m - 2>/dev/null";
  // Without the directory itself: .duckback-undo comes and goes in it.
  const lines = (await fingerprint(dir)).split("\n").filter((line) => !line.startsWith(" "));
  return lines.join("\n") + await sh(xattrs, dir);
}

Deno.test("rollback --merge keeps what is not in the backup, of every kind; undo and redo are exact", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "data/a": "then", "data/sub/b": "then", "one": "then" });
  await place.ok(["backup", "create", "--source", "data", "--source", "one"], { cwd: dir });
  await sh(
    `echo now > one; cd data
     echo now > a; rm sub/b; mkdir -p sub/new/deep; echo keep > sub/new/deep/x
     ln sub/new/deep/x sub/new/hard; ln -s nowhere sub/link; mkfifo fifo; mknod null c 1 3
     echo keep > setuid; chown 12:34 setuid; chmod 6755 setuid; setfattr -n user.why -v because setuid
     truncate -s 50000000 sparse; echo end >> sparse
     chmod 750 sub/new; touch -d '2001-02-03 04:05:06.789' sub/new/deep/x sub/new
     printf 'keep' > $'caf\\xe9'; python3 -c 'import socket; socket.socket(1).bind("sock")'`,
    dir,
  );
  const before = await whole(dir);
  const kept = (lines: string) =>
    lines.split("\n").filter((line) =>
      /data\/(fifo|null|setuid|sparse|caf|sub\/(new|link))/.test(line)
    );
  await place.ok(["rollback", "1", "--yes", "--merge"], { cwd: dir });
  const after = await whole(dir);
  assert.deepEqual(kept(after), kept(before));
  assert.ok(kept(after).length > 10, after);
  assert.equal(Deno.readTextFileSync(join(dir, "data/a")), "then");
  assert.equal(Deno.readTextFileSync(join(dir, "data/sub/b")), "then");
  assert.equal(Deno.readTextFileSync(join(dir, "one")), "then");
  assert.match(after, /user\.why="because"/);
  assert.equal(Number(await sh("stat -c %b data/sparse", dir)) * 512 < 1_000_000, true);
  const inode = (name: string) => Deno.statSync(join(dir, "data/sub/new", name)).ino;
  assert.equal(inode("hard"), inode("deep/x"));
  // A copy: what is done to it afterwards does not reach what an undo brings back.
  await sh("echo later >> data/sub/new/hard", dir);
  const later = await whole(dir);
  await place.ok(["rollback", "--undo"], { cwd: dir });
  assert.equal(await whole(dir), before);
  await place.ok(["rollback", "--undo"], { cwd: dir });
  assert.equal(await whole(dir), later);
});

Deno.test("without --merge the restored state is the backup, and nothing else", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a/b": "then", "c": "then" });
  await place.ok(["backup", "create"], { cwd: dir });
  const then = await fingerprint(dir);
  await sh("rm c; mkdir c; echo 1 > c/x; echo 2 > a/more; mkdir -p d/e", dir);
  await place.ok(["rollback", "1", "--yes"], { cwd: dir });
  assert.equal(await fingerprint(dir), then);
});

/** Ids of the trees that are kept beside "conf". */
const kept = (dir: string) => names(join(dir, ".duckback-undo"));

/** Rolls back a directory that says `text`. */
async function rollBack(place: Place, dir: string, text: string, ...args: string[]) {
  Deno.writeTextFileSync(join(dir, "conf/a"), text);
  await place.ok(["rollback", "1", "--yes", ...args], { cwd: dir });
}

Deno.test("rollback --keep-old N keeps so many, --undo takes the newest; 0 keeps none", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "conf/a": "then" });
  await place.ok(["backup", "create", "--source", "conf", "--no-verify"], { cwd: dir });
  await rollBack(place, dir, "1");
  const [first] = kept(dir);
  await rollBack(place, dir, "2", "--keep-old", "2");
  const two = kept(dir);
  assert.equal(two.length, 2);
  assert.ok(two.includes(first));
  await rollBack(place, dir, "3", "--keep-old", "2");
  assert.deepEqual([kept(dir).length, kept(dir).includes(first)], [2, false]);
  await place.ok(["rollback", "--undo"], { cwd: dir });
  assert.equal(Deno.readTextFileSync(join(dir, "conf/a")), "3");
  await place.ok(["rollback", "--undo"], { cwd: dir });
  assert.equal(Deno.readTextFileSync(join(dir, "conf/a")), "then");
  assert.equal(kept(dir).length, 2);
  await rollBack(place, dir, "4");
  assert.equal(kept(dir).length, 1);
  const none = await place.ok(["rollback", "1", "--yes", "--keep-old", "0", "--json"], {
    cwd: dir,
  });
  assert.equal(none.json.can_undo, false);
  assert.deepEqual(names(dir), ["conf"]);
  const gone = await place.run(["rollback", "--undo", "--json"], { cwd: dir });
  assert.equal(gone.json.error.code, "NO_SUCH_BACKUP");
});

Deno.test("kill -9 while older trees are removed leaves none that nobody knows of", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "conf/a": "then", "conf/b": "then" });
  await place.ok(["backup", "create", "--source", "conf", "--no-verify"], { cwd: dir });
  await rollBack(place, dir, "1");
  const [first] = kept(dir);
  const trace = ["strace", "-qq", "-f", "-o", "/dev/null", "-e", "trace=unlinkat"];
  const killed = await place.run(["rollback", "1", "--yes"], {
    cwd: dir,
    // The first is a temporary file of the safety backup.
    wrap: [...trace, "-e", "inject=unlinkat:signal=KILL:when=2"],
  });
  assert.notEqual(killed.code, 0);
  assert.ok(kept(dir).includes(first), "killed before the removal");
  await place.ok(["recover"], { cwd: dir });
  assert.equal(kept(dir).length, 1);
  assert.ok(!kept(dir).includes(first));
});

Deno.test("what was replaced is dropped after rollback.keep_old_days, by the next backup", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "conf/a": "then" });
  const create = () => place.ok(["backup", "create", "--source", "conf"], { cwd: dir });
  await create();
  await rollBack(place, dir, "1");
  await rollBack(place, dir, "2", "--keep-old", "3");
  const [old, young] = kept(dir);
  await create();
  assert.deepEqual(kept(dir), [old, young]);
  await age(place, 5, 8);
  await place.ok(["config", "set", "rollback.keep_old_days", "0"]);
  await create();
  assert.deepEqual(kept(dir), [old, young]);
  await place.ok(["config", "unset", "rollback.keep_old_days"]);
  await create();
  assert.deepEqual(kept(dir), [young]);
  await age(place, 8);
  await create();
  assert.deepEqual(names(dir), ["conf"]);
  assert.equal((await place.run(["rollback", "--undo"], { cwd: dir })).code, 10);
});

/** Makes the rollbacks that can be undone so many days old, newest first. */
async function age(place: Place, ...days: number[]) {
  const path = place.path("home/undo/shop.json");
  const record = JSON.parse(await Deno.readTextFile(path));
  for (const [n, one] of [record, ...record.older].entries()) {
    one.at = new Date(Date.now() - days[n] * 86_400_000).toISOString();
  }
  await Deno.writeTextFile(path, JSON.stringify(record));
}

Deno.test("too little space on one of two file systems is told before anything is extracted", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "small/a": "a", "data": null });
  await sh("mount -t tmpfs -o size=12m none data", dir);
  try {
    await sh("head -c 5000000 /dev/urandom > data/big", dir);
    await place.ok(["backup", "create", "--source", "small", "--source", "data"], { cwd: dir });
    await sh("echo now > small/a; head -c 4000000 /dev/urandom > data/more", dir);
    const before = await fingerprint(dir);
    const refused = await place.run(["rollback", "1", "--yes", "--json"], { cwd: dir });
    assert.equal(refused.code, 1);
    const { code, message, space } = refused.json.error;
    assert.equal(code, "DISK_FULL");
    assert.match(message, /4\.8 MiB must fit beside what is there in "\S+\/shop\/data", 3\.\d MiB/);
    const [other, one] = space.sort((a: { path: string }, b: { path: string }) =>
      a.path.length < b.path.length ? 1 : -1
    );
    assert.equal(space.length, 2);
    assert.ok(one.needed_bytes < 20_000_000 && one.needed_bytes < one.free_bytes);
    assert.equal(other.path, join(dir, "data"));
    assert.deepEqual(names(dir), ["data", "small"], "nothing was made");
    assert.deepEqual(names(join(dir, "data")), ["big", "more"]);
    assert.equal(await fingerprint(dir), before);
    assert.equal((await place.run(["rollback", "1", "--dry-run"], { cwd: dir })).code, 1);
    // There is room for the backup, but not for a copy of what is only here.
    await sh("mount -o remount,size=16m data", dir);
    const merge = await place.run(["rollback", "1", "--yes", "--merge", "--json"], { cwd: dir });
    assert.equal(merge.json.error.code, "DISK_FULL");
    assert.equal(await fingerprint(dir), before);
    await place.ok(["rollback", "1", "--yes", "--keep-old", "0"], { cwd: dir });
    assert.deepEqual(names(join(dir, "data")), ["big"]);
  } finally {
    await sh("umount data", dir);
  }
});

Deno.test("the list at a terminal: what each backup is, what changed since, q leaves it", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "1", "b": "1", "c": "1" });
  await place.ok(["backup", "create", "--version", "1.0"], { cwd: dir });
  await sh("echo 22 > a; rm b", dir);
  await place.ok(["backup", "create", "--version", "2.0"], { cwd: dir });
  await place.ok(["backup", "create", "--output", place.path("x.tar.gz")], { cwd: dir });
  Deno.removeSync(place.path("x.tar.gz"));
  await place.run(["backup", "create", "--source", "nope"], { cwd: dir });
  const before = await fingerprint(dir);
  await using terminal = new Terminal(place, ["rollback"], dir);
  await terminal.type(/which backup/, "q");
  assert.equal(await terminal.ended(), 130, terminal.text);
  const { text } = terminal;
  assert.match(text, /ID +AGE +VERSION +SIZE +TYPE +STATUS +CHANGED SINCE/);
  assert.match(text, /1 +just now +1\.0 +\S+ KiB +manual FULL +completed +2 files \(4 B\) until 2/);
  assert.match(text, /❯ +2 +just now +2\.0/, "the first that can be chosen is");
  assert.match(text, /3 +just now .* completed .*\(its archive is missing\)/);
  assert.match(text, /4 +just now .* failed .*\(it failed\)/);
  assert.match(text, /Nothing was changed/);
  assert.equal(await fingerprint(dir), before);
  assert.equal((await place.ok(["backup", "list", "--json"])).json.backups.length, 4);
});

Deno.test("failed and missing archives cannot be chosen; the last step says what will happen", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "1" });
  await place.ok(["backup", "create"], { cwd: dir });
  await sh("echo 22 > a; echo 3 > more", dir);
  await place.run(["backup", "create", "--source", "nope"], { cwd: dir });
  await using terminal = new Terminal(place, ["rollback"], dir);
  await terminal.type(/which backup/, "\x1b[A\r"); // up, to the failed one
  await terminal.type(/cannot be selected/, "\x1b[B\r");
  await terminal.type(/Roll back to backup 1\?/, "y\r");
  assert.equal(await terminal.ended(), 0, terminal.text);
  assert.match(terminal.text, /change +\S+shop\/a +3 B now, 1 B then/);
  assert.match(terminal.text, /remove +\S+shop\/more +2 B/);
  assert.match(terminal.text, /safety backup/);
  assert.deepEqual(names(dir), [".duckback-undo", "a"]);
});

Deno.test("kill -9 while --merge copies: the whole old tree, and nothing beside it", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "then", "sub/b": "then" });
  await place.ok(["backup", "create", "--no-verify"], { cwd: dir });
  await sh("echo now > a; echo 1 > sub/more; ln -s more sub/two; echo 3 > sub/z", dir);
  const before = await fingerprint(dir);
  const trace = ["strace", "-qq", "-f", "-o", "/dev/null", "-e", "trace=symlinkat"];
  const killed = await place.run(["rollback", "1", "--yes", "--merge"], {
    cwd: dir,
    wrap: [...trace, "-e", "inject=symlinkat:signal=KILL:when=1"],
  });
  assert.notEqual(killed.code, 0);
  assert.ok(
    (await sh("find .duckback-undo -name more", dir)) !== "",
    "killed after the first copy",
  );
  await place.ok(["recover"], { cwd: dir });
  assert.deepEqual(names(dir), ["a", "sub"]);
  assert.equal(await fingerprint(dir), before);
});

Deno.test("a stack that bears another name now is told of, and rolled back all the same", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "then" });
  await place.ok(["backup", "create", "--no-verify"], { cwd: dir });
  Deno.renameSync(dir, place.path("store"));
  const args = ["rollback", "1", "--work-dir", place.path("store")];
  const { differences } = (await place.ok([...args, "--dry-run", "--json"])).json;
  assert.equal(differences.length, 1);
  const { what, then, now, breaks } = differences[0];
  assert.deepEqual([what, then, now, breaks], ["stack_name", "shop", "store", false]);
  const done = (await place.ok([...args, "--yes"])).stdout;
  assert.match(done, /note: the stack was called "shop" then, it is "store" now/);
});

Deno.test("without a terminal a rollback wants --yes", async () => {
  await using place = new Place();
  const dir = await changed(place);
  const before = await fingerprint(dir);
  const refused = await place.run(["rollback", "1", "--json"], { cwd: dir });
  assert.equal(refused.code, 2);
  assert.match(refused.json.error.hint, /--yes/);
  assert.equal(await fingerprint(dir), before);
  await place.ok(["rollback", "1", "-y"], { cwd: dir });
  const dry = await place.run(["rollback", "--undo", "--dry-run"], { cwd: dir });
  assert.equal(dry.code, 2);
  assert.deepEqual(names(dir), [".duckback-undo", "edited", "gone", "lost", "same", "sub"]);
});

Deno.test("--merge copies none of duckback's own files that lie inside the stack", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "a": "then", "var/lib/x": "then", "var/y": "then" });
  const at = { cwd: dir, env: { DUCKBACK_HOME: join(dir, "var/lib/duck/home") } };
  await place.ok(["backup", "create"], at);
  await sh("echo now > a; rm var/y; echo 1 > var/new; echo 2 > var/lib/new; mkdir n", dir);
  const dry = (await place.ok(["rollback", "1", "--merge", "--dry-run", "--json"], at)).json;
  const keeps = dry.changes.list.filter(({ action }: { action: string }) => action === "keep");
  assert.deepEqual(
    keeps.map(({ path }: { path: string }) => path.slice(dir.length + 1)).sort(),
    ["n", "var/lib/new", "var/new"],
  );
  const before = await outside(dir);
  await place.ok(["rollback", "1", "--merge", "--yes"], at);
  assert.deepEqual(await outside(dir), [
    "a then",
    "var/lib/new 2",
    "var/lib/x then",
    "var/new 1",
    "var/y then",
  ]);
  assert.deepEqual(names(dir), [".duckback-undo", "a", "n", "var"]);
  assert.equal(
    await sh("find . -name catalog.duckdb", dir),
    "./var/lib/duck/home/catalog.duckdb\n",
  );
  await place.ok(["rollback", "--undo"], at);
  assert.deepEqual(await outside(dir), before);
});

/** Files with their content, duckback's own left out. */
async function outside(dir: string): Promise<string[]> {
  const own = "-name .duckback-undo -prune -o -path ./var/lib/duck -prune -o";
  const found = await sh(`find . ${own} -type f -printf '%P\\n' | LC_ALL=C sort`, dir);
  return found.trim().split("\n").map((name) =>
    `${name} ${Deno.readTextFileSync(join(dir, name)).trim()}`
  );
}

for (const home of ["home", "var/lib/duck/home"]) {
  Deno.test(`a home at ${home} of the stack, archives in it, outlives a rollback and its undo`, async () => {
    await using place = new Place();
    const dir = place.tree("shop", { "a": "then", "var/y": "then" });
    const at = { cwd: dir, env: { DUCKBACK_HOME: join(dir, home) } };
    await place.ok(["backup", "create"], at);
    await sh("echo now > a; rm -r var/y", dir);
    await place.ok(["rollback", "1", "--yes"], at);
    assert.equal(Deno.readTextFileSync(join(dir, "a")), "then");
    assert.equal(Deno.readTextFileSync(join(dir, "var/y")), "then");
    const { results } = (await place.ok(["backup", "verify", "--all", "--json"], at)).json;
    assert.equal(results.length, 2);
    await place.ok(["rollback", "--undo"], at);
    assert.equal(Deno.readTextFileSync(join(dir, "a")), "now\n");
    assert.deepEqual(names(join(dir, home, "journal")), []);
  });
}

Deno.test("no room for the safety backup is told before anything is extracted or stopped [case 28]", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { a: "a" });
  await sh("head -c 5000000 /dev/urandom > big", dir);
  await place.ok(["backup", "create", "--no-verify"], { cwd: dir });
  await sh("head -c 9000000 /dev/urandom > big", dir);
  const before = await fingerprint(dir);
  const disk = place.tree("disk", {});
  await sh(`mount -t tmpfs -o size=8m tmpfs ${disk}`);
  try {
    await place.ok(["config", "set", "auto_backup_directory", disk, "--no-move"]);
    const args = ["--progress", "json", "rollback", "1", "--yes", "--json"];
    const { json, stderr } = await place.run(args, { cwd: dir });
    assert.equal(json.error.code, "SAFETY_FAILED");
    assert.match(
      json.error.message,
      /8\.0 MiB free, about 9\.\d MiB needed.*Nothing was rolled back/,
    );
    assert.ok(!/"phase":"(extract|stop|safety)"/.test(stderr), stderr);
    assert.equal((await place.run(["rollback", "1", "--dry-run"], { cwd: dir })).code, 1);
    assert.equal(await fingerprint(dir), before);
    assert.deepEqual(names(join(place.home, "journal")), []);
  } finally {
    await sh(`umount ${disk}`);
  }
  // On one file system both must fit: what comes in, and what is saved.
  await place.ok(["config", "unset", "auto_backup_directory"]);
  const dry = await place.ok(["rollback", "1", "--dry-run", "--json"], { cwd: dir });
  assert.equal(dry.json.space.length, 1);
  assert.ok(dry.json.space[0].needed_bytes > 14_000_000, dry.stdout);
});

Deno.test("a compose file that cannot be read any more is put back by a rollback", async () => {
  await using place = new Place();
  const compose = "services:\n  web:\n    image: none\n    volumes: ['./data:/data']\n";
  const dir = place.tree("shop", { "docker-compose.yml": compose, "data/a": "then" });
  await place.ok(["backup", "create", "--no-verify"], { cwd: dir });
  await sh("echo 'services: [' > docker-compose.yml; echo now > data/a", dir);
  assert.equal(
    (await place.run(["status", "--json"], { cwd: dir })).json.error.code,
    "COMPOSE_INVALID",
  );
  const { stderr } = await place.ok(["rollback", "1", "--rollback-data", "--yes"], { cwd: dir });
  assert.match(stderr, /Going by the containers instead/);
  assert.equal(Deno.readTextFileSync(join(dir, "docker-compose.yml")), compose);
  assert.equal(Deno.readTextFileSync(join(dir, "data/a")), "then");
});
