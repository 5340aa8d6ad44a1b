/** Names, metadata and trees of lib/posix on real directories, looked at with stat and find. */
import assert from "node:assert/strict";
import * as posix from "../../../lib/posix/mod.ts";
import { openDirBeneath, useOpenat2 } from "../../../lib/posix/beneath.ts";
import { lastErrno } from "../../../lib/posix/libc.ts";
import { sh, withTempDir } from "../../fixtures/tree.ts";

Deno.test(
  "statx() gives what stat(1) prints, to the nanosecond",
  withTempDir(async (dir) => {
    Deno.writeTextFileSync(`${dir}/f`, "12345");
    posix.link(`${dir}/f`, `${dir}/g`);
    posix.chmod(`${dir}/f`, 0o4751);
    posix.lutimes(`${dir}/f`, -86400 * 365 * 20, 123456789);
    const stat = posix.statx(`${dir}/f`);
    const printed = (await sh(`stat -c '%s %a %u %g %h %i %.9Y %.9Z %b' "$0"`, `${dir}/f`)).trim();
    const time = (s: number, ns: number) => {
      const total = BigInt(s) * 1_000_000_000n + BigInt(ns);
      const whole = total / 1_000_000_000n, part = total % 1_000_000_000n;
      const sign = total < 0n && whole === 0n ? "-" : "";
      return `${sign}${whole}.${String(part < 0n ? -part : part).padStart(9, "0")}`;
    };
    const { size, mode, uid, gid, nlink, ino, blocks } = stat;
    assert.equal(
      [size, mode.toString(8), uid, gid, nlink, ino].join(" ") + " " +
        [time(stat.ctime_s, stat.ctime_ns), blocks].join(" "),
      printed.split(" ").toSpliced(6, 1).join(" "),
    );
    assert.deepEqual([stat.mtime_s, stat.mtime_ns], [-86400 * 365 * 20, 123456789]);
    assert.equal(stat.type, "file");
  }),
);

Deno.test(
  "identity() stays whatever changes in a directory, and is another's once it is made anew",
  withTempDir((dir) => {
    const path = `${dir}/d`;
    Deno.mkdirSync(path);
    const identity = posix.identity(path);
    Deno.writeTextFileSync(`${path}/f`, "x");
    Deno.chmodSync(path, 0o750);
    Deno.utimeSync(path, 1, 1);
    assert.equal(posix.identity(path), identity);
    Deno.removeSync(path, { recursive: true });
    Deno.mkdirSync(path);
    assert.notEqual(posix.identity(path), identity);
    assert.throws(() => posix.identity(`${dir}/none`), { code: "ENOENT" });
  }),
);

Deno.test(
  "statx() looks at a symlink itself unless told to follow",
  withTempDir((dir) => {
    posix.symlink("/nowhere/at all", `${dir}/l`);
    assert.equal(posix.statx(`${dir}/l`).type, "symlink");
    assert.equal(posix.readlink(`${dir}/l`), "/nowhere/at all");
    assert.throws(() => posix.statx(`${dir}/l`, { follow: true }), { code: "ENOENT" });
    assert.equal(posix.statxIfExists(`${dir}/none/x`), null);
  }),
);

Deno.test(
  "lchown() and lutimes() change a symlink, not its target",
  withTempDir((dir) => {
    Deno.writeTextFileSync(`${dir}/f`, "");
    const before = posix.statx(`${dir}/f`);
    posix.symlink("f", `${dir}/l`);
    posix.lchown(`${dir}/l`, 12345, 54321);
    posix.lutimes(`${dir}/l`, 5_000_000_000, 1);
    const link = posix.statx(`${dir}/l`);
    assert.deepEqual([link.uid, link.gid, link.mtime_s, link.mtime_ns], [12345, 54321, 5e9, 1]);
    assert.deepEqual(posix.statx(`${dir}/f`), before);
  }),
);

Deno.test(
  "readdirNames() gives every name in byte order, bytes that are not UTF-8 escaped",
  withTempDir((dir) => {
    const names = [
      "b",
      "\udcff\udc80x",
      "a",
      "é",
      "new\nline",
      "-rf",
      "..x",
      "\u{1f600}",
      "\uffee",
    ];
    names.push("n".repeat(255));
    for (const name of names) posix.mkdir(`${dir}/${name}`);
    assert.deepEqual(posix.readdirNames(dir), [
      ...["-rf", "..x", "a", "b", "new\nline", "n".repeat(255), "é", "\uffee", "\u{1f600}"],
      "\udcff\udc80x",
    ]);
  }),
);

