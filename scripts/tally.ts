/** Adds up what runs of `deno test` say at their end. */

export interface Tally {
  passed: number;
  failed: number;
  ignored: number;
}

const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/;

/**
 * Given output without colours, sums the closing lines of all runs in it, which look like
 * "ok | 12 passed (3 steps) | 0 failed (1s)".
 */
export function tally(output: string): Tally {
  const sum: Tally = { passed: 0, failed: 0, ignored: 0 };
  for (const line of output.split("\n")) {
    const match = line.match(SUMMARY);
    if (!match) continue;
    sum.passed += Number(match[1]);
    sum.failed += Number(match[2]);
    sum.ignored += Number(match[3] ?? 0);
  }
  return sum;
}

/**
 * The tally of one step that ended with `code`: a step that failed without a failed test (a type
 * error, no tests found, a crash) counts as one failure, so that no failure is ever lost.
 */
export function stepTally(output: string, code: number): Tally {
  const sum = tally(output);
  if (code !== 0 && sum.failed === 0) sum.failed = 1;
  return sum;
}

/** "12 passed, 0 failed", with ", 1 skipped" where something was. */
export function tallyLine({ passed, failed, ignored }: Tally): string {
  return `${passed} passed, ${failed} failed${ignored > 0 ? `, ${ignored} skipped` : ""}`;
}
