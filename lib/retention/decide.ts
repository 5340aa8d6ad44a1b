/**
 * Which backups stay and which go.
 *
 *   per stack: keep what is protected, what a rule keeps, what is young, and whatever those need;
 *   too many at once past their time: only what really aged goes, the rest is held;
 *   over the size limit: the oldest go that are not protected;
 *   again with what is left, until nothing more goes: a second prune finds nothing to do.
 */
import type { Candidate, Circumstances, Decision, RetentionPolicy, Verdict } from "./policy.ts";
import { bytesOf, isSoft, overLimit } from "./size_limit.ts";
import { StackDecision } from "./stack_decision.ts";
import { ObservedTime } from "./ages.ts";
import { timeOf } from "./good.ts";

/** Decides on all records of a home (all stacks: the size limit is of all of them). Pure. */
export function decide(
  records: Candidate[],
  policy: RetentionPolicy,
  circumstances: Circumstances,
): Decision {
  const settled = new Map<number, Verdict>();
  for (let rest = records;;) {
    const pass = onePass(rest, policy, circumstances);
    const gone = new Map(
      pass.filter(({ action }) => action !== "keep").map((verdict) => [verdict.backup.id, verdict]),
    );
    for (const verdict of gone.values()) settled.set(verdict.backup.id, verdict);
    if (gone.size === 0) return summary(records, pass, settled, policy, circumstances);
    rest = rest.filter(({ id }) => gone.get(id)?.action !== "remove")
      .map((record) => gone.has(record.id) ? { ...record, file_exists: false } : record);
  }
}

function onePass(
  records: Candidate[],
  policy: RetentionPolicy,
  circumstances: Circumstances,
): Verdict[] {
  const now = circumstances.now.getTime();
  const seen = [now, ...circumstances.seen.map(Date.parse), ...records.map(timeOf)];
  const time = new ObservedTime(seen.filter((at) => at <= now));
  const decisions = [...Map.groupBy(records, ({ stack }) => stack)].map(([stack, of_stack]) => {
    // What does not go now is decided on all the same: the size limit counts what stays.
    const chosen = circumstances.stack === null || circumstances.stack === stack;
    return { chosen, decision: new StackDecision(of_stack, policy, circumstances, time) };
  });
  const verdicts = decisions.flatMap(({ chosen, decision }) =>
    chosen ? decision.verdicts() : decision.verdicts().map(kept)
  );
  if (policy.max_total_bytes > 0) applyLimit(records, verdicts, policy, circumstances);
  return verdicts;
}

/** Without a reason: it waits for a prune of its own stack. */
function kept(verdict: Verdict): Verdict {
  return verdict.action === "keep" ? verdict : { ...verdict, action: "keep", reasons: [] };
}

function applyLimit(
  records: Candidate[],
  verdicts: Verdict[],
  policy: RetentionPolicy,
  { stack }: Circumstances,
) {
  const keeping = new Map(
    verdicts.filter(({ action, reasons }) => action === "keep" && reasons.length > 0)
      .map((one) => [one.backup.id, one]),
  );
  const mayGo = (record: Candidate) =>
    (stack === null || record.stack === stack) &&
    isSoft(keeping.get(record.id)!.reasons.map(({ rule }) => rule));
  const remaining = [...keeping.values()].map(({ backup }) => backup);
  for (const { id } of overLimit(remaining, policy.max_total_bytes, records, mayGo)) {
    const verdict = keeping.get(id)!;
    verdict.action = "remove";
    verdict.reasons = [{ rule: "size", text: "the oldest beyond the total size limit" }];
  }
}

function summary(
  records: Candidate[],
  last: Verdict[],
  settled: Map<number, Verdict>,
  policy: RetentionPolicy,
  { stack }: Circumstances,
): Decision {
  for (const verdict of last) {
    if (!settled.has(verdict.backup.id)) settled.set(verdict.backup.id, verdict);
  }
  const all = records.map(({ id }) => settled.get(id)!);
  const kept_bytes = all.filter(({ action }) => action === "keep")
    .reduce((sum, { backup }) => sum + bytesOf(backup), 0);
  const verdicts = all.filter(({ backup }) => stack === null || backup.stack === stack);
  return {
    verdicts,
    held: verdicts.filter(({ reasons }) => reasons.some(({ rule }) => rule === "held"))
      .map(({ backup }) => backup.id),
    kept_bytes,
    over_limit_bytes: policy.max_total_bytes > 0
      ? Math.max(0, kept_bytes - policy.max_total_bytes)
      : 0,
  };
}