Deno.test(
  "renameExchange() swaps two trees; renameNoReplace() leaves what is there",
  withTempDir((dir) => {
    posix.mkdir(`${dir}/a`);
    posix.mkdir(`${dir}/b`);
    Deno.writeTextFileSync(`${dir}/a/x`, "a");
    assert.equal(posix.renameExchange(`${dir}/a`, `${dir}/b`), true);
    assert.equal(Deno.readTextFileSync(`${dir}/b/x`), "a");
    assert.equal(posix.renameNoReplace(`${dir}/a`, `${dir}/b`), false);
    assert.equal(posix.renameNoReplace(`${dir}/a`, `${dir}/c`), true);
    assert.equal(posix.renameExchange(`${dir}/b`, "/proc/self"), false);
    assert.throws(() => posix.renameExchange(`${dir}/none`, `${dir}/c`), { code: "ENOENT" });
  }),
);

Deno.test(
  "mkdirAll() makes what is missing and says what it made",
  withTempDir((dir) => {
    assert.deepEqual(posix.mkdirAll(`${dir}/x/y/z`), [`${dir}/x`, `${dir}/x/y`, `${dir}/x/y/z`]);
    assert.deepEqual(posix.mkdirAll(`${dir}/x/y/z`), []);
    assert.equal(posix.statx(`${dir}/x/y/z`).mode, 0o700);
  }),
);

Deno.test(
  "removeTree() removes any tree and never what a symlink in it leads to",
  withTempDir(async (dir) => {
    posix.mkdirAll(`${dir}/keep`);
    Deno.writeTextFileSync(`${dir}/keep/f`, "kept");
    posix.mkdir(`${dir}/t`);
    posix.symlink("../keep", `${dir}/t/link`);
    posix.mkdirAll(`${dir}/t/\udcfe\udcff/sub`);
    await sh(
      `cd "$0"; mkfifo t/fifo; for i in $(seq 300); do echo > t/$i; done; mkdir t/shut;
      echo > t/shut/f; chmod 0 t/shut`,
      dir,
    );
    // Deeper than PATH_MAX (4,096 bytes) and than the descriptors a process may have open.
    await sh(
      `cd "$0/t"; python3 -c '
import os
for i in range(1500):
    os.mkdir("deep-deep"); os.chdir("deep-deep")
open("end", "w").close()'`,
      dir,
    );
    await posix.removeTree(`${dir}/t`);
    assert.deepEqual(posix.readdirNames(dir), ["keep"]);
    await posix.removeTree(`${dir}/t`);
    posix.symlink("keep", `${dir}/l`);
    await posix.removeTree(`${dir}/l`);
    assert.equal(Deno.readTextFileSync(`${dir}/keep/f`), "kept");
  }),
);

Deno.test(
  "removeTree() does not descend into a mount point",
  withTempDir(async (dir) => {
    posix.mkdirAll(`${dir}/t/m`);
    await sh(`mount -t tmpfs none "$0/t/m"; echo x > "$0/t/m/f"`, dir);
    try {
      await assert.rejects(posix.removeTree(`${dir}/t`), { code: "EBUSY" });
      assert.equal(Deno.readTextFileSync(`${dir}/t/m/f`), "x\n");
    } finally {
      await sh(`umount "$0/t/m"`, dir);
    }
  }),
);

for (const way of ["openat2", "component by component"]) {
  Deno.test(
    `openDirBeneath() refuses symlinks and ways out, ${way}`,
    withTempDir((dir) => {
      useOpenat2(way === "openat2" ? undefined : false);
      const root = posix.open(dir, posix.O_RDONLY | posix.O_DIRECTORY);
      try {
        posix.mkdirAll(`${dir}/a/b`);
        posix.symlink("/etc", `${dir}/abs`);
        posix.symlink("a", `${dir}/rel`);
        Deno.writeTextFileSync(`${dir}/file`, "");
        const tried = (path: string) => {
          const fd = openDirBeneath(root, new TextEncoder().encode(path));
          if (fd < 0) return lastErrno();
          const ino = posix.fstat(fd).ino;
          posix.close(fd);
          return ino;
        };
        assert.equal(tried("a/b"), posix.statx(`${dir}/a/b`).ino);
        assert.equal(tried(""), posix.statx(dir).ino);
        assert.equal(tried(".."), 18);
        assert.equal(tried("a/../.."), 18);
        for (const path of ["abs", "rel", "rel/b", "abs/ssl", "file"]) {
          assert.ok([20, 40].includes(tried(path) as number), path);
        }
        assert.equal(tried("none"), 2);
      } finally {
        posix.close(root);
        useOpenat2(undefined);
      }
    }),
  );
}
