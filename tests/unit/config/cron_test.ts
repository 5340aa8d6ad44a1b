import assert from "node:assert/strict";
import { checkCron, lastRun, nextRuns } from "../../../lib/config/cron.ts";

Deno.test("checkCron() accepts five-field expressions and nicknames", () => {
  for (
    const text of [
      "* * * * *",
      "0 2 * * *",
      "*/5 * * * *",
      "0,30 8-18/2 * * 1-5",
      "59 23 31 12 7",
      "0 0 1 JAN,jul mon-FRI",
      "5/15 * * * *",
      "0 0 29 2 *",
      "0 0 31 2 5", // Fridays of February
      "  0   2 * * * ",
      "@daily",
      "@Hourly",
    ]
  ) assert.equal(checkCron(text), null, text);
});

Deno.test("checkCron() says what is wrong", () => {
  const wrong: [string, RegExp][] = [
    ["", /1 fields instead of 5/],
    ["0 2 * *", /4 fields/],
    ["0 0 2 * * *", /6 fields/],
    ["60 * * * *", /invalid value for minute: 60/],
    ["* 24 * * *", /invalid value for hour: 24/],
    ["* * 0 * *", /day/],
    ["* * * 13 *", /month/],
    ["* * * * 8", /dayOfWeek: 8/],
    ["* * * mon *", /mon/],
    ["5-1 * * * *", /larger/],
    ["*/0 * * * *", /stepping: 0/],
    ["*/99 * * * *", /steps/],
    ["1,,2 * * * *", /empty/],
    ["1- * * * *", /range/],
    ["x * * * *", /illegal/],
    ["-1 * * * *", /range/],
    ["1.5 * * * *", /illegal/],
    ["0 0 31 2 *", /no such day/],
    ["0 0 31 4,6,9,11 *", /no such day/],
    ["@never", /not one of @hourly/],
    ["@reboot", /not one of @hourly/],
  ];
  for (const [text, problem] of wrong) assert.match(checkCron(text) ?? "", problem, text);
});

Deno.test("lastRun() takes the moment itself, and gives none after it", () => {
  const at = (time: string) => lastRun("30 2 * * *", "UTC", new Date(time))?.toISOString();
  assert.equal(at("2026-01-02T02:30:00.000Z"), "2026-01-02T02:30:00.000Z");
  assert.equal(at("2026-01-02T02:30:00.001Z"), "2026-01-02T02:30:00.000Z");
  assert.equal(at("2026-01-02T02:29:59.999Z"), "2026-01-01T02:30:00.000Z");
});

Deno.test("nextRuns() knows the nicknames in the zone", () => {
  const next = (text: string) =>
    nextRuns(text, "Europe/Berlin", new Date("2026-07-14T10:20:00Z"), 1)[0].toISOString();
  assert.equal(next("@hourly"), "2026-07-14T11:00:00.000Z");
  assert.equal(next("@daily"), "2026-07-14T22:00:00.000Z");
  assert.equal(next("@midnight"), "2026-07-14T22:00:00.000Z");
  assert.equal(next("@weekly"), "2026-07-18T22:00:00.000Z"); // Sunday
  assert.equal(next("@monthly"), "2026-07-31T22:00:00.000Z");
  assert.equal(next("@yearly"), "2026-12-31T23:00:00.000Z");
});
