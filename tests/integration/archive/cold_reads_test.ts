/** What a backup does to the host's page cache, told by the kernel. */
import assert from "node:assert/strict";
import { createArchive } from "../../../lib/archive/create.ts";
import { closeQuietly, fsync, open } from "../../../lib/posix/files.ts";
import { O_RDWR } from "../../../lib/posix/libc.ts";
import { forget, isCold } from "../../../lib/posix/page_cache.ts";

const MIB = 1 << 20;

Deno.test("createArchive() leaves the page cache as it was: cold stays cold, hot stays hot", async () => {
  const dir = Deno.makeTempDirSync();
  const sizes: Record<string, number> = { cold: 100 * MIB, hot: 100 * MIB, small: 200 << 10 };
  const fds: Record<string, number> = {};
  try {
    for (const [name, size] of Object.entries(sizes)) {
      Deno.writeFileSync(`${dir}/${name}`, new Uint8Array(size).fill(65));
      fds[name] = open(`${dir}/${name}`, O_RDWR);
      fsync(fds[name]);
    }
    forget(fds.cold, 0, 0);
    forget(fds.small, 0, 0);
    const before = Object.values(fds).map((fd) => isCold(fd, 0, 0));
    const stored = await createArchive({
      sources: [
        { kind: "path", role: "data", path: dir, archive_path: ".", name: ".", origin: "test" },
      ],
      compression: "gzip",
      level: 1,
      first: new TextEncoder().encode("{}"),
      last: () => new TextEncoder().encode("{}"),
      write: () => {},
      onEntry: () => {},
    });
    assert.equal(stored.file_count, 3);
    assert.deepEqual(Object.values(fds).map((fd) => isCold(fd, 0, 0)), before);
    for (let at = 0; at < 100 * MIB; at += 10 * MIB) {
      assert.equal(isCold(fds.hot, at, 10 * MIB), false, `the hot file at ${at}`);
    }
  } finally {
    Object.values(fds).forEach(closeQuietly);
    Deno.removeSync(dir, { recursive: true });
  }
});
