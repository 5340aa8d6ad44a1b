import assert from "node:assert/strict";
import { count, formatAge, formatBytes, formatDuration } from "../../../lib/core/units.ts";

Deno.test("formatBytes() scales by 1024", () => {
  const table: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [5 * 1024 ** 3, "5.0 GiB"],
  ];
  for (const [bytes, text] of table) assert.equal(formatBytes(bytes), text);
});

Deno.test("formatDuration() picks two units at most", () => {
  const table: [number, string][] = [
    [12, "12 ms"],
    [1500, "1.5 s"],
    [59_960, "1 min 0 s"],
    [192_000, "3 min 12 s"],
    [7_500_000, "2 h 5 min"],
  ];
  for (const [ms, text] of table) assert.equal(formatDuration(ms), text);
});

Deno.test("formatAge() looks from now", () => {
  const now = new Date("2026-03-01T12:00:00Z");
  const table: [string, string][] = [
    ["2026-03-01T11:59:30Z", "just now"],
    ["2026-03-01T11:10:00Z", "50 min ago"],
    ["2026-02-28T12:00:00Z", "1 day ago"],
    ["2026-01-30T12:00:00Z", "30 days ago"],
    ["2026-03-01T13:00:00Z", "in the future"],
  ];
  for (const [at, text] of table) assert.equal(formatAge(at, now), text);
});

Deno.test("count() knows one from many", () => {
  assert.equal(count(1, "file"), "1 file");
  assert.equal(count(12345, "entry", "entries"), "12,345 entries");
});
