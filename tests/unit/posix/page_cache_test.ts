/** The page cache as the kernel tells of it; tmpfs has nothing but cache, so there nothing is cold. */
import assert from "node:assert/strict";
import { closeQuietly, fsync, open } from "../../../lib/posix/files.ts";
import { O_RDWR } from "../../../lib/posix/libc.ts";
import { beginWriting, forget, isCold } from "../../../lib/posix/page_cache.ts";

const MIB = 1 << 20;

Deno.test("forget() gives a written part back, isCold() tells which", () => {
  const path = Deno.makeTempFileSync();
  Deno.writeFileSync(path, new Uint8Array(8 * MIB).fill(65));
  const fd = open(path, O_RDWR);
  try {
    assert.equal(isCold(fd, 0, MIB), false, "what was just written is in the cache");
    beginWriting(fd, 0, 8 * MIB);
    fsync(fd);
    forget(fd, 0, 4 * MIB);
    const forgotten = isCold(fd, 0, 4 * MIB);
    assert.equal(isCold(fd, 4 * MIB, 4 * MIB), false, "the rest stays");
    const fileSystem = new Deno.Command("stat", { args: ["-f", "-c", "%T", path] }).outputSync();
    if (new TextDecoder().decode(fileSystem.stdout).startsWith("ext")) {
      assert.equal(forgotten, true);
    }
    assert.deepEqual(Deno.readFileSync(path), new Uint8Array(8 * MIB).fill(65));
  } finally {
    closeQuietly(fd);
    Deno.removeSync(path);
  }
});

Deno.test("isCold() is false where the kernel cannot tell", () => {
  assert.equal(isCold(-1, 0, MIB), false);
});
