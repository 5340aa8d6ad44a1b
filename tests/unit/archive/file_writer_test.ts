/** Files filled by another thread are what they would be without it, errors and descriptors included. */
import assert from "node:assert/strict";
import { FileWriter } from "../../../lib/archive/file_writer.ts";
import type { FileEnd } from "../../../lib/archive/write_batch.ts";
import { closeQuietly, open } from "../../../lib/posix/files.ts";
import * as c from "../../../lib/posix/libc.ts";
import { withTempDir } from "../../fixtures/tree.ts";

const PLAIN: FileEnd = { owner: null, mode: 0o640, mtime_s: 1e9, mtime_ns: 123e6, size: null };
const NEW = c.O_WRONLY | c.O_CREAT | c.O_EXCL;

/** Open files of this process below a directory. */
function openBelow(dir: string): string[] {
  const found: string[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      found.push(Deno.readLinkSync(`/proc/self/fd/${name}`));
    } catch { /* the listing's own */ }
  }
  return found.filter((path) => path.startsWith(dir));
}

function content(number: number): Uint8Array {
  return new Uint8Array(number % 5000).fill(number % 251);
}

/** Adds files until another thread takes them, and so many more; returns how many there are. */
function fill(writer: FileWriter, dir: string, more: number): number {
  let made = 0;
  for (let left = more; left > 0 && made < 500_000; made++) {
    if (writer.threaded) left--;
    const shown = `${dir}/${made}`;
    const file = { path: `${made}`, shown };
    const fd = open(shown, NEW);
    writer.write(file, fd, 0, content(made));
    writer.end(file, fd, PLAIN);
  }
  assert.ok(writer.threaded);
  return made;
}

const nothing = () => assert.fail("nothing is missed here");

Deno.test(
  "FileWriter.drain() returns once another thread has filled and closed all files",
  withTempDir((dir) => {
    using writer = new FileWriter(nothing);
    const made = fill(writer, dir, 3000);
    const big = { path: "big", shown: `${dir}/big` };
    const fd = open(big.shown, NEW);
    writer.write(big, fd, 5, new Uint8Array(3 << 20).fill(7));
    writer.end(big, fd, { ...PLAIN, mode: 0o404, owner: { uid: 12, gid: 34 }, size: 4 << 20 });
    writer.drain();
    assert.deepEqual(openBelow(dir), []);
    for (let i = 0; i < made; i++) {
      assert.deepEqual(Deno.readFileSync(`${dir}/${i}`), content(i));
      const { mode, mtime } = Deno.statSync(`${dir}/${i}`);
      assert.deepEqual([mode! & 0o7777, mtime!.getTime()], [0o640, 1e12 + 123]);
    }
    const bytes = Deno.readFileSync(big.shown);
    assert.equal(bytes.length, 4 << 20);
    assert.deepEqual([bytes.indexOf(7), bytes.lastIndexOf(7)], [5, (3 << 20) + 4]);
    const { mode, uid, gid } = Deno.statSync(big.shown);
    assert.deepEqual([mode! & 0o7777, uid, gid], [0o404, 12, 34]);
  }),
);

for (const threads of [true, false]) {
  Deno.test(
    `FileWriter names the file that cannot be written, and closes all (threads: ${threads})`,
    withTempDir((dir) => {
      {
        using writer = new FileWriter(nothing, threads);
        if (threads) fill(writer, dir, 500);
        const bad = { path: "bad", shown: `${dir}/bad` };
        Deno.writeTextFileSync(bad.shown, "");
        const fd = open(bad.shown, c.O_RDONLY);
        const kept = open(`${dir}/kept`, NEW);
        try {
          assert.throws(
            () => {
              writer.write(bad, fd, 0, new Uint8Array(10));
              writer.end(bad, fd, PLAIN);
              for (let i = 0; i < 20_000; i++) writer.write(bad, kept, 0, new Uint8Array(10));
              writer.drain();
            },
            { name: "PosixError", code: "EBADF", path: bad.shown, syscall: "write" },
          );
          const late = open(`${dir}/late`, NEW);
          writer.write(bad, late, 0, new Uint8Array(10));
          writer.end(bad, late, PLAIN);
        } finally {
          writer[Symbol.dispose]();
          closeQuietly(kept);
        }
      }
      assert.deepEqual(openBelow(dir), []);
      assert.equal(Deno.statSync(`${dir}/late`).size, 0);
    }),
  );

  Deno.test(
    `FileWriter tells of metadata that could not be set (threads: ${threads})`,
    withTempDir((dir) => {
      const missed: unknown[] = [];
      using writer = new FileWriter((what, { path }, errno) => {
        missed.push([what, path, errno]);
      }, threads);
      if (threads) fill(writer, dir, 500);
      Deno.writeTextFileSync(`${dir}/odd`, "");
      const fd = open(`${dir}/odd`, c.O_PATH); // good for nothing that changes it
      writer.end({ path: "odd", shown: `${dir}/odd` }, fd, { ...PLAIN, owner: { uid: 0, gid: 0 } });
      writer.drain();
      const EBADF = 9;
      const all = ["the owner of", "the mode of", "the time of"];
      assert.deepEqual(missed, all.map((what) => [what, "odd", EBADF]));
      assert.deepEqual(openBelow(dir), []);
    }),
  );
}
