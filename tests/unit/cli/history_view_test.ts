import assert from "node:assert/strict";
import { bar, roomBeside } from "../../../lib/cli/chart.ts";
import { entryTypes, hashStart, moment, sizeRange } from "../../../lib/cli/find_options.ts";
import { isoTime, ranges } from "../../../lib/cli/history_view.ts";

Deno.test("ranges() joins ids that follow one another, and shortens what is long", () => {
  assert.equal(ranges([7]), "7");
  assert.equal(ranges([1, 2, 3, 7, 9, 10]), "1-3, 7, 9-10");
  assert.equal(ranges([1, 3, 5, 7, 9, 11, 13]), "1, 3, 5, ..., 13 (7 backups)");
});

Deno.test("isoTime() keeps nanoseconds, and gives null for a time no calendar has", () => {
  assert.equal(isoTime(1_700_000_000, 5), "2023-11-14T22:13:20.000000005Z");
  assert.equal(isoTime(-1, 0), "1969-12-31T23:59:59.000000000Z");
  assert.equal(isoTime(1e15, 0), null);
});

Deno.test("bar() is as long as its value's share, and never longer than its room", () => {
  assert.equal(bar(50, 100, 10), "█████");
  assert.equal(bar(100, 100, 10), "██████████");
  assert.equal(bar(1, 1e9, 10), "▏");
  assert.equal(bar(0, 100, 10), "");
  assert.equal(bar(5, 0, 10), "");
  assert.equal(bar(5, 10, 0), "");
  assert.equal([...bar(33, 100, 10)].length, 4);
});

Deno.test("roomBeside() leaves bars out where they would be too short", () => {
  assert.equal(roomBeside(["x".repeat(40)], 80), 38);
  assert.equal(roomBeside(["x".repeat(75)], 80), 0);
  assert.equal(roomBeside(["x"], 500), 60);
});

Deno.test("sizeRange() reads more than, less than and exactly", () => {
  assert.deepEqual(sizeRange("+10M"), { least: 10 * 2 ** 20 + 1 });
  assert.deepEqual(sizeRange("-1KB"), { most: 999 });
  assert.deepEqual(sizeRange("12"), { least: 12, most: 12 });
  assert.throws(() => sizeRange("+much"), /size/);
  assert.throws(() => sizeRange(""), /size/);
});

Deno.test("moment() reads days, times and ages", () => {
  const now = new Date("2026-03-10T12:00:00.000Z");
  assert.equal(moment("7d", now), "2026-03-03T12:00:00.000Z");
  assert.equal(moment("30min", now), "2026-03-10T11:30:00.000Z");
  assert.equal(moment("2026-03-01T10:00:00Z", now), "2026-03-01T10:00:00.000Z");
  // A day begins at this host's midnight.
  assert.equal(new Date(moment("2026-03-01", now)).getHours(), 0);
  for (const bad of ["yesterday", "2026-13-01", "7", "d"]) {
    assert.throws(() => moment(bad, now), /Give a day/, bad);
  }
});

Deno.test("hashStart() and entryTypes() refuse what is none", () => {
  assert.equal(hashStart("ABCDEF12"), "abcdef12");
  assert.throws(() => hashStart("abc"), /SHA-256/);
  assert.throws(() => hashStart("xyz123456"), /SHA-256/);
  assert.deepEqual(entryTypes("d", ["file"]), ["file", "directory"]);
  assert.deepEqual(entryTypes("symlink", undefined), ["symlink"]);
  assert.throws(() => entryTypes("x", undefined), /Allowed/);
});
