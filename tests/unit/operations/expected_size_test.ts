import assert from "node:assert/strict";
import { expectedSize } from "../../../lib/operations/expected_size.ts";
import { backup } from "../retention/support.ts";

const FULL = { backup_type: "FULL", compression_type: "gzip" } as const;
const of = (backup_size: number, source_bytes: number, change = {}) =>
  backup(1, 0, { backup_size, source_bytes, ...change });

Deno.test("expectedSize() goes by the last runs of the kind, the one that compressed worst, and a tenth", () => {
  const records = [of(2e6, 10e6), of(5e6, 10e6), of(3e6, 10e6)];
  assert.deepEqual(expectedSize(records, FULL, 20e6), { archive_bytes: 11e6, runs: 3 });
  const older = [...records, ...Array.from({ length: 5 }, () => of(9e6, 10e6))];
  assert.equal(expectedSize(older, FULL, 20e6).runs, 5);
});

Deno.test("expectedSize() learns nothing from other kinds, tiny trees, and runs that did not complete", () => {
  const others = [
    of(2e6, 10e6, { backup_type: "DATA_ONLY" }),
    of(2e6, 10e6, { compression_type: "zstd" }),
    of(2e6, 10e6, { status: "partial" }),
    of(2e6, 10e6, { trigger: "safety" }),
    of(2e3, 10e3),
  ];
  assert.deepEqual(expectedSize(others, FULL, 20e6), { archive_bytes: null, runs: 0 });
  const plain = { ...FULL, compression_type: "none" } as const;
  assert.deepEqual(expectedSize(others, plain, 20e6), { archive_bytes: 20e6, runs: 0 });
});

Deno.test("expectedSize() takes an increment to be as large as the largest of the last ones, and half", () => {
  const increment = { backup_type: "INCREMENTAL" } as const;
  const records = [of(1000, 10e6, increment), of(4000, 10e6, increment), of(5e6, 10e6)];
  assert.deepEqual(expectedSize(records, { ...FULL, ...increment }, 20e6), {
    archive_bytes: 6000,
    runs: 2,
  });
});
