/** Directories that are remembered in few bytes come back as they were, the last one first. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodePath } from "../../../lib/core/paths.ts";
import { DirectoryLog } from "../../../lib/archive/directory_log.ts";
import { PathMarks } from "../../../lib/archive/path_marks.ts";
import type { Metadata } from "../../../lib/archive/restore_entry.ts";

const metadata = fc.record({
  path: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.map(decodePath).join("/")),
  type: fc.constant("directory" as const),
  mode: fc.nat(0o7777),
  uid: fc.nat(0xfffffffe),
  gid: fc.nat(0xfffffffe),
  mtime_s: fc.integer({ min: -1e12, max: 1e12 }),
  mtime_ns: fc.nat(999_999_999),
  xattrs: fc.array(
    fc.record({
      name: fc.uint8Array({ minLength: 1, maxLength: 20 })
        .map((bytes) => [...bytes].map((byte) => String.fromCharCode(byte)).join("")),
      value: fc.option(fc.uint8Array({ maxLength: 50 })),
    }, { noNullPrototype: true }),
    { maxLength: 3 },
  ),
}, { noNullPrototype: true });

Deno.test("DirectoryLog.newestFirst() gives back what add() took, in reverse", () => {
  fc.assert(
    fc.property(fc.array(metadata, { maxLength: 60 }), (entries) => {
      const log = new DirectoryLog();
      for (const entry of entries) log.add(entry);
      const found = [...log.newestFirst()];
      assert.deepEqual(found.map(({ number }) => number), entries.map((_, i) => i).reverse());
      assert.deepEqual(found.map(({ entry }) => entry), entries.reverse());
    }),
    { numRuns: 200, seed: 7 },
  );
});

function directory(path: string, mode = 0o755): Metadata {
  return {
    ...{ path, type: "directory", mode, uid: 0, gid: 0, mtime_s: 0, mtime_ns: 0, xattrs: [] },
  };
}

Deno.test("DirectoryLog.add() takes paths and attributes longer than any piece of its memory", () => {
  const log = new DirectoryLog();
  const long = directory(`a/${"n".repeat(300_000)}`);
  const name = `user.${"x".repeat(200_000)}`;
  const attributes = { ...directory("b"), xattrs: [{ name, value: new Uint8Array(100_000) }] };
  for (const entry of [directory("a"), long, attributes]) log.add(entry);
  const found = [...log.newestFirst()].map(({ entry }) => entry);
  assert.deepEqual(found, [attributes, long, directory("a")]);
});

Deno.test("DirectoryLog.supersede() takes back what was added about a place, not what comes later", () => {
  const log = new DirectoryLog();
  log.supersede("/t/never");
  log.add(directory("d", 1));
  log.add(directory("e", 2));
  log.supersede("/t/d");
  log.add(directory("d", 3));
  log.supersede("/t/e");
  const counting = [...log.newestFirst()].filter((one) => log.counts(one, `/t/${one.entry.path}`));
  assert.deepEqual(counting.map(({ entry }) => entry.mode), [3]);
});

Deno.test("a million directories take less than 60 MB", () => {
  const before = Deno.memoryUsage();
  const log = new DirectoryLog();
  for (let i = 0; i < 1_000_000; i++) {
    log.add(directory(`srv/data/${i % 1000}/directory-${i}`));
  }
  const after = Deno.memoryUsage();
  const taken = after.external - before.external;
  assert.ok(taken < 60e6, `${taken} bytes`);
  let found = 0;
  for (const { entry } of log.newestFirst()) if (entry.path.length > 0) found++;
  assert.equal(found, 1_000_000);
});

Deno.test("PathMarks keeps a number for each path", () => {
  const marks = new PathMarks();
  const paths = Array.from({ length: 100_000 }, (_, i) => `some/path/${i * 7919}`);
  assert.equal(marks.get("some/path/0"), 0);
  paths.forEach((path, i) => marks.set(path, i + 1));
  marks.set(paths[5], 77);
  assert.equal(marks.get(paths[5]), 77);
  marks.set(paths[5], 6);
  for (const [i, path] of paths.entries()) assert.equal(marks.get(path), i + 1);
  for (let i = 0; i < 1000; i++) assert.equal(marks.get(`other/${i}`), 0);
});
