import assert from "node:assert/strict";
import { resolveSettings } from "../../../lib/config/settings.ts";
import type { BackupRecord } from "../../../lib/core/model.ts";
import { overdueOf } from "../../../lib/operations/overdue.ts";

const stack = { name: "shop", registered_at: "2026-01-01T00:00:00.000Z" };

function made(at: string, change: Partial<BackupRecord> = {}): BackupRecord {
  return {
    stack: "shop",
    status: "completed",
    trigger: "auto",
    verify_status: "passed",
    created_at: at,
    completed_at: at,
    ...change,
  } as BackupRecord;
}

function overdue(stored: Record<string, unknown>, records: BackupRecord[], now: string) {
  const settings = resolveSettings(
    { auto_backup_grace_minutes: 0, auto_backup_spread_minutes: 0, ...stored },
    { home: "/srv", timezone: "UTC" },
  );
  return overdueOf(stack, records, settings, new Date(now));
}

Deno.test("overdueOf() counts hours from the last good backup", () => {
  const hours = { "notify.overdue_hours": 24 };
  const records = [made("2026-01-05T02:00:00.000Z"), made("2026-01-04T02:00:00.000Z")];
  assert.equal(overdue(hours, records, "2026-01-06T01:59:00Z"), null);
  const found = overdue(hours, records, "2026-01-06T02:00:00Z");
  assert.equal(found?.since, "2026-01-06T02:00:00.000Z");
  assert.equal(found?.last, "2026-01-05T02:00:00.000Z");
});

Deno.test("overdueOf() takes for good neither what failed nor what is damaged, partial or a rollback's", () => {
  const hours = { "notify.overdue_hours": 24 };
  const bad: Partial<BackupRecord>[] = [
    { status: "failed" },
    { status: "partial" },
    { status: "running", completed_at: null },
    { verify_status: "failed" },
    { trigger: "safety" },
    { stack: "other" },
  ];
  for (const change of bad) {
    const records = [made("2026-01-05T02:00:00.000Z", change)];
    const found = overdue(hours, records, "2026-01-05T03:00:00Z");
    assert.equal(found?.last, null, JSON.stringify(change));
  }
});

Deno.test("overdueOf() takes a chain's full copy for as old as what it holds", () => {
  const hours = { "notify.overdue_hours": 24 };
  const copy = {
    completed_at: "2026-01-06T01:00:00.000Z",
    backup_metadata: { consolidated_from: ["a", "b"] } as BackupRecord["backup_metadata"],
  };
  const records = [made("2026-01-05T02:00:00.000Z"), made("2026-01-05T02:00:00.000Z", copy)];
  const found = overdue(hours, records, "2026-01-06T02:00:00Z");
  assert.equal(found?.last, "2026-01-05T02:00:00.000Z");
});

Deno.test("overdueOf() goes by the schedule where there is no limit: one run may be missed", () => {
  const daily = { auto_backup_enabled: true, auto_backup_schedule: "0 2 * * *" };
  const records = [made("2026-01-05T02:05:00.000Z")];
  assert.equal(overdue(daily, records, "2026-01-06T12:00:00Z"), null);
  assert.equal(overdue(daily, records, "2026-01-07T02:59:00Z"), null);
  assert.equal(overdue(daily, records, "2026-01-07T03:00:00Z")?.since, "2026-01-07T03:00:00.000Z");
  const weekly = { ...daily, auto_backup_schedule: "0 2 * * 0" };
  assert.equal(overdue(weekly, records, "2026-01-17T12:00:00Z"), null);
  assert.notEqual(overdue(weekly, records, "2026-01-18T12:00:00Z"), null);
  assert.equal(overdue({}, [], "2030-01-01T00:00:00Z"), null);
});
