/** Adding up test runs: no failure may get lost. */
import assert from "node:assert/strict";
import { stepTally, tally, tallyLine } from "../../../scripts/tally.ts";

Deno.test("tally() adds up every run in the output", () => {
  const output = `
a() does b ... ok (2ms)

ok | 12 passed (3 steps) | 0 failed (1s)
ok | 99 passed in a test's own words
FAILED | 1 passed | 2 failed (1 step) | 4 ignored | 0 measured | 0 filtered out (12ms)
`;
  assert.deepEqual(tally(output), { passed: 13, failed: 2, ignored: 4 });
});

Deno.test("stepTally() counts a step that failed without a failed test", () => {
  assert.deepEqual(stepTally("error: Type checking failed.", 1), {
    passed: 0,
    failed: 1,
    ignored: 0,
  });
  assert.equal(stepTally("ok | 3 passed | 0 failed (1s)\nerror: leak", 1).failed, 1);
  assert.equal(stepTally("FAILED | 3 passed | 2 failed (1s)", 1).failed, 2);
  assert.equal(stepTally("ok | 3 passed | 0 failed (1s)", 0).failed, 0);
});

Deno.test("tallyLine() is the closing line that CI reads", () => {
  assert.equal(tallyLine({ passed: 5, failed: 0, ignored: 0 }), "5 passed, 0 failed");
  assert.equal(tallyLine({ passed: 5, failed: 1, ignored: 2 }), "5 passed, 1 failed, 2 skipped");
});
