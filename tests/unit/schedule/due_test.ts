import assert from "node:assert/strict";
import { dueRuns } from "../../../lib/schedule/due.ts";
import { withoutDead } from "../../../lib/schedule/runs.ts";
import { backups, MINUTE, Simulation } from "./support.ts";

/** Runs that begin between two moments, UTC, of a daemon that is awake all the time. */
function runs(schedule: string, timezone: string, from: string, to: string): string[] {
  const simulation = new Simulation(backups(schedule, timezone));
  simulation.run(from, to);
  return simulation.times;
}

Deno.test("dueRuns() runs 02:30 once a day through both changes of the clock [case 35]", () => {
  const table: [string, string, string, string, string[]][] = [
    // Berlin, 29 March: 02:00 to 03:00 does not exist; at the first moment after the gap.
    [
      ...["30 2 * * *", "Europe/Berlin"] as const,
      ...["2026-03-27T22:00Z", "2026-03-30T12:00Z"] as const,
      ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
    ],
    // Berlin, 25 October: 02:00 to 03:00 comes twice; the first time.
    [
      ...["30 2 * * *", "Europe/Berlin"] as const,
      ...["2026-10-23T22:00Z", "2026-10-26T12:00Z"] as const,
      ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
    ],
    [
      ...["30 2 * * *", "America/New_York"] as const,
      ...["2026-03-07T05:00Z", "2026-03-09T12:00Z"] as const,
      ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"],
    ],
    [
      ...["30 1 * * *", "America/New_York"] as const,
      ...["2026-10-31T04:00Z", "2026-11-02T12:00Z"] as const,
      ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"],
    ],
    // Lord Howe changes by half an hour: 02:00 to 02:30 does not exist on 4 October ...
    [
      ...["15 2 * * *", "Australia/Lord_Howe"] as const,
      ...["2026-10-02T13:00Z", "2026-10-04T20:00Z"] as const,
      ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"],
    ],
    // ... and 01:30 to 02:00 comes twice on 5 April.
    [
      ...["45 1 * * *", "Australia/Lord_Howe"] as const,
      ...["2026-04-03T13:00Z", "2026-04-05T20:00Z"] as const,
      ["2026-04-03T14:45", "2026-04-04T14:45", "2026-04-05T15:15"],
    ],
    // A list of times is as fixed as one; midnight may be what does not exist.
    [
      ...["30 2,14 * * *", "Europe/Berlin"] as const,
      ...["2026-10-24T22:00Z", "2026-10-25T20:00Z"] as const,
      ["2026-10-25T00:30", "2026-10-25T13:30"],
    ],
    [
      ...["@daily", "America/Santiago"] as const,
      ...["2026-09-05T00:00Z", "2026-09-07T12:00Z"] as const,
      ["2026-09-05T04:00", "2026-09-06T04:00", "2026-09-07T03:00"],
    ],
  ];
  for (const [schedule, zone, from, to, expected] of table) {
    assert.deepEqual(runs(schedule, zone, from, to), expected, `${schedule} ${zone} ${from}`);
  }
});

Deno.test("dueRuns() keeps the distance of intervals through both changes of the clock", () => {
  const hours = (from: string, to: string) => runs("0 * * * *", "Europe/Berlin", from, to).length;
  assert.equal(hours("2026-03-28T20:30Z", "2026-03-29T06:30Z"), 10);
  assert.equal(hours("2026-10-24T20:30Z", "2026-10-25T06:30Z"), 10);
});

Deno.test("dueRuns() does not catch up what lies before a schedule was known", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2026-06-01T15:00Z", "2026-06-01T15:10Z");
  assert.deepEqual(simulation.times, []);
  simulation.plan = backups("0 4 * * *", "UTC"); // changed in the afternoon: from tomorrow on
  simulation.run("2026-06-01T15:15Z", "2026-06-02T05:00Z");
  assert.deepEqual(simulation.times, ["2026-06-02T04:00"]);
  simulation.plan = { ...simulation.plan, timezone: "Europe/Berlin" };
  simulation.run("2026-06-02T05:05Z", "2026-06-03T05:00Z");
  assert.deepEqual(simulation.times.slice(1), ["2026-06-03T02:00"]);
  simulation.plan = { ...simulation.plan, tasks: [] }; // off, and on again
  simulation.run("2026-06-03T05:05Z", "2026-06-04T12:00Z");
  simulation.plan = backups("0 4 * * *", "UTC");
  simulation.run("2026-06-04T12:05Z", "2026-06-05T05:00Z");
  assert.deepEqual(simulation.times.slice(2), ["2026-06-05T04:00"]);
});

Deno.test("dueRuns() catches up once what was missed, after the grace, each host at its own moment [case 36]", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2026-06-01T01:00Z", "2026-06-01T03:00Z");
  // Off for five days.
  simulation.run("2026-06-06T12:00Z", "2026-06-06T13:00Z", 1);
  simulation.run("2026-06-06T13:05Z", "2026-06-07T01:55Z");
  assert.equal(simulation.begun.length, 2);
  const [, late] = simulation.begun;
  assert.equal(late.slot, "2026-06-06T02:00:00.000Z");
  const wait = (Date.parse(late.at) - Date.parse("2026-06-06T12:00Z")) / MINUTE;
  assert.ok(wait >= 5 && wait <= 16, `${wait} minutes`);
  simulation.run("2026-06-07T02:00Z", "2026-06-07T03:00Z");
  assert.equal(simulation.times[2], "2026-06-07T02:00");
});

