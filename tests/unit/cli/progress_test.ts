import assert from "node:assert/strict";
import { progressText } from "../../../lib/cli/progress.ts";

const MIB = 1024 * 1024;

Deno.test("progressText() shows share, rate and time left", () => {
  const text = progressText({
    type: "progress",
    bytes: 50 * MIB,
    total_bytes: 200 * MIB,
    files: 10,
    total_files: 40,
  }, 5_000);
  assert.equal(
    text,
    "[######------------------] 25 %  50.0 MiB of 200.0 MiB  10.0 MiB/s  15.0 s left",
  );
});

Deno.test("progressText() invents no total", () => {
  const event = { type: "progress", bytes: MIB, total_bytes: 0, files: 3, total_files: 0 } as const;
  assert.equal(progressText(event, 1_000), "1.0 MiB  3 files  1.0 MiB/s");
});
