import assert from "node:assert/strict";
import { decide } from "../../../lib/retention/decide.ts";
import type { Candidate, Circumstances, RetentionPolicy } from "../../../lib/retention/policy.ts";
import { backup, DAY, HERE, nightly, NOTHING, NOW } from "./support.ts";

function kept(
  records: Candidate[],
  policy: Partial<RetentionPolicy> = {},
  circumstances: Partial<Circumstances> = {},
): number[] {
  const { verdicts } = decide(records, { ...NOTHING, ...policy }, { ...HERE, ...circumstances });
  return verdicts.filter(({ action }) => action === "keep").map(({ backup }) => backup.id);
}

function reasons(records: Candidate[], policy: Partial<RetentionPolicy> = {}, circumstances = {}) {
  const { verdicts } = decide(records, { ...NOTHING, ...policy }, { ...HERE, ...circumstances });
  return Object.fromEntries(verdicts.map(({ backup, action, reasons }) => [
    backup.id,
    `${action}: ${reasons.map(({ rule }) => rule).join(" ")}`,
  ]));
}

Deno.test("decide() keeps automatic and manual backups for their own days, counted from the newest", () => {
  const records = [
    backup(9, 0),
    backup(8, 6, { trigger: "manual" }),
    backup(7, 7),
    backup(6, 7.1),
    backup(5, 29, { trigger: "pre-upgrade" }),
    backup(4, 31, { trigger: "manual" }),
  ];
  const policy = { auto_days: 7, manual_days: 30 };
  assert.deepEqual(kept(records, policy, { force: true }), [9, 8, 7, 5]);
  // A year later, with nothing new: still counted from the newest.
  const now = new Date(NOW.getTime() + 365 * DAY);
  assert.deepEqual(kept(records, policy, { force: true, now }), [9, 8, 7, 5]);
});

Deno.test("decide() says why each stays and goes", () => {
  const records = [
    backup(12, 0, { status: "running", verify_status: null, file_exists: false }),
    backup(11, 0.5, { status: "failed", file_exists: false, backup_hash: null }),
    backup(10, 1),
    backup(9, 2, { trigger: "safety" }),
    backup(8, 5, { pinned: true }),
    backup(7, 6, { own_place: true }),
    backup(6, 7, { file_exists: false }),
    backup(5, 8, { status: "failed", backup_hash: null }),
    backup(4, 9, { verify_status: "failed" }),
    backup(3, 40, { trigger: "safety" }),
    backup(2, 41, { status: "failed", file_exists: false }),
    backup(1, -3),
  ];
  const policy = { auto_days: 3, safety_days: 7, failed_days: 10, keep_last: 1 };
  assert.deepEqual(reasons(records, policy, { seen: everyDay(50) }), {
    12: "keep: running",
    11: "keep: failed",
    10: "keep: newest last days",
    9: "keep: safety",
    8: "keep: pinned",
    7: "keep: own_place",
    6: "keep: missing",
    5: "remove_files: failed_files",
    4: "remove: past",
    3: "remove: past",
    2: "remove: failed_past",
    1: "keep: future",
  });
});

Deno.test("decide() counts days, ISO weeks, months and years in the user's zone", () => {
  const at = (id: number, created_at: string) => backup(id, 0, { created_at });
  const records = [
    at(9, "2026-03-30T00:30:00Z"), // Berlin: 30 March, Monday
    at(8, "2026-03-29T22:30:00Z"), // Berlin (after the change to summer time): 30 March
    at(7, "2026-03-29T21:30:00Z"), // Berlin: 29 March, Sunday
    at(6, "2026-03-28T23:30:00Z"), // Berlin: 29 March
    at(5, "2026-03-22T23:30:00Z"), // Berlin: 23 March, Monday
    at(4, "2026-01-01T00:30:00Z"), // 2026-W01
    at(3, "2025-12-31T23:30:00Z"), // Berlin: 1 January 2026; UTC: 31 December
    at(2, "2025-12-28T12:00:00Z"), // 2025-W52
    at(1, "2024-12-30T12:00:00Z"), // 2025-W01
  ];
  const berlin = { timezone: "Europe/Berlin" };
  const ids = (policy: Partial<RetentionPolicy>) =>
    kept(records, policy, { force: true }).filter((id) => id !== 9);
  assert.deepEqual(ids({ ...berlin, auto_days: 0, keep_daily: 3 }), [7, 5]);
  assert.deepEqual(ids({ auto_days: 0, keep_daily: 3 }), [8, 6]);
  assert.deepEqual(ids({ ...berlin, auto_days: 0, keep_weekly: 4 }), [7, 4, 2]);
  assert.deepEqual(ids({ ...berlin, auto_days: 0, keep_monthly: 3 }), [4, 2]);
  assert.deepEqual(ids({ auto_days: 0, keep_yearly: 2 }), [3]);
  // Fewer periods than wanted: the oldest stays, so that history grows.
  assert.deepEqual(ids({ auto_days: 0, keep_yearly: 10 }), [3, 1]);
});

