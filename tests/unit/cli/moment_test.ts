import assert from "node:assert/strict";
import { moment } from "../../../lib/cli/moment.ts";

const now = new Date("2026-03-10T12:00:00.000Z");
const parse = moment(() => now);

Deno.test("moment() takes ages, dates and times", () => {
  assert.equal(parse("90min").toISOString(), "2026-03-10T10:30:00.000Z");
  assert.equal(parse("12h").toISOString(), "2026-03-10T00:00:00.000Z");
  assert.equal(parse("7d").toISOString(), "2026-03-03T12:00:00.000Z");
  assert.equal(parse("2w").toISOString(), "2026-02-24T12:00:00.000Z");
  assert.equal(parse("2026-01-31T02:00:00Z").toISOString(), "2026-01-31T02:00:00.000Z");
  assert.equal(parse("2026-01-31").getTime(), new Date(2026, 0, 31).getTime());
  assert.equal(parse("2026-01-31 02:30").getTime(), new Date(2026, 0, 31, 2, 30).getTime());
});

Deno.test("moment() refuses what it might misread", () => {
  for (const text of ["", "yesterday", "7", "7m", "-1d", "31.01.2026", "2026-13-01", "2026"]) {
    assert.throws(() => parse(text), /Give a date/, text);
  }
});
