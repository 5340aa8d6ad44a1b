import assert from "node:assert/strict";
import { checkCron } from "../../../lib/config/cron.ts";

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
    ["60 * * * *", /"60" cannot be the minute \(0 to 59\)/],
    ["* 24 * * *", /"24" cannot be the hour/],
    ["* * 0 * *", /cannot be the day of month/],
    ["* * * 13 *", /cannot be the month/],
    ["* * * * 8", /cannot be the day of week/],
    ["* * * mon *", /cannot be the month/],
    ["5-1 * * * *", /backwards/],
    ["*/0 * * * *", /step/],
    ["*/99 * * * *", /step/],
    ["1,,2 * * * *", /cannot be the minute/],
    ["1- * * * *", /cannot be the minute/],
    ["x * * * *", /cannot be the minute/],
    ["-1 * * * *", /cannot be the minute/],
    ["1.5 * * * *", /cannot be the minute/],
    ["0 0 31 2 *", /no such day/],
    ["0 0 31 4,6,9,11 *", /no such day/],
    ["@never", /not one of @hourly/],
  ];
  for (const [text, problem] of wrong) assert.match(checkCron(text) ?? "", problem, text);
});