Deno.test("decide() lets a partial backup stand for its day only where there is no completed one", () => {
  const records = [
    backup(4, 0),
    backup(3, 1.0, { status: "partial" }),
    backup(2, 1.1),
    backup(1, 2, { status: "partial" }),
  ];
  const policy = { auto_days: 0, keep_daily: 3 };
  assert.deepEqual(kept(records, policy, { force: true }), [4, 2, 1]);
  assert.deepEqual(kept(records, { auto_days: 0, keep_last: 2 }, { force: true }), [4, 2]);
});

Deno.test("decide() keeps the newest verified one through many failed and unproved nights", () => {
  const failed = nightly(60, 1, { status: "failed", file_exists: false, verify_status: null });
  const good = backup(7, 61);
  const older = backup(6, 62);
  const left = kept([...failed, good, older], { auto_days: 1, failed_days: 3 });
  assert.ok(left.includes(7));
  const unverified = nightly(60, 1, { verify_status: null });
  assert.ok(kept([...unverified, good], {}, { force: true }).includes(7), "verified beats newer");
  const drilled = [
    backup(9, 1, { drill_status: "failed" }),
    backup(8, 2, { drill_status: "passed" }),
  ];
  assert.deepEqual(kept([...drilled, good], { auto_days: 0 }, { force: true }), [9, 8]);
});

Deno.test("decide() takes data alone for no substitute of a whole backup", () => {
  const data = nightly(20, 0, { backup_type: "DATA_ONLY" });
  const full = backup(1, 100);
  const left = kept([...data, full], { auto_days: 3 }, { force: true });
  assert.deepEqual(left, [1000, 999, 998, 997, 1]);
  // With a newer whole one the last of data alone may go.
  assert.deepEqual(kept([backup(2000, 0), backup(5, 30, { backup_type: "DATA_ONLY" })]), [2000]);
});

Deno.test("decide() keeps the bases of what it keeps, and does not call a broken chain good", () => {
  const records = [
    backup(5, 1, { backup_type: "INCREMENTAL", parent_id: 4 }),
    backup(4, 20, { backup_type: "INCREMENTAL", parent_id: 3 }),
    backup(3, 40),
    backup(2, 41),
  ];
  assert.deepEqual(kept(records, {}, { force: true }), [5, 4, 3]);
  const broken = records.filter(({ id }) => id !== 3);
  assert.ok(kept(broken, {}, { force: true }).includes(2), "the last one that can be restored");
  const damaged = records.map((one) =>
    one.id === 3 ? { ...one, verify_status: "failed" as const } : one
  );
  assert.ok(kept(damaged, {}, { force: true }).includes(2), "a damaged base is no base");
});

Deno.test("decide() removes nothing of a stack while a suspicion stands, until it is cleared", () => {
  const suspicious = backup(2000, 0, {
    suspicion: [{ code: "SHRUNK", message: "half as large" }],
  });
  const records = [suspicious, ...nightly(50, 1), backup(3, 60, { stack: "other" })];
  const policy = { max_total_bytes: 1 };
  assert.equal(kept(records, policy, { force: true }).length, records.length);
  const cleared = { ...suspicious, suspicion_cleared_at: NOW.toISOString() };
  assert.deepEqual(kept([cleared, ...records.slice(1)], policy, { force: true }), [2000, 3]);
});

Deno.test("decide() follows expires_at in both directions", () => {
  const until = (days: number) => new Date(NOW.getTime() + days * DAY).toISOString();
  const records = [
    backup(4, 0),
    backup(3, 1, { expires_at: until(-0.1) }),
    backup(2, 50, { expires_at: until(10) }),
    backup(1, 60, { expires_at: until(-1) }),
  ];
  const policy = { auto_days: 7, keep_last: 3 };
  assert.deepEqual(kept(records, policy, { force: true }), [4, 2]);
  assert.deepEqual(kept([records[3]], policy, { force: true }), [1], "the last good one");
});

