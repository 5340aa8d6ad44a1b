/** Room beyond doubt: only where the kernel's numbers leave none. */
import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { hasPlenty, type RoomFor } from "../../../lib/operations/plenty.ts";

const TMPFS = 0x01021994;
const SHM = "/dev/shm";

function plan(source: string, fields: Partial<RoomFor> = {}): RoomFor {
  const sources = [{ path: source }];
  return { sources, path: `${SHM}/x.tar.gz`, min_free_bytes: 0, ...fields };
}

Deno.test({
  name: "hasPlenty() is true where less is used than free, false where more must stay free",
  ignore: statfsSync(SHM).type !== TMPFS,
  fn: async () => {
    const dir = await Deno.makeTempDir({ dir: SHM });
    try {
      const { blocks, bfree, bavail, bsize, files, ffree } = statfsSync(SHM);
      const surely = bavail * bsize > 2 * ((blocks - bfree) * bsize + (files - ffree) * 4096);
      if (surely) assert.equal(hasPlenty(plan(dir)), true);
      assert.equal(hasPlenty(plan(dir, { min_free_bytes: bavail * bsize })), false);
    } finally {
      await Deno.remove(dir);
    }
  },
});

Deno.test("hasPlenty() is false where it cannot be said", () => {
  assert.equal(hasPlenty(plan("/dev")), false, "something is mounted in it");
  assert.equal(hasPlenty(plan("/")), false);
  assert.equal(hasPlenty(plan("/proc/self")), false, "a file system of another kind");
  assert.equal(hasPlenty(plan("/nowhere")), false);
  assert.equal(hasPlenty(plan("/tmp", { path: "/nowhere/x.tar.gz" })), false);
});

Deno.test("hasPlenty() is true of standard output, which has no room to run out of", () => {
  assert.equal(hasPlenty(plan("/", { path: "-" })), true);
});
