/** Alerts of the compiled binary, sent to real receivers. */
import assert from "node:assert/strict";
import { HttpReceiver } from "../fixtures/receiver.ts";
import { names, Place } from "./support.ts";

Deno.test("backup create tells webhooks when it fails, and when it is well again", async () => {
  await using place = new Place();
  await using receiver = new HttpReceiver();
  const at = { cwd: place.tree("plain", { "a.txt": "a" }) };
  await place.ok(["config", "set", "notify.webhook_urls", `${receiver.url}/hook`], at);
  await place.ok(["config", "set", "backup.min_free_bytes", "900TiB"], at);
  assert.equal((await place.run(["backup", "create"], at)).code, 1);
  assert.equal((await place.run(["backup", "create"], at)).code, 1);
  assert.deepEqual(
    receiver.bodies.map(({ kind, stack, level, source }) => ({ kind, stack, level, source })),
    [{ kind: "backup_failed", stack: "plain", level: "bad", source: "duckback" }],
  );
  assert.match(receiver.bodies[0].message, /needed \(DISK_FULL\)/);
  await place.ok(["config", "unset", "backup.min_free_bytes"], at);
  await place.ok(["backup", "create"], at);
  await place.ok(["backup", "create"], at);
  assert.deepEqual(receiver.bodies.map(({ kind }) => kind), ["backup_failed", "recovered"]);
  assert.deepEqual(names(`${place.home}/alerts`), ["lock", "open"]);
});
