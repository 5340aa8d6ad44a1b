/** What holds of every policy and every history; seeds are printed by fast-check where one fails. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decide } from "../../../lib/retention/decide.ts";
import type {
  Candidate,
  Circumstances,
  RetentionPolicy,
  Verdict,
} from "../../../lib/retention/policy.ts";
import { backup, DAY, NOTHING, NOW } from "./support.ts";

const count = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 }));
const days = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 11, max: 400 }));

const policies: fc.Arbitrary<RetentionPolicy> = fc.record({
  auto_days: days,
  manual_days: days,
  safety_days: days,
  failed_days: days,
  keep_last: count,
  keep_daily: count,
  keep_weekly: count,
  keep_monthly: count,
  keep_yearly: count,
  timezone: fc.constantFrom("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"),
  max_total_bytes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3000 })),
});

/** Mostly one a night, sometimes with a silence or a clock that jumps in between. */
const gaps = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 20, max: 28 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: -24 * 400, max: 24 * 400 }) },
);

const shapes = fc.record({
  gap: gaps,
  stack: fc.constantFrom("shop", "shop", "shop", "blog"),
  trigger: fc.constantFrom("auto", "auto", "auto", "manual", "pre-upgrade", "safety"),
  status: fc.constantFrom("completed", "completed", "completed", "partial", "failed", "running"),
  verify_status: fc.constantFrom("passed", "passed", "passed", null, "failed"),
  drill_status: fc.constantFrom(null, null, "passed", "failed"),
  backup_type: fc.constantFrom("FULL", "INCREMENTAL", "INCREMENTAL", "DATA_ONLY"),
  /** How many before it its parent is. */
  parent: fc.integer({ min: 1, max: 3 }),
  pinned: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  suspicious: fc.integer({ min: 0, max: 60 }),
  expires: fc.oneof(
    { weight: 5, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 90 }) },
  ),
  file_exists: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  own_place: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
  backup_size: fc.integer({ min: 0, max: 500 }),
});

/** Newest id first; dates follow the gaps, so that some lie in the future of NOW. */
const histories: fc.Arbitrary<Candidate[]> = fc.array(shapes, { maxLength: 40 }).map((list) => {
  let hours = -list.reduce((sum, { gap }) => sum + Math.max(0, gap), 0);
  const records: Candidate[] = [];
  for (const [n, shape] of list.entries()) {
    hours += shape.gap;
    const created = NOW.getTime() + hours * 3_600_000;
    const { gap: _gap, parent, suspicious, expires, ...rest } = shape;
    const base = records.filter((one) => one.stack === shape.stack).at(-parent);
    records.push(backup(n + 1, 0, {
      ...rest as Partial<Candidate>,
      created_at: new Date(created).toISOString(),
      parent_id: shape.backup_type === "INCREMENTAL" ? base?.id ?? null : null,
      suspicion: suspicious < 2 ? [{ code: "SHRUNK", message: "" }] : null,
      suspicion_cleared_at: suspicious === 0 ? NOW.toISOString() : null,
      expires_at: expires === null ? null : new Date(created + expires * DAY).toISOString(),
      backup_hash: shape.status === "failed" && shape.verify_status !== "failed" ? null : "00",
    }));
  }
  return records.reverse();
});

const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  now: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 48 }) },
    { weight: 1, arbitrary: fc.integer({ min: -24 * 500, max: 24 * 30_000 }) },
  ).map((hours) => new Date(NOW.getTime() + hours * 3_600_000)),
  seen: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 20 })
    .map((list) => list.map((n) => new Date(NOW.getTime() - n * DAY).toISOString())),
  stack: fc.constantFrom(null, null, "shop"),
  force: fc.boolean(),
});

type Case = [Candidate[], RetentionPolicy, Circumstances];

function holds(check: (...input: Case) => void) {
  fc.assert(fc.property(histories, policies, circumstances, check), { numRuns: 150 });
}

function gone(verdicts: Verdict[]): Candidate[] {
  return verdicts.filter(({ action }) => action === "remove").map(({ backup }) => backup);
}

/** The records as a prune would leave them. */
function after(records: Candidate[], verdicts: Verdict[]): Candidate[] {
  const action = new Map(verdicts.map((verdict) => [verdict.backup.id, verdict.action]));
  return records.filter(({ id }) => action.get(id) !== "remove").map((record) =>
    action.get(record.id) === "remove_files" ? { ...record, file_exists: false } : record
  );
}

function restorable(record: Candidate, all: Candidate[]): boolean {
  const byId = new Map(all.map((one) => [one.id, one]));
  if (record.own_place || record.trigger === "safety") return false;
  if (record.status !== "completed" || record.verify_status !== "passed") return false;
  for (let one: Candidate | undefined = record; one; one = byId.get(one.parent_id!)) {
    if (!one.file_exists || one.verify_status === "failed") return false;
    if (one.parent_id === null) return true;
  }
  return false;
}

Deno.test("decide() never removes the last good one of a stack, whatever policy and history", () => {
  holds((records, policy, here) => {
    const left = after(records, decide(records, policy, here).verdicts);
    for (const data of [false, true]) {
      for (const stack of ["shop", "blog"]) {
        const good = (all: Candidate[]) =>
          all.filter((one) =>
            one.stack === stack && (data || one.backup_type !== "DATA_ONLY") && restorable(one, all)
          );
        const [before, now] = [good(records), good(left)];
        assert.equal(before.length > 0, now.length > 0);
        // It is the newest: none that is gone is newer than what stays, in order of making.
        const newest = Math.max(...before.map(({ id }) => id));
        const drilled = before.some(({ drill_status }) => drill_status === "failed");
        if (!data && !drilled && before.length > 0) assert.ok(now.some(({ id }) => id === newest));
      }
    }
  });
});

