import assert from "node:assert/strict";
import { join } from "node:path";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { acquireLock, lockHolder } from "../../../lib/repository/lock.ts";

const me = { pid: Deno.pid, operation: "backup create", since: "2026-11-22T06:00:00Z" };

async function inTemp(use: (dir: string) => Promise<void>) {
  const dir = await Deno.makeTempDir();
  try {
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("acquireLock() refuses a second holder and names the first", () =>
  inTemp(async (dir) => {
    const path = join(dir, "home/run.lock");
    const lock = await acquireLock(path, me);
    await assert.rejects(acquireLock(path, me), (error: DuckbackError) => {
      assert.equal(error.code, "LOCKED");
      assert.match(error.message, new RegExp(`backup create.*pid ${Deno.pid}`));
      return true;
    });
    assert.equal(lockHolder(path)?.pid, Deno.pid);
    lock[Symbol.dispose]();
    assert.equal(lockHolder(path), null);
    (await acquireLock(path, me))[Symbol.dispose]();
  }));

Deno.test("acquireLock() takes a lock file whose process is dead, even with a pid in use again", () =>
  inTemp(async (dir) => {
    const path = join(dir, "run.lock");
    // Pid 1 is alive, but holds nothing.
    Deno.writeTextFileSync(path, JSON.stringify({ ...me, pid: 1 }));
    using _lock = await acquireLock(path, me);
    assert.equal(JSON.parse(Deno.readTextFileSync(path)).pid, Deno.pid);
  }));

Deno.test("acquireLock() makes its file 0600 and its directory 0700 whatever the umask", () =>
  inTemp(async (dir) => {
    const before = Deno.umask(0);
    try {
      using _lock = await acquireLock(join(dir, "home/run.lock"), me);
    } finally {
      Deno.umask(before);
    }
    assert.equal(Deno.statSync(join(dir, "home")).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(join(dir, "home/run.lock")).mode! & 0o777, 0o600);
  }));
