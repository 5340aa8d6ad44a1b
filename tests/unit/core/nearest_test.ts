import assert from "node:assert/strict";
import { nearest } from "../../../lib/core/nearest.ts";

const words = [
  "backup.compression",
  "backup.compression_level",
  "backup.quiesce",
  "auto_backup_schedule",
];

Deno.test("nearest() finds what was meant", () => {
  assert.deepEqual(nearest("backup.quisce", words), ["backup.quiesce"]);
  assert.deepEqual(nearest("compression", words), [
    "backup.compression",
    "backup.compression_level",
  ]);
  assert.deepEqual(nearest("backup.Compresion", words)[0], "backup.compression");
  assert.deepEqual(nearest("schedule", words), ["auto_backup_schedule"]);
});

Deno.test("nearest() suggests nothing where nothing is near", () => {
  assert.deepEqual(nearest("color", words), []);
  assert.deepEqual(nearest("", words), []);
});