Deno.test("decide() never leaves a backup without something it needs", () => {
  holds((records, policy, here) => {
    const left = after(records, decide(records, policy, here).verdicts);
    const ids = new Set(left.map(({ id }) => id));
    const known = new Set(records.map(({ id }) => id));
    for (const { parent_id, status, file_exists, backup_hash } of left) {
      // A run that failed and left nothing needs nothing.
      if (status === "failed" && (!file_exists || backup_hash === null)) continue;
      if (parent_id !== null && known.has(parent_id)) assert.ok(ids.has(parent_id));
    }
  });
});

Deno.test("decide() never removes what is pinned, running, of the future, or of a suspicious stack", () => {
  holds((records, policy, here) => {
    const suspicious = new Set(
      records.filter((one) => one.suspicion && !one.suspicion_cleared_at).map(({ stack }) => stack),
    );
    for (const one of gone(decide(records, policy, here).verdicts)) {
      assert.ok(!one.pinned && one.status !== "running" && !suspicious.has(one.stack));
      assert.ok(Date.parse(one.created_at) <= here.now.getTime());
      assert.ok(here.stack === null || one.stack === here.stack);
      // And never a file it does not own or cannot see.
      assert.ok(one.status === "failed" || one.file_exists && !one.own_place);
    }
  });
});

Deno.test("decide() is idempotent: a second prune finds nothing to do", () => {
  holds((records, policy, here) => {
    const left = after(records, decide(records, policy, here).verdicts);
    const again = decide(left, policy, here).verdicts;
    assert.deepEqual(again.filter(({ action }) => action !== "keep"), []);
  });
});

Deno.test("decide() gives each record of the stack one verdict with a reason", () => {
  holds((records, policy, here) => {
    const { verdicts } = decide(records, policy, here);
    const wanted = records.filter(({ stack }) => here.stack === null || stack === here.stack);
    assert.deepEqual(verdicts.map(({ backup }) => backup.id), wanted.map(({ id }) => id));
    assert.ok(verdicts.every(({ reasons }) => reasons.length > 0));
  });
});

Deno.test("decide() keeps at least as much where a rule is raised", () => {
  const rules = [
    "auto_days",
    "manual_days",
    "safety_days",
    "failed_days",
    "keep_last",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_yearly",
  ] as const;
  fc.assert(
    fc.property(histories, policies, circumstances, fc.constantFrom(...rules), (...input) => {
      const [records, policy, here, rule] = input;
      const before = { ...policy, max_total_bytes: 0 };
      const more = { ...before, [rule]: before[rule] + 1 };
      // The brake is off: that it no longer has to hold anything is no loss.
      const calm = { ...here, force: true };
      const kept = (with_policy: RetentionPolicy) =>
        after(records, decide(records, with_policy, calm).verdicts).map(({ id }) => id);
      const raised = new Set(kept(more));
      const lost = kept(before).filter((id) => !raised.has(id));
      // "The oldest while the number is not reached" is a place that only this rule gives.
      assert.deepEqual(lost, []);
    }),
    { numRuns: 150 },
  );
});

Deno.test("decide() lets failed runs, other stacks and misdated backups take nobody's place", () => {
  const extra = fc.constantFrom(
    backup(900, 0.5, { status: "failed", file_exists: false, backup_hash: null }),
    backup(900, 0.5, { stack: "third" }),
    backup(900, -36_500),
    backup(900, 0.5, { file_exists: false }),
    backup(900, 0.5, { own_place: true }),
    backup(900, 0.5, { trigger: "safety" }),
    backup(900, 0.5, { status: "running" }),
  );
  fc.assert(
    fc.property(histories, policies, circumstances, extra, (records, policy, here, one) => {
      const calm = {
        ...here,
        now: new Date(NOW.getTime() + DAY),
        seen: [...here.seen, one.created_at],
      };
      const no_limit = { ...policy, max_total_bytes: 0 };
      const ids = (all: Candidate[]) =>
        after(all, decide(all, no_limit, calm).verdicts).map(({ id }) => id)
          .filter((id) => id !== 900);
      assert.deepEqual(ids([one, ...records]), ids(records));
    }),
    { numRuns: 150 },
  );
});

Deno.test("decide() removes at most one night's worth and a quarter after a silence of any length", () => {
  fc.assert(
    fc.property(days, fc.integer({ min: 5, max: 30_000 }), count, (auto_days, jump, keep_last) => {
      const policy = { ...NOTHING, auto_days, keep_last };
      const here = {
        now: new Date(NOW.getTime() + jump * DAY),
        seen: [],
        stack: null,
        force: false,
      };
      const nights = Array.from({ length: 20 }, (_, n) => backup(20 - n, n));
      const before = after(nights, decide(nights, policy, { ...here, now: NOW }).verdicts);
      const all = [backup(21, -jump), ...before];
      const lost = gone(decide(all, policy, here).verdicts).length;
      assert.ok(
        lost <= 1 + Math.max(1, Math.floor(all.length / 4)),
        `${lost} of ${all.length} lost`,
      );
    }),
    { numRuns: 150 },
  );
});

Deno.test("decide() keeps archives under the size limit, or all that is left is protected", () => {
  holds((records, policy, here) => {
    const decision = decide(records, policy, { ...here, stack: null });
    if (decision.over_limit_bytes === 0) return;
    const soft = ["days", "expires", "last", "daily", "weekly", "monthly", "yearly", "held"];
    const left = decision.verdicts.filter(({ action, backup, reasons }) =>
      action === "keep" && backup.file_exists && !backup.own_place &&
      (backup.backup_size ?? 0) > 0 && reasons.every(({ rule }) => soft.includes(rule))
    );
    assert.deepEqual(left.map(({ backup }) => backup.id), []);
  });
});
