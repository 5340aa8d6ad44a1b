import assert from "node:assert/strict";
import type { EventKind } from "../../../lib/core/events.ts";
import { judgeAlerts } from "../../../lib/operations/judge_alerts.ts";
import { homeAt } from "../../../lib/repository/home.ts";
import {
  alertsDue,
  checkDue,
  noteCheck,
  spoolAlert,
  type SpooledAlert,
  spooledAlerts,
} from "../../../lib/repository/alert_spool.ts";

function alert(
  kind: EventKind,
  at: string,
  change: Partial<SpooledAlert> & { stack?: string | null } = {},
): SpooledAlert {
  const { stack = "shop", ...rest } = change;
  return {
    event: { kind, at, host: "h", stack, title: kind, message: "", backup_id: null },
    solves: [],
    only_if_solving: false,
    judged: false,
    repeated: false,
    done: [],
    not_before: at,
    tries: 0,
    ...rest,
  };
}

async function inHome(work: (home: ReturnType<typeof homeAt>) => void) {
  const dir = await Deno.makeTempDir({ prefix: "duckback-alerts-" });
  try {
    work(homeAt(dir));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("judgeAlerts() tells each trouble once in a while, and anew once it was over", () =>
  inHome((home) => {
    const judged = (one: SpooledAlert) => {
      judgeAlerts(home, [{ path: null, alert: one }], 12);
      return one.repeated;
    };
    const solves: EventKind[] = ["backup_failed"];
    const well = (at: string) => alert("recovered", at, { solves, only_if_solving: true });
    assert.equal(judged(well("2026-01-01T00:00:00Z")), true);
    assert.equal(judged(alert("backup_failed", "2026-01-01T02:00:00Z")), false);
    assert.equal(judged(alert("backup_failed", "2026-01-01T13:59:00Z")), true);
    assert.equal(judged(alert("backup_failed", "2026-01-01T03:00:00Z", { stack: "blog" })), false);
    assert.equal(judged(alert("backup_partial", "2026-01-01T03:00:00Z")), false);
    // Counted from when it was told, not from when it was last held back.
    assert.equal(judged(alert("backup_failed", "2026-01-01T14:00:00Z")), false);
    assert.equal(judged(well("2026-01-01T15:00:00Z")), false);
    assert.equal(judged(well("2026-01-01T16:00:00Z")), true);
    assert.equal(judged(alert("backup_failed", "2026-01-01T17:00:00Z")), false);
    assert.equal(judged(alert("backup_completed", "2026-01-01T18:00:00Z")), false);
    assert.equal(judged(alert("backup_completed", "2026-01-01T18:00:01Z")), false);
  }));

Deno.test("judgeAlerts() with 0 hours holds nothing back", () =>
  inHome((home) => {
    const alerts = [1, 2].map(() => alert("backup_failed", "2026-01-01T02:00:00Z"));
    judgeAlerts(home, alerts.map((one) => ({ path: null, alert: one })), 0);
    assert.deepEqual(alerts.map(({ repeated }) => repeated), [false, false]);
  }));

Deno.test("spooledAlerts() gives up what is too old, too much or no alert", () =>
  inHome((home) => {
    const now = new Date("2026-01-20T00:00:00.000Z");
    spoolAlert(home, alert("overdue", "2026-01-12T23:00:00.000Z"));
    for (let n = 0; n < 205; n++) {
      const at = new Date(now.getTime() - 86_400_000 + n * 1000).toISOString();
      spoolAlert(home, alert("backup_failed", at));
    }
    Deno.writeTextFileSync(`${home.alerts}/broken.json`, "{");
    const found = spooledAlerts(home, now);
    assert.equal(found.length, 200);
    assert.equal(found[0].alert.event.at, "2026-01-19T00:00:05.000Z");
    const files = [...Deno.readDirSync(home.alerts)];
    assert.equal(files.length, 200);
    for (const { name } of files) {
      assert.equal(Deno.statSync(`${home.alerts}/${name}`).mode! & 0o777, 0o600);
    }
    assert.equal(alertsDue(home, now), true);
    assert.equal(alertsDue(home, new Date("2026-01-18T00:00:00.000Z")), false);
  }));

Deno.test("checkDue() asks for a look once an hour, also after the clock went back", () =>
  inHome((home) => {
    const at = new Date("2026-01-20T00:00:00.000Z");
    assert.equal(checkDue(home, at), true);
    noteCheck(home, at);
    assert.equal(checkDue(home, new Date("2026-01-20T00:59:00.000Z")), false);
    assert.equal(checkDue(home, new Date("2026-01-20T01:00:00.000Z")), true);
    assert.equal(checkDue(home, new Date("2026-01-10T00:00:00.000Z")), true);
  }));
