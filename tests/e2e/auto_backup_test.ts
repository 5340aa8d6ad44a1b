/** The scheduler (issue 7): its commands, and the daemon with everything that can happen to it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import type { RunEntry, ScheduleState } from "../../lib/schedule/state.ts";
import { createSampleStack } from "../fixtures/docker.ts";
import { EngineProxy } from "../fixtures/engine_proxy.ts";
import {
  auditRows,
  finished,
  names,
  Place,
  type Result,
  type RunOptions,
  until,
} from "./support.ts";

const HOUR_MS = 3_600_000;
/** So that nothing but what a test makes due is due. */
const OFF = ["auto_verify_schedule", "auto_catalog_schedule"];

/** A home whose backup was due so many hours ago, was not made, and may be caught up at once. */
class Scheduled {
  readonly slot: string;

  private constructor(readonly place: Place, hours_ago: number) {
    const slot = new Date(Date.now() - hours_ago * HOUR_MS);
    slot.setUTCMinutes(0, 0, 0);
    this.slot = slot.toISOString();
  }

  static async begin(place: Place, stacks: string[], hours_ago: number): Promise<Scheduled> {
    const one = new Scheduled(place, hours_ago);
    const schedule = `0 ${new Date(one.slot).getUTCHours()} * * *`;
    {
      await using catalog = await openCatalog({ home: place.home });
      await catalog.settings.setAll({
        auto_backup_enabled: true,
        auto_backup_schedule: schedule,
        auto_backup_timezone: "UTC",
        auto_backup_grace_minutes: 0,
        auto_backup_spread_minutes: 0,
        "backup.compression": "none",
        ...Object.fromEntries(OFF.map((key) => [key, ""])),
      }, new Date());
    }
    const known = { rule: `${schedule} UTC`, served: ["2020-01-01T00:00:00.000Z"], tries: null };
    const tasks = Object.fromEntries(stacks.map((stack) => [`backup:${stack}`, known]));
    one.write({ version: 1, awake_since: "", tasks, runs: [] });
    return one;
  }

  start(options: RunOptions = {}, ...args: string[]): Deno.ChildProcess {
    return this.place.start(["auto-backup", "daemon", "--heartbeat", "1", ...args], options);
  }

  get state(): ScheduleState {
    return JSON.parse(Deno.readTextFileSync(join(this.place.home, "schedule.json")));
  }

  write(state: ScheduleState) {
    Deno.writeTextFileSync(join(this.place.home, "schedule.json"), JSON.stringify(state));
  }

  /** Waits for the end of the newest run that `which` takes. */
  async ended(which: (run: RunEntry) => boolean, ms = 150_000): Promise<RunEntry> {
    let found: RunEntry | undefined;
    await until("a run ends", () => {
      found = this.state.runs.findLast((run) => run.ended_at !== null && which(run));
      return found !== undefined;
    }, ms);
    return found!;
  }

  /** Backups that were made for the slot, by status. */
  async made(): Promise<string[]> {
    await using catalog = await openCatalog({ home: this.place.home });
    const all = await catalog.backups.list({});
    return all.filter(({ backup_metadata }) => backup_metadata?.scheduled_for === this.slot)
      .map(({ status }) => status).sort();
  }
}

async function stop(daemon: Deno.ChildProcess): Promise<Result> {
  daemon.kill("SIGTERM");
  return await finished(daemon);
}

function childOf(pid: number): number | null {
  const pids = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  return pids === "" ? null : Number(pids.split(" ")[0]);
}

