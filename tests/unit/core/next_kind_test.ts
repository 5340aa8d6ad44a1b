import assert from "node:assert/strict";
import { type KindRecord, nextKind } from "../../../lib/core/next_kind.ts";

const NOW = new Date("2026-11-25T02:00:00Z");
const POLICY = { incremental: true, full_every_days: 7, max_chain: 3, max_chain_share: 50 };

/** Made `days` before NOW. */
function record(id: number, days: number, more: Partial<KindRecord> = {}): KindRecord {
  return {
    id,
    parent_id: null,
    backup_type: "FULL",
    backup_size: 1000,
    created_at: new Date(NOW.getTime() - days * 86_400_000).toISOString(),
    status: "completed",
    trigger: "auto",
    verify_status: "passed",
    ...more,
  };
}

/** Builds on the one before it. */
function increment(id: number, days: number, backup_size = 10): KindRecord {
  return record(id, days, { backup_type: "INCREMENTAL", parent_id: id - 1, backup_size });
}

const kindOf = (records: KindRecord[], policy = POLICY) => nextKind(records, policy, NOW).kind;

Deno.test("nextKind() builds on the newest full backup and what builds on it", () => {
  assert.equal(kindOf([record(1, 1)]), "incremental");
  assert.match(nextKind([record(1, 3), increment(2, 1)], POLICY, NOW).reason, /backup 2/);
});

Deno.test("nextKind() is full where that is not wanted, or nothing can be built on", () => {
  assert.equal(kindOf([record(1, 1)], { ...POLICY, incremental: false }), "full");
  assert.equal(kindOf([]), "full");
  for (
    const more of [
      { status: "partial" as const },
      { status: "failed" as const },
      { trigger: "safety" as const },
      { backup_type: "DATA_ONLY" as const },
      { verify_status: "failed" as const },
    ]
  ) assert.equal(kindOf([record(1, 1, more)]), "full", JSON.stringify(more));
  assert.equal(kindOf([increment(2, 1)]), "full", "its base is not there");
});

Deno.test("nextKind() is full once the last full one is old enough", () => {
  assert.equal(kindOf([record(1, 6.9), increment(2, 1)]), "incremental");
  assert.equal(kindOf([record(1, 7), increment(2, 1)]), "full");
  assert.equal(kindOf([record(1, 70)], { ...POLICY, full_every_days: 0 }), "incremental");
});

Deno.test("nextKind() is full once the chain is long or large enough", () => {
  const chain = [record(1, 4), increment(2, 3), increment(3, 2), increment(4, 1)];
  assert.equal(kindOf(chain.slice(0, 3)), "incremental");
  assert.equal(kindOf(chain), "full");
  assert.equal(kindOf(chain, { ...POLICY, max_chain: 0 }), "incremental");
  assert.equal(kindOf([record(1, 2), increment(2, 1, 500)]), "incremental");
  assert.equal(kindOf([record(1, 2), increment(2, 1, 501)]), "full");
  const any = { ...POLICY, max_chain_share: 0 };
  assert.equal(kindOf([record(1, 2), increment(2, 1, 5000)], any), "incremental");
});
