import assert from "node:assert/strict";
import { asDuckbackError, DuckbackError, interrupted } from "../../../lib/core/errors.ts";

async function leaving(error: Error, late: Error): Promise<DuckbackError> {
  try {
    await using _held = { [Symbol.asyncDispose]: () => Promise.reject(late) };
    throw error;
  } catch (thrown) {
    return asDuckbackError(thrown);
  }
}

Deno.test("asDuckbackError() keeps both of two errors; services that are down lead", async () => {
  const down = new DuckbackError("START_FAILED", "web is DOWN", {
    hint: "docker start web",
    details: { services: ["web"] },
  });
  const error = await leaving(interrupted(), down);
  assert.equal(error.code, "START_FAILED");
  assert.equal(error.message, "Interrupted by a signal. web is DOWN");
  assert.equal(error.hint, "docker start web");
  assert.deepEqual(error.details, { services: ["web"] });
  assert.equal((error.cause as DuckbackError).code, "INTERRUPTED");
});

Deno.test("asDuckbackError() lets the first error lead where only a cleanup failed after it", async () => {
  const full = new DuckbackError("DISK_FULL", "no space", { hint: "free some" });
  const error = await leaving(full, new Error("cannot close"));
  assert.equal(error.code, "DISK_FULL");
  assert.equal(error.message, "no space. cannot close");
  assert.equal(error.hint, "free some");
});