function parsedLines(text: string) {
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test("auto-backup enabled, schedule, run and status: settings in words, the run at once, health as exit code", async () => {
  await using place = new Place();
  const shop = place.tree("shop", { "a.txt": "a" });
  await place.ok(["init"], { cwd: shop });
  await place.ok(["config", "set", "auto_backup_timezone", "Europe/Berlin"]);
  const off = await place.ok(["auto-backup", "status", "--json"]);
  assert.deepEqual([off.json.enabled, off.json.next_run, off.json.problems], [false, null, []]);

  const schedule = await place.ok(["auto-backup", "schedule", "30 2 * * 1-5"]);
  assert.match(schedule.stdout, /At 02:30, Monday through Friday/);
  assert.equal(schedule.stdout.match(/^ {2}(Mon|Tue|Wed|Thu|Fri) .* 02:30 /gm)?.length, 5);
  const bad = await place.run(["auto-backup", "schedule", "30 25 * * *", "--json"]);
  assert.deepEqual([bad.code, bad.json.error.code], [2, "USAGE"]);
  assert.match(bad.json.error.message, /hour: 25/);
  assert.equal((await place.run(["auto-backup", "enabled", "--enable", "maybe"])).code, 2);

  const on = await place.ok(["auto-backup", "enabled", "--enable", "true", "--json"]);
  assert.ok(Date.parse(on.json.next_run) > Date.now());
  assert.equal(
    (await place.ok(["status", "--json"], { cwd: shop })).json.next_run,
    on.json.next_run,
  );
  // On, and nobody to do it: a monitoring hears of it.
  const alone = await place.run(["auto-backup", "status"]);
  assert.equal(alone.code, 1);
  assert.match(alone.stdout, /No daemon runs/);

  const done = await place.ok(["auto-backup", "run", "--json"]);
  const [run] = done.json.runs;
  assert.deepEqual([run.stack, run.status, run.backup_id], ["shop", "completed", 1]);
  const after = await place.run(["auto-backup", "status", "--json"]);
  assert.equal(after.json.last_status, "completed");
  assert.equal(after.json.history[0].backup_id, 1);
  assert.equal(after.json.disk.backups, 1);
  const [action] = await auditRows(place, "backup");
  assert.equal((action.action_params as { trigger: string }).trigger, "auto");

  const tasks = [["verify", "1 archive read in full"], ["drill", "1 archive restored"]];
  for (const [task, message] of tasks) {
    const [report] = (await place.ok(["auto-backup", "run", "--task", task, "--json"])).json.runs;
    assert.ok(report.message.startsWith(message), report.message);
  }
  Deno.removeSync(shop, { recursive: true });
  const failed = await place.run(["auto-backup", "run", "--json"]);
  assert.deepEqual([failed.code, failed.json.error.code], [10, "NO_SUCH_STACK"]);
  const archives = names(join(place.home, "backups")).length;
  assert.ok(archives > 0, "a failed backup deletes nothing");
  const unwell = await place.run(["auto-backup", "status", "--json"]);
  assert.equal(unwell.code, 1);
  assert.equal(unwell.json.last_status, "failed: NO_SUCH_STACK");
});

Deno.test("auto-backup daemon: each stack once, one daemon a home, settings taken up, log lines, a good end", async () => {
  await using place = new Place();
  for (const name of ["blog", "gone", "shop"]) {
    await place.ok(["init"], { cwd: place.tree(name, { "a.txt": name }) });
  }
  Deno.removeSync(place.path("gone"), { recursive: true });
  const scheduled = await Scheduled.begin(place, ["blog", "gone", "shop"], 5);
  const before = await place.run(["auto-backup", "status", "--json"]);
  assert.equal(before.code, 1);
  const overdue = before.json.problems.map(({ text }: { text: string }) => text);
  assert.ok(overdue.some((text: string) => text.startsWith("backup of blog is overdue")), overdue);
  const log = place.path("daemon.log");
  const secret = { DUCKBACK_TEST_TOKEN: "hunter2-not-in-logs" };
  const daemon = scheduled.start({ env: secret }, "--log-format", "json", "--log-file", log);
  await scheduled.ended(({ stack }) => stack === "shop");
  assert.deepEqual(
    scheduled.state.runs.map(({ stack, status, slot }) => [stack, status, slot]),
    [
      ["blog", "completed", scheduled.slot],
      ["gone", "failed", scheduled.slot],
      ["shop", "completed", scheduled.slot],
    ],
  );
  const second = await place.run(["auto-backup", "daemon"]);
  assert.equal(second.code, 11);
  assert.match(second.stderr, new RegExp(`second daemon .*\\(pid ${daemon.pid},`));
  // cron's heartbeat finds the daemon and leaves it alone.
  assert.equal((await place.ok(["auto-backup", "daemon", "--once"])).stderr, "");

  // Off is off, and other schedules are taken up: one that is due each minute.
  await place.ok(["auto-backup", "enabled", "--enable", "false"]);
  await place.ok(["config", "set", "auto_catalog_schedule", "* * * * *"]);
  await until("the new schedule is known", () => "catalog" in scheduled.state.tasks);
  assert.deepEqual(Object.keys(scheduled.state.tasks), ["catalog"]);

  const status = await place.run(["auto-backup", "status", "--json"]);
  assert.equal(status.json.daemon.pid, daemon.pid);
  const end = await stop(daemon);
  assert.deepEqual([end.code, end.stdout, end.stderr], [0, "", ""]);
  const text = Deno.readTextFileSync(log);
  const lines = parsedLines(text);
  assert.ok(
    lines.some(({ level, text, stack }) =>
      level === "info" && stack === "blog" && /^backup of blog completed: backup 1,/.test(text)
    ),
  );
  assert.ok(
    lines.some(({ level, stack, code }) =>
      level === "error" && stack === "gone" && code === "NO_SUCH_STACK"
    ),
  );
  assert.match(lines.at(-1).text, /has ended/);
  assert.ok(!text.includes(secret.DUCKBACK_TEST_TOKEN));
  assert.equal(Deno.statSync(log).mode! & 0o777, 0o600);
  assert.deepEqual(await scheduled.made(), ["completed", "completed"]);

  // The same again by cron: nothing is left to do, and nothing is done.
  await place.ok(["auto-backup", "enabled", "--enable", "true"]);
  await place.ok(["config", "set", "auto_catalog_schedule", ""]);
  const ran = scheduled.state.runs.length;
  await place.ok(["auto-backup", "daemon", "--once"]);
  assert.equal(scheduled.state.runs.length, ran);
  // A heartbeat is what a monitoring wants to see; the failed stack it still hears of.
  const health = await place.run(["auto-backup", "status", "--json"]);
  assert.deepEqual(health.json.problems.map(({ text }: { text: string }) => text.slice(0, 23)), [
    "The last backup of gone",
  ]);
});

/** Everything that is only waited for runs beside the long test. */
Deno.test("auto-backup daemon: killed run, killed daemon, engine away, catalogue locked, 02:30 twice and not at all: one backup a slot, services up [cases 1, 35, 36]", async () => {
  const done = await Promise.allSettled([
    killedAndRefused(),
    // 02:30 in Berlin: at 00:30 UTC, and again an hour later; and at a time that does not exist.
    onceThrough("2026-10-25T00:20", "2026-10-25T01:45", "2026-10-25T00:30:00.000Z"),
    onceThrough("2026-03-29T00:50", "2026-03-29T01:45", "2026-03-29T01:00:00.000Z"),
  ]);
  for (const one of done) if (one.status === "rejected") throw one.reason;
});

/** A daemon whose clock runs 200 times as fast makes exactly one backup, for `slot`. */
async function onceThrough(from: string, to: string, slot: string) {
  await using place = new Place();
  await place.ok(["init"], { cwd: place.tree("shop", { "a.txt": "a" }) });
  const scheduled = await Scheduled.begin(place, [], 0);
  {
    await using catalog = await openCatalog({ home: place.home });
    const berlin = { auto_backup_schedule: "30 2 * * *", auto_backup_timezone: "Europe/Berlin" };
    await catalog.settings.setAll(berlin, new Date());
  }
  const known = { rule: "30 2 * * * Europe/Berlin", served: [`${from}:00.000Z`], tries: null };
  scheduled.write({ version: 1, awake_since: "", tasks: { "backup:shop": known }, runs: [] });
  const log = place.path("daemon.log");
  const daemon = scheduled.start(
    {
      wrap: ["faketime", "-f", `@${from.replace("T", " ")}:00 x200`],
      env: { TZ: "UTC", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
    },
    "--log-file",
    log,
  );
  const held = join(place.home, "daemon.lock");
  await until("the clock is there, and a run at its end", () => {
    if (!names(place.home).includes("daemon.lock")) return false;
    if (!scheduled.state.runs.some((run) => run.ended_at !== null)) return false;
    const beat = Deno.statSync(held).mtime!.getTime() - Date.parse(`${to}Z`);
    return beat > 0 && beat < 24 * HOUR_MS; // before the first beat it has the true time
  }, 150_000);
  // faketime would keep the signal for itself.
  Deno.kill(JSON.parse(Deno.readTextFileSync(held)).pid, "SIGTERM");
  await finished(daemon);
  const { runs } = scheduled.state;
  const text = Deno.readTextFileSync(log);
  assert.deepEqual(runs.map((run) => [run.status, run.slot]), [["completed", slot]], text);
}

async function killedAndRefused() {
  await using place = new Place();
  await using stack = await createSampleStack({ stop_grace: 2 });
  await using proxy = await EngineProxy.start();
  await place.ok(["init"], { cwd: stack.dir });
  const up = () =>
    stack.until(
      (all) =>
        all.every(({ service, state }) =>
          state === (service === "admin" ? "created" : service === "migrate" ? "exited" : "running")
        ),
      60_000,
    );
  const app = (await stack.container("app")).id;

  // The run is killed while a service is down: it is started at once, and the run made again.
  const first = await Scheduled.begin(place, [stack.project], 5);
  let hold = proxy.hold(new RegExp(`${app}/stop$`));
  let daemon = first.start({ env: proxy.env });
  await hold.reached(120_000);
  assert.equal((await stack.states()).web, "exited");
  Deno.kill(childOf(daemon.pid)!, "SIGKILL");
  proxy.clear();
  await first.ended(({ status }) => status === "completed");
  await up();
  assert.deepEqual(first.state.runs.map(({ status }) => status), ["died", "completed"]);
  assert.deepEqual(await first.made(), ["completed", "failed"]);

  // SIGTERM while services are down: they are up when the daemon has ended; the next one goes on.
  await stop(daemon);
  const next = await Scheduled.begin(place, [stack.project], 7);
  hold = proxy.hold(new RegExp(`${app}/stop$`));
  daemon = next.start({ env: proxy.env });
  await hold.reached(120_000);
  daemon.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 300));
  hold.release();
  const end = await finished(daemon);
  assert.equal(end.code, 0, end.stderr);
  const { web, app: app_state, db } = await stack.states();
  assert.deepEqual([web, app_state, db], ["running", "running", "running"]);
  assert.equal(next.state.runs.at(-1)!.status, "interrupted");

  // The daemon is killed and its run lives on: the next daemon lets it, and makes no second one.
  hold = proxy.hold(new RegExp(`${app}/stop$`));
  daemon = next.start({ env: proxy.env });
  await hold.reached(120_000);
  daemon.kill("SIGKILL");
  await finished(daemon);
  daemon = next.start({ env: proxy.env });
  await until("the second daemon has looked", () => {
    const beat = Deno.statSync(join(place.home, "daemon.lock")).mtime!.getTime();
    return Date.now() - beat < 1000 && next.state.runs.at(-1)!.status === "running";
  });
  hold.release();
  await next.ended(({ status }) => status === "completed");
  await up();
  await stop(daemon);
  assert.deepEqual(await next.made(), ["completed", "failed"]);

  // Killed after the backup was complete, before that was noted: found, not made twice.
  const noted = next.state;
  const task = noted.tasks[`backup:${stack.project}`];
  noted.tasks[`backup:${stack.project}`] = { ...task, served: ["2020-01-01T00:00:00.000Z"] };
  next.write(noted);
  await place.ok(["auto-backup", "daemon", "--once"], { env: proxy.env });
  assert.equal(next.state.runs.length, noted.runs.length + 1);
  assert.equal(next.state.runs.at(-1)!.status, "completed");
  assert.deepEqual(await next.made(), ["completed", "failed"]);

  // The engine is away, then the catalogue is held by somebody: later, within the same slot.
  const last = await Scheduled.begin(place, [stack.project], 9);
  proxy.down = true;
  daemon = last.start({ env: proxy.env });
  const refused = await last.ended(({ code }) => code !== null);
  assert.equal(refused.code, "DOCKER_UNREACHABLE");
  {
    await using _catalog = await openCatalog({ home: place.home });
    proxy.down = false;
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
  const done = await last.ended(({ status }) => status === "completed");
  assert.equal(done.slot, refused.slot);
  await stop(daemon);
  assert.deepEqual(await last.made(), ["completed"]);
  await up();
}

Deno.test("auto-backup install: a unit or a cron file, told before it is written, gone after uninstall", async () => {
  await using place = new Place();
  const root = place.path("image");
  const files: [string, string, RegExp][] = [
    ["systemd", "etc/systemd/system/duckback.service", /^ExecStart=.* auto-backup daemon$/m],
    ["cron", "etc/cron.d/duckback", /^\* \* \* \* \* root .* auto-backup daemon --once /m],
  ];
  for (const [method, path, line] of files) {
    const args = ["--method", method, "--root", root, "--json"];
    const told = await place.ok(["auto-backup", "install", "--dry-run", ...args]);
    assert.deepEqual(names(root), []);
    const done = await place.ok(["auto-backup", "install", ...args]);
    assert.deepEqual(done.json.steps, told.json.steps);
    const text = Deno.readTextFileSync(join(root, path));
    assert.match(text, line);
    assert.ok(text.includes(place.home));
    assert.equal(Deno.statSync(join(root, path)).mode! & 0o777, 0o644);
    await place.ok(["auto-backup", "uninstall", ...args]);
    assert.throws(() => Deno.statSync(join(root, path)), Deno.errors.NotFound);
    const again = await place.ok(["auto-backup", "uninstall", "--method", method, "--root", root]);
    assert.match(again.stdout, /Nothing is installed/);
    Deno.removeSync(root, { recursive: true });
  }
  const dry = await place.ok(["auto-backup", "install", "--method", "systemd", "--dry-run"]);
  assert.match(dry.stdout, /would run +systemctl enable duckback.service/);
});
