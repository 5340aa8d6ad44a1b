import assert from "node:assert/strict";
import { join } from "node:path";
import { WalkLog, walkOrder } from "../../../lib/archive/walk_log.ts";
import { encodePath } from "../../../lib/core/paths.ts";
import { cString } from "../../../lib/posix/c_string.ts";
import { AT_FDCWD } from "../../../lib/posix/libc.ts";
import { StatView } from "../../../lib/posix/stat.ts";
import { withTempDir } from "../../fixtures/tree.ts";

const WAS = [null, "directory", "file", "hardlink", "other"] as const;

Deno.test("walkOrder() puts a directory before what is in it, and that before what follows it by name", () => {
  const walk = [".", "a", "a/b", "a/b/c", "a/z", "a!", "a-b", "a.b", "ab", "b", "é", "\udcff"];
  for (let i = 0; i < walk.length; i++) {
    for (let j = 0; j < walk.length; j++) {
      assert.equal(
        Math.sign(walkOrder(walk[i], walk[j])),
        Math.sign(i - j),
        `${walk[i]} ${walk[j]}`,
      );
    }
  }
});

Deno.test(
  "WalkLog gives back what was noted, in order, and leaves no file",
  withTempDir((dir) => {
    Deno.writeTextFileSync(join(dir, "f"), "text");
    const stat = new StatView();
    assert.ok(stat.at(AT_FDCWD, cString(join(dir, "f"))));
    using log = WalkLog.create(join(dir, "notes"));
    assert.deepEqual([...Deno.readDirSync(dir)].map((entry) => entry.name), ["f"]);
    // More than its buffer holds, with names of every length.
    const count = 20_000;
    const places: number[] = [];
    const path = (i: number) => `${i}/${"n".repeat(i % 300)}\udc80`;
    for (let i = 0; i < count; i++) {
      const counted = { files: i % 2, entries: 1, bytes: i * 1e10 };
      const span = { start: i * 1e9, end: i * 1e9 + 512 };
      const logged = { path: path(i), source: i % 3, span, counted, row: i * 2, was: WAS[i % 5] };
      const link = i % 7 === 0 ? encodePath(path(i + 1)) : null;
      places.push(log.add(logged, stat, i % 5 !== 0, link));
    }
    for (let i = 0; i < count; i += 999) log.move(places[i], { start: 5, end: 6 });
    log.rewind();
    for (let i = 0; i < count; i++) {
      assert.equal(log.next, path(i));
      assert.equal(log.source, i % 3);
      assert.equal(log.matches(stat), i % 5 !== 0);
      assert.deepEqual(log.take(), {
        ...{ path: path(i), source: i % 3, row: i * 2, was: WAS[i % 5] },
        span: i % 999 === 0 ? { start: 5, end: 6 } : { start: i * 1e9, end: i * 1e9 + 512 },
        counted: { files: i % 2, entries: 1, bytes: i * 1e10 },
      });
      assert.ok(log.linksTo(i % 7 === 0 ? path(i + 1) : null));
    }
    assert.equal(log.next, null);
  }),
);

Deno.test(
  "WalkLog sees a change of any of size, times, inode, links, mode and owner",
  withTempDir((dir) => {
    const file = join(dir, "f");
    Deno.writeTextFileSync(file, "text");
    const stat = new StatView();
    const look = () => assert.ok(stat.at(AT_FDCWD, cString(file)));
    const changes: [string, () => void][] = [
      ["nothing", () => {}],
      ["content", () => Deno.writeTextFileSync(file, "TEXT")],
      ["mode", () => Deno.chmodSync(file, 0o600)],
      ["links", () => Deno.linkSync(file, join(dir, "g"))],
      ["times", () => Deno.utimeSync(file, 1, 1)],
      ["another file", () => {
        Deno.writeTextFileSync(join(dir, "h"), "TEXT");
        Deno.renameSync(join(dir, "h"), file);
      }],
    ];
    for (const [what, change] of changes) {
      using log = WalkLog.create(join(dir, "notes"));
      look();
      const span = { start: 0, end: 512 };
      const counted = { files: 1, entries: 1, bytes: 4 };
      log.add({ path: "f", source: 0, span, counted, row: -1, was: null }, stat, true, null);
      log.rewind();
      change();
      look();
      assert.equal(log.matches(stat), what === "nothing", what);
    }
  }),
);