Deno.test("dueRuns() spreads the hosts that start together", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2026-06-01T01:00Z", "2026-06-01T01:05Z");
  const { state, plan } = simulation;
  const awake = { ...state, awake_since: "2026-06-02T12:00:00.000Z" };
  const first = (salt: string) => {
    for (let minute = 0;; minute++) {
      const now = new Date(Date.parse(awake.awake_since) + minute * MINUTE);
      if (dueRuns(plan, awake, now, { salt, beat_ms: MINUTE }).length > 0) return minute;
    }
  };
  const minutes = Array.from({ length: 200 }, (_, n) => first(`host${n}`));
  assert.ok(Math.min(...minutes) >= 5 && Math.max(...minutes) <= 15, minutes.join());
  assert.ok(new Set(minutes).size >= 10, minutes.join());
});

Deno.test("dueRuns() counts a run a few minutes late as on time", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2026-06-01T01:00Z", "2026-06-01T01:50Z");
  simulation.beat("2026-06-01T02:04Z"); // down for a quarter of an hour
  assert.deepEqual(simulation.times, ["2026-06-01T02:04"]);
});

Deno.test("dueRuns() runs once where the clock jumps ahead, and not again where it comes back [case 36]", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2026-06-01T01:00Z", "2026-06-01T02:30Z");
  assert.deepEqual(simulation.times, ["2026-06-01T02:00"]);
  // Ten years ahead for an hour: one catch-up, whatever lies between.
  simulation.run("2036-06-01T12:00Z", "2036-06-01T13:00Z");
  assert.equal(simulation.begun.length, 2);
  // And back: today's is done, tomorrow's comes.
  simulation.run("2026-06-01T03:30Z", "2026-06-03T03:00Z");
  assert.deepEqual(simulation.times.slice(2), ["2026-06-02T02:00", "2026-06-03T02:00"]);
});

Deno.test("dueRuns() does not run twice where the clock goes back a little", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2026-06-01T01:00Z", "2026-06-01T02:05Z");
  simulation.run("2026-06-01T01:30Z", "2026-06-01T04:00Z");
  assert.deepEqual(simulation.times, ["2026-06-01T02:00"]);
});

Deno.test("dueRuns() waits where a machine starts with a clock of long ago", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2026-06-01T01:00Z", "2026-06-01T02:30Z");
  simulation.run("1970-01-01T00:00Z", "1970-01-01T00:02Z"); // no battery, before NTP
  simulation.run("2026-06-01T12:00Z", "2026-06-01T20:00Z");
  assert.deepEqual(simulation.times, ["2026-06-01T02:00"]);
  simulation.run("2026-06-01T20:05Z", "2026-06-02T03:00Z");
  assert.deepEqual(simulation.times.slice(1), ["2026-06-02T02:00"]);
});

Deno.test("dueRuns() takes a daemon that was installed with a clock ahead", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.run("2036-06-01T12:00Z", "2036-06-01T12:10Z");
  simulation.run("2026-06-01T12:00Z", "2026-06-03T12:00Z");
  assert.deepEqual(simulation.times, ["2026-06-02T02:00", "2026-06-03T02:00"]);
});

Deno.test("dueRuns() tries again within the slot what time may mend, ever more rarely", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.outcome = ({ started_at }) =>
    started_at < "2026-06-01T02:20"
      ? { status: "failed", code: "DOCKER_UNREACHABLE" }
      : { status: "completed" };
  simulation.run("2026-06-01T01:50Z", "2026-06-01T02:40Z", 1);
  simulation.run("2026-06-01T02:41Z", "2026-06-02T01:50Z");
  assert.deepEqual(simulation.times.map((time) => time.slice(11)), [
    ...["02:00", "02:01", "02:03", "02:07", "02:15", "02:31"],
  ]);
  assert.deepEqual([...new Set(simulation.begun.map(({ slot }) => slot))], [
    "2026-06-01T02:00:00.000Z",
  ]);
});

Deno.test("dueRuns() leaves the slot after an error that stays, and after few chances else", () => {
  const failing = (code: string) => {
    const simulation = new Simulation(backups("0 2 * * *", "UTC"));
    simulation.outcome = () => ({ status: "failed", code });
    simulation.run("2026-06-01T01:50Z", "2026-06-01T20:00Z");
    return simulation.begun.length;
  };
  assert.equal(failing("HOOK_FAILED"), 1);
  assert.equal(failing("SOURCE_UNREADABLE"), 1);
  assert.equal(failing("START_FAILED"), 5);
  assert.ok(failing("DISK_FULL") > 15);
});

Deno.test("dueRuns() does again what was killed, without waiting for the grace", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC"));
  simulation.outcome = () => null;
  simulation.run("2026-06-01T01:50Z", "2026-06-01T02:00Z");
  simulation.state = withoutDead(simulation.state, new Date("2026-06-01T03:00Z"));
  assert.equal(simulation.state.runs[0].status, "died");
  simulation.outcome = () => ({ status: "completed" });
  simulation.run("2026-06-01T03:00Z", "2026-06-01T03:10Z", 1);
  assert.deepEqual(simulation.times, ["2026-06-01T02:00", "2026-06-01T03:00"]);
});

Deno.test("dueRuns() gives each stack its run, whatever becomes of the others", () => {
  const simulation = new Simulation(backups("0 2 * * *", "UTC", "blog", "shop", "wiki"));
  simulation.outcome = ({ stack }) =>
    stack === "blog" ? { status: "failed", code: "SOURCE_MISSING" } : { status: "completed" };
  simulation.run("2026-06-01T01:50Z", "2026-06-01T02:10Z");
  assert.deepEqual(simulation.begun.map(({ stack }) => stack), ["blog", "shop", "wiki"]);
});
