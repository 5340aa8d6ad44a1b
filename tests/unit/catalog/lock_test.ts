import assert from "node:assert/strict";
import { acquireLock, commandOf } from "../../../lib/catalog/lock.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";

Deno.test("acquireLock() lets one in at a time and all in the end", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    let inside = 0;
    let most = 0;
    let turns = 0;
    const opts = () => ({ deadline: performance.now() + 20_000, timeout_ms: 20_000 });
    await Promise.all(Array.from({ length: 12 }, async () => {
      for (let turn = 0; turn < 3; turn++) {
        const lock = await acquireLock(`${directory}/x.lock`, opts());
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 2));
        inside--;
        turns++;
        lock.release();
      }
    }));
    assert.deepEqual([most, turns], [1, 36]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("acquireLock() is not fooled by a lock file that was removed while it was held", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/x.lock`;
    const opts = { deadline: performance.now() + 100, timeout_ms: 100 };
    const first = await acquireLock(path, opts);
    Deno.removeSync(path);
    const second = await acquireLock(path, opts); // nothing better can be done than a new lock
    await assert.rejects(
      () => acquireLock(path, opts),
      (error) => error instanceof DuckbackError && error.code === "CATALOG_LOCKED",
    );
    first.release();
    second.release();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("commandOf() tells program and subcommand but no option or value", async () => {
  const shell = new Deno.Command("bash", {
    args: ["-c", `exec -a /opt/duckback bash -c 'read x' config --secret hunter2`],
    stdin: "piped",
  }).spawn();
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.doesNotMatch(commandOf(shell.pid)!, /hunter2|secret/);
    assert.match(commandOf(shell.pid)!, /^duckback/);
    assert.equal(commandOf(2 ** 22 + 1), null);
  } finally {
    shell.kill("SIGKILL");
    await shell.stdin.close().catch(() => {});
    await shell.status;
  }
});