Deno.test("decide() empties a size limit from its old end, never into what is protected", () => {
  const chain = [
    backup(6, 9, { backup_type: "INCREMENTAL", parent_id: 5 }),
    backup(5, 10, { backup_type: "INCREMENTAL", parent_id: 4 }),
    backup(4, 11),
  ];
  const records = [...nightly(3, 0), ...chain, backup(2, 30, { pinned: true })];
  const policy = { auto_days: 100 };
  const with_limit = (max_total_bytes: number) => kept(records, { ...policy, max_total_bytes });
  assert.deepEqual(with_limit(800), [1000, 999, 998, 997, 6, 5, 4, 2]);
  assert.deepEqual(with_limit(799), [1000, 999, 998, 997, 5, 4, 2], "a chain from its end");
  assert.deepEqual(with_limit(500), [1000, 999, 998, 997, 2]);
  assert.deepEqual(with_limit(1), [1000, 2]);
  const { over_limit_bytes } = decide(records, { ...NOTHING, ...policy, max_total_bytes: 1 }, HERE);
  assert.equal(over_limit_bytes, 199);
});

Deno.test("decide() counts other stacks for the size limit, but removes only of the one asked for", () => {
  const records = [
    ...nightly(2, 0),
    ...nightly(2, 0, { stack: "other" }).map((one, n) => ({
      ...one,
      id: 10 - n,
    })),
  ];
  const policy = { ...NOTHING, auto_days: 100, max_total_bytes: 400 };
  const { verdicts } = decide(records, policy, { ...HERE, stack: "other" });
  assert.deepEqual(
    verdicts.map(({ backup, action }) => [backup.id, action]),
    [[10, "keep"], [9, "remove"], [8, "remove"]],
  );
});

Deno.test("decide() removes no more than one night's worth after the clock jumped or the power was off", () => {
  const policy = { auto_days: 7, manual_days: 30 };
  const before = nightly(8, 1).map((one) => ({ ...one, id: one.id - 500 }));
  const byHand = nightly(29, 10, { trigger: "manual" });
  for (const days of [9, 40, 365 * 73]) {
    const jumped = new Date(NOW.getTime() + days * DAY);
    const first = backup(2000, -days);
    const left = kept([first, ...before, ...byHand], policy, { now: jumped });
    assert.ok(
      left.length >= before.length + byHand.length - 1,
      `${days} days: ${left.length} left`,
    );
    const forced = kept([first, ...before, ...byHand], policy, { now: jumped, force: true });
    assert.ok(forced.length < left.length, "--force counts by the calendar");
  }
  // The clock is right again: what it misdated takes part in nothing.
  const misdated = backup(2000, -365 * 73);
  assert.deepEqual(kept([misdated, ...before], policy), [2000, ...before.map(({ id }) => id)]);
  // And back to 1970, where everything lies in the future.
  assert.equal(kept(before, policy, { now: new Date(0) }).length, before.length);
});

Deno.test("decide() holds a sudden change of policy only where the days were not seen to pass", () => {
  const records = nightly(29, 0);
  assert.equal(kept(records, { auto_days: 7 }).length, 8, "a home that worked every night");
  // One backup a month, 12 of them found by the first prune ever: one cannot know.
  const monthly = Array.from({ length: 12 }, (_, n) => backup(100 - n, n * 31));
  const decision = decide(monthly, { ...NOTHING, auto_days: 30 }, HERE);
  assert.equal(decision.held.length, 11);
  assert.equal(kept(monthly, { auto_days: 30 }, { force: true }).length, 1);
  // In their usual rhythm they go one by one.
  assert.deepEqual(kept(monthly.slice(0, 2), { auto_days: 30 }), [100]);
});

Deno.test("decide() keeps the archive of a failed verification until a newer backup is good", () => {
  const bad = { status: "failed", verify_status: "failed" } as const;
  assert.deepEqual(reasons([backup(2, 5, bad), backup(1, 9)], { failed_days: 30 }), {
    2: "keep: failed",
    1: "keep: newest days",
  });
  assert.equal(
    reasons([backup(3, 1), backup(2, 5, bad)], { failed_days: 30 })[2],
    "remove_files: failed_files",
  );
});

/** Instants of a home that did something each of the last days. */
function everyDay(days: number): string[] {
  return Array.from({ length: days }, (_, n) => new Date(NOW.getTime() - n * DAY).toISOString());
}
