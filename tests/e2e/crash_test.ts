/**
 * "Crash-proof" (issue 4) on the real engine: killed at every step, with and without the engine, by
 * signals, with other hands at work meanwhile. Each time exactly what ran runs again.
 */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import {
  createSampleStack,
  docker,
  type SampleContainer,
  type SampleOptions,
  type SampleStack,
} from "../fixtures/docker.ts";
import { EngineProxy } from "../fixtures/engine_proxy.ts";
import { SecondEngine } from "../fixtures/second_engine.ts";
import { names, Place, type Result, type RunOptions, sh, until } from "./support.ts";

const PRECOPY = "services running";
const DELTA = "Archiving what changed";
const FINISH = "Finishing the archive";

/** A run of duckback whose standard error is read while it is at work. */
class Watched {
  stderr = "";
  #more = Promise.withResolvers<void>();
  readonly #ended: Promise<Result>;

  constructor(readonly child: Deno.ChildProcess) {
    this.#ended = this.#read();
  }

  /** Resolves as soon as `text` was written; raises where the run ends without. */
  async saw(text: string): Promise<void> {
    let over = false;
    this.#ended.then(() => over = true);
    while (!this.stderr.includes(text)) {
      assert.ok(!over, `the run ended without "${text}":\n${this.stderr}`);
      await Promise.race([this.#more.promise, this.#ended]);
    }
  }

  kill(signal: Deno.Signal) {
    this.child.kill(signal);
  }

  end(): Promise<Result> {
    return this.#ended;
  }

  async #read(): Promise<Result> {
    const stdout = new Response(this.child.stdout).text();
    const reader = this.child.stderr.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      this.stderr += piece.value;
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    }
    const { code } = await this.child.status;
    const out = await stdout;
    return {
      code,
      stdout: out,
      stderr: this.stderr,
      json: out[0] === "{" ? JSON.parse(out) : null,
    };
  }
}

/** A stack that runs, a home of its own, and a proxy before the engine. */
class Scene implements AsyncDisposable {
  readonly place = new Place();
  before: SampleContainer[] = [];

  private constructor(readonly stack: SampleStack, readonly proxy: EngineProxy) {}

  static async create(options: SampleOptions = {}): Promise<Scene> {
    const stack = await createSampleStack({ stop_grace: 3, ...options });
    const scene = new Scene(stack, await EngineProxy.start());
    await scene.note();
    return scene;
  }

  /** Notes how the containers are: what must be so again. */
  async note() {
    this.before = await this.stack.containers();
  }

  get at(): RunOptions {
    return { cwd: this.stack.dir, env: this.proxy.env };
  }

  /** Uncompressed, unless `args` say otherwise. */
  backup(...args: string[]): Watched {
    const how = args.includes("--level") ? "gzip" : "none";
    const quick = ["--no-verify", "--compression", how];
    const all = ["--progress", "json", "backup", "create", ...quick, ...args];
    return new Watched(this.place.start(all, this.at));
  }

  run(...args: string[]): Promise<Result> {
    return this.place.run(args, this.at);
  }

  /** Requests for this of the service's container, as /containers/ID/WHAT. */
  request(service: string, what: "stop" | "start" | "pause"): RegExp {
    const { id } = this.before.find((one) => one.service === service && one.number === 1)!;
    return new RegExp(`/containers/${id}/${what}$`);
  }

  /** Makes the big file one that the delta pass has to read again. */
  async touch() {
    await sh("cat big.bin > other; cat other > big.bin; rm other", this.stack.dir + "/app-data");
  }

  /** States of the three services that run; for the moment after a kill. */
  async up(): Promise<string> {
    const { web, app, db } = await this.stack.states();
    return `${web} ${app} ${db}`;
  }

  /** Exactly what ran runs, in the same containers; what was down was not even started in between. */
  async assertAsBefore(label: string, options: { untouched?: boolean } = {}) {
    const after = await this.stack.containers();
    const view = (one: SampleContainer) => {
      const ran = one.state === "running";
      const { id, name, state, exit_code } = one;
      return { id, name, state, exit_code, since: ran && !options.untouched || one.started_at };
    };
    assert.deepEqual(after.map(view), this.before.map(view), label);
  }

  /** Nothing is left of a run that died: journal, rows, partial files. Returns the newest row and audit. */
  async assertClean(label: string) {
    const { home } = this.place;
    assert.deepEqual(names(join(home, "journal")), [], label);
    await using catalog = await openCatalog({ home });
    assert.deepEqual(await catalog.backups.list({ status: "running" }), [], label);
    assert.deepEqual(await catalog.actions.list({ status: "running" }), [], label);
    const rows = await catalog.backups.list({});
    const kept = rows.filter(({ status }) => status !== "failed").flatMap(({ backup_name }) =>
      ["json", "manifest.parquet", "tar"].map((end) => `${backup_name}.${end}`)
    );
    assert.deepEqual(names(join(home, "backups")), kept.sort(), label);
    const [audit] = await catalog.actions.list({ action_type: "recover", limit: 1 });
    return { ...rows[0], audit };
  }

  async [Symbol.asyncDispose]() {
    await this.proxy[Symbol.asyncDispose]();
    await this.place[Symbol.asyncDispose]();
    await this.stack[Symbol.asyncDispose]();
  }
}

interface Moment {
  name: string;
  /** web, app and db right after the kill. */
  up: string;
  /** What recovery must start, as services. */
  started: string[];
  untouched?: boolean;
  status?: "completed";
  /** Brings a backup to the moment; what is held stays held. */
  reach(scene: Scene): Promise<Watched>;
}

const RUN = "running";
const OFF = "exited";

const MOMENTS: Moment[] = [
  {
    name: "during the pre-copy pass, before the first stop",
    up: `${RUN} ${RUN} ${RUN}`,
    started: [],
    untouched: true,
    async reach(scene) {
      scene.proxy.hold(/\/stop$/); // in case the kill comes late
      const run = scene.backup("--level", "9");
      await run.saw(PRECOPY);
      return run;
    },
  },
  {
    name: "right before the first stop",
    up: `${RUN} ${RUN} ${RUN}`,
    started: [],
    untouched: true,
    async reach(scene) {
      const hold = scene.proxy.hold(scene.request("web", "stop"));
      const run = scene.backup();
      await hold.reached();
      return run;
    },
  },
  {
    name: "between two stops",
    up: `${OFF} ${RUN} ${RUN}`,
    started: ["web"],
    async reach(scene) {
      const hold = scene.proxy.hold(scene.request("app", "stop"));
      const run = scene.backup();
      await hold.reached();
      return run;
    },
  },
  {
    name: "after all stops",
    up: `${OFF} ${OFF} ${OFF}`,
    started: ["db", "app", "web"],
    async reach(scene) {
      const hold = scene.proxy.hold(scene.request("db", "stop"), "answer");
      const run = scene.backup();
      await hold.reached();
      return run;
    },
  },
  {
    name: "during the delta pass",
    up: `${OFF} ${OFF} ${OFF}`,
    started: ["db", "app", "web"],
    async reach(scene) {
      scene.proxy.hold(/\/start$/); // in case the kill comes late
      return await inDelta(scene);
    },
  },
  {
    name: "between two starts",
    up: `${OFF} ${OFF} ${RUN}`,
    started: ["app", "web"],
    async reach(scene) {
      const hold = scene.proxy.hold(scene.request("app", "start"));
      const run = scene.backup();
      await hold.reached();
      return run;
    },
  },
  {
    name: "after the last start, the journal still lists all",
    up: `${RUN} ${RUN} ${RUN}`,
    started: [],
    async reach(scene) {
      const hold = scene.proxy.hold(scene.request("web", "start"), "answer");
      const run = scene.backup();
      await hold.reached();
      return run;
    },
  },
  {
    name: "while the archive is finished",
    up: `${RUN} ${RUN} ${RUN}`,
    started: [],
    async reach(scene) {
      const run = scene.backup();
      await run.saw(FINISH);
      return run;
    },
  },
  {
    name: "with the archive finished, but not its row",
    up: `${RUN} ${RUN} ${RUN}`,
    started: [],
    status: "completed",
    async reach(scene) {
      const backups = join(scene.place.home, "backups");
      const archives = () => names(backups).filter((name) => name.endsWith(".tar")).length;
      const had = archives();
      const hold = scene.proxy.hold(scene.request("web", "start"));
      const run = scene.backup();
      await hold.reached();
      // Whoever has the catalogue keeps the row from being written.
      await using _catalog = await openCatalog({ home: scene.place.home });
      hold.release();
      await until("the archive has its name", () => archives() > had);
      run.kill("SIGKILL");
      await run.end();
      return run;
    },
  },
];

/** A backup whose second pass has just begun and has much to do. */
async function inDelta(scene: Scene, ...args: string[]): Promise<Watched> {
  const hold = scene.proxy.hold(scene.request("web", "stop"));
  const run = scene.backup(...args);
  await hold.reached();
  await scene.touch();
  hold.release();
  await run.saw(DELTA);
  return run;
}

/** Everything that is only waited for runs beside the long test. */
Deno.test("kill -9 at each step of a backup, and an engine that is away at the resume: exactly the state before [cases 1, 3, 4, 9]", async () => {
  const done = await Promise.allSettled([killedAtEachStep(), engineAway()]);
  for (const one of done) if (one.status === "rejected") throw one.reason;
});

/** What only looks says so, too. */
async function saysItDied({ place, at }: Scene) {
  const status = await place.run(["status", "--json"], at);
  assert.equal(status.code, 1, status.stderr);
  assert.equal(status.json.died, true);
  assert.match(status.json.problems.join(), /run died .*duckback recover/);
  const { json } = await place.ok(["backup", "list", "--json"], at);
  assert.deepEqual([json.backups[0].status, json.backups[0].died], ["running", true]);
  assert.match((await place.ok(["backup", "list"], at)).stdout, / died .*run `duckback recover`/s);
}

/** The next command, or `recover`, restores it. */
async function killedAtEachStep() {
  await using scene = await Scene.create({ big_bytes: 30_000_000, web_replicas: 2 });
  const { place, stack } = scene;
  await docker("stop", (await stack.container("web", 2)).name);
  await scene.note();
  const service = (name: string) => name.split("_").at(-2)!;
  for (const moment of MOMENTS) {
    for (const mend of [["recover", "--json"], ["config", "set", "backup.keep_last", "3"]]) {
      const label = `killed ${moment.name}, mended by ${mend[0]}`;
      const begin = new Date().toISOString();
      const run = await moment.reach(scene);
      try {
        run.kill("SIGKILL");
      } catch { /* dead already */ }
      assert.notEqual((await run.end()).code, 0, label);
      scene.proxy.clear();
      assert.equal(await scene.up(), moment.up, label);
      if (moment.name === "between two stops" && mend[0] === "recover") await saysItDied(scene);
      const done = await place.ok(mend, scene.at);
      await scene.assertAsBefore(label, moment);
      const row = await scene.assertClean(label);
      if (moment.status) assert.equal(row.status, moment.status, label);
      else if (moment.name !== "while the archive is finished") {
        assert.equal(row.status, "failed", label);
      }
      assert.ok(row.audit.started_at > begin, label);
      const started = moment.started.map((name) => `${stack.project}_${name}_1`).join(", ");
      assert.equal(
        row.audit.result_message,
        started ? `started ${started}` : "nothing was left to start",
        label,
      );
      if (done.json) assert.deepEqual(done.json.services.map(service), moment.started, label);
      await scene.note();
    }
  }
  assert.equal((await place.ok(["backup", "verify", "--all", "--json"])).json.success, true);
}

Deno.test("SIGINT, SIGTERM, SIGHUP at each step: services first, then 130; more signals do not break in [case 5]", async (t) => {
  await using scene = await Scene.create({ big_bytes: 30_000_000 });
  const { proxy } = scene;
  const all: Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

  async function left(run: Watched, label: string, options: { untouched?: boolean } = {}) {
    const result = await run.end();
    assert.equal(result.code, 130, `${label}\n${result.stderr}`);
    await scene.assertAsBefore(label, options);
    const row = await scene.assertClean(label);
    assert.equal(row.status, "failed", label);
    assert.match(row.error_message!, /INTERRUPTED/, label);
    await scene.note();
  }

  /** Further signals while the resume stands still: at its first start, or where it is held already. */
  async function more(run: Watched, signals: Deno.Signal[], hold = proxy.hold(/\/start$/)) {
    await hold.reached();
    for (const signal of signals) {
      run.kill(signal);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    hold.release();
  }

  await t.step("in the pre-copy pass: gone within a second, no container touched", async () => {
    for (const signal of all) {
      const run = scene.backup("--level", "9");
      await run.saw(PRECOPY);
      const begin = performance.now();
      run.kill(signal);
      await run.end();
      const took = Math.round(performance.now() - begin);
      assert.ok(took < 1000, `${signal}: ${took} ms`);
      await left(run, `${signal} in the pre-copy pass`, { untouched: true });
    }
  });
  for (const [at, first] of all.entries()) {
    const others = [...all.slice(at + 1), ...all.slice(0, at)];
    await t.step(`${first} between two stops`, async () => {
      const hold = proxy.hold(scene.request("app", "stop"));
      const run = scene.backup();
      await hold.reached();
      run.kill(first);
      const resume = more(run, others);
      await new Promise((resolve) => setTimeout(resolve, 100));
      hold.release();
      await resume;
      await left(run, `${first} between two stops`);
    });
  }
  await t.step("SIGHUP in the delta pass", async () => {
    const run = await inDelta(scene);
    run.kill("SIGHUP");
    await more(run, ["SIGINT", "SIGTERM"]);
    await left(run, "SIGHUP in the delta pass");
  });
  await t.step("SIGINT between two starts", async () => {
    const hold = proxy.hold(scene.request("app", "start"));
    const run = scene.backup();
    await more(run, all, hold);
    await left(run, "signals between two starts");
  });
});

Deno.test("containers removed, renamed, recreated after the kill are found again; two recoveries at once [cases 4, 6]", async () => {
  await using scene = await Scene.create({ web_replicas: 2 });
  const { place, proxy, stack } = scene;
  const name = (service: string, number = 1) => `${stack.project}_${service}_${number}`;
  const hold = proxy.hold(scene.request("db", "stop"), "answer");
  const run = scene.backup();
  await hold.reached();
  run.kill("SIGKILL");
  await run.end();
  proxy.clear();
  await docker("rename", name("app"), `${stack.project}_moved`);
  await stack.compose("up", "--no-start", "--force-recreate", "--no-deps", "db");
  await docker("rm", name("web", 2));
  assert.notEqual(
    (await stack.container("db")).id,
    scene.before.find((c) => c.service === "db")!.id,
  );

  // The first recovery stands at its first start; the second leaves at once and does nothing.
  const start = proxy.hold(/\/start$/);
  const first = place.start(["recover", "--json"], scene.at);
  await start.reached();
  const second = await scene.run("recover", "--json");
  assert.equal(second.code, 11, second.stderr);
  assert.equal(second.json.error.code, "LOCKED");
  const next = await scene.run("backup", "create", "--json");
  assert.equal(next.code, 11);
  const begun = proxy.count(/\/start$/);
  start.release();
  const { code, stdout, stderr } = await first.output();
  const json = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(code, 3, new TextDecoder().decode(stderr));
  assert.deepEqual(json.services, [name("db"), `${stack.project}_moved`, name("web")]);
  assert.deepEqual(json.missing, [name("web", 2)]);
  assert.match(new TextDecoder().decode(stderr), /_web_2 .*exist no more/);
  assert.equal(proxy.count(/\/start$/) - begun, 2, "each was started once");
  const { web_2: _, ...rest } = Object.fromEntries(scene.before.map((one) => [
    one.number > 1 ? `${one.service}_${one.number}` : one.service,
    one.state,
  ]));
  assert.deepEqual(await stack.states(), rest);
  const { audit } = await scene.assertClean("recovered");
  assert.match(audit.result_message!, /started .*_db_1, .*_moved, .*_web_1; removed by .*_web_2$/);
  assert.deepEqual((await scene.run("recover", "--json")).json.services, []);
});

Deno.test("killed while paused: frozen services run on; one that is not well after recovery is said [cases 3, 10]", async (t) => {
  await using scene = await Scene.create({ healthchecks: { app: "sick_after_restart" } });
  const { place, proxy, stack } = scene;
  await place.ok(["config", "set", "backup.health_timeout_seconds", "2"], scene.at);

  async function killedAt(request: RegExp, ...args: string[]) {
    const hold = proxy.hold(request, "answer");
    const run = scene.backup(...args);
    await hold.reached();
    run.kill("SIGKILL");
    await run.end();
    proxy.clear();
  }
  await t.step("paused", async () => {
    await killedAt(scene.request("db", "pause"), "--quiesce", "pause");
    assert.equal(await scene.up(), "paused paused paused");
    const { json } = await place.ok(["recover", "--json"], scene.at);
    assert.equal(json.services.length, 3);
    await scene.assertAsBefore("resumed", { untouched: true });
    await scene.assertClean("resumed");
  });
  await t.step("not well", async () => {
    await killedAt(scene.request("db", "stop"));
    const { code, json, stderr } = await scene.run("recover", "--json");
    assert.equal(code, 3, stderr);
    assert.equal(json.services.length, 3);
    assert.deepEqual(json.unhealthy, [`${stack.project}_app_1`]);
    assert.match(stderr, /_app_1 is unhealthy after its start/);
    await scene.assertAsBefore("not well, but up");
    await scene.assertClean("not well, but up");
  });
});

Deno.test("a journal that cannot be read is reported, kept aside, and its services are named", async (t) => {
  await using scene = await Scene.create();
  const { place, proxy, stack } = scene;
  const journals = join(place.home, "journal");

  /** A backup killed after all stops, and its journal's path. */
  async function killed(): Promise<string> {
    await scene.note();
    const hold = proxy.hold(scene.request("app", "stop"), "answer");
    const run = scene.backup();
    await hold.reached();
    run.kill("SIGKILL");
    await run.end();
    proxy.clear();
    return join(journals, names(journals)[0]);
  }
  const down = ["app", "web"].map((service) => `${stack.project}_${service}_1`);
  const start = () => docker("start", ...down);

  await t.step("emptied: the catalogue knows what ran", async () => {
    const path = await killed();
    Deno.truncateSync(path, 0);
    const found = await scene.run("recover", "--json");
    assert.equal(found.code, 3, found.stderr);
    assert.deepEqual(found.json.unreadable, [`${path}.unreadable`]);
    assert.deepEqual(found.json.maybe_down.sort(), down);
    assert.match(found.stderr, /cannot be read.*kept as .*DO NOT RUN: docker start/);
    assert.deepEqual(names(journals), [`${basename(path)}.unreadable`]);
    await start();
    const { problems } = (await place.ok(["status", "--json"], scene.at)).json;
    assert.ok(problems.some((text: string) => text.includes(`${path}.unreadable`)), problems);
    Deno.removeSync(`${path}.unreadable`);
    await scene.assertAsBefore("started by hand");
    const { audit } = await scene.assertClean("started by hand");
    assert.equal(audit.status, "failed");
    assert.match(audit.result_message!, /_app_1.*_web_1|_web_1.*_app_1/);
  });
  await t.step("cut off, and the catalogue lost: the rest of its text tells", async () => {
    const path = await killed();
    const text = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(path, text.slice(0, text.indexOf('"left"')));
    await Deno.remove(join(place.home, "catalog.duckdb"));
    const next = await scene.run("backup", "create", "--quiesce", "none", "--json");
    assert.equal(next.json?.success, true, next.stderr);
    assert.match(next.stderr, /cannot be read.*kept as .*DO NOT RUN: docker start/);
    for (const name of down) assert.ok(next.stderr.includes(name), next.stderr);
    assert.deepEqual(names(journals), [`${basename(path)}.unreadable`]);
    await start();
    await scene.assertAsBefore("started by hand");
  });
});

Deno.test("the archiver fails in the delta pass, a --rm container comes in the pre-copy pass [cases 2, 8]", async () => {
  await using scene = await Scene.create({ big_bytes: 3_000_000 });
  const { place, proxy, stack } = scene;
  await place.ok(["init"], scene.at);
  const disk = join(place.home, "backups");
  Deno.mkdirSync(disk, { recursive: true });
  await sh(`mount -t tmpfs -o size=8m tmpfs ${disk}`);
  try {
    const hold = proxy.hold(scene.request("web", "stop"));
    const run = scene.backup("--json");
    await hold.reached();
    await sh("head -c 20000000 /dev/urandom > more.bin", join(stack.dir, "app-data"));
    hold.release();
    const { code, json } = await run.end();
    assert.deepEqual([code, json.error.code], [1, "DISK_FULL"]);
    await scene.assertAsBefore("disk full");
    assert.equal((await scene.assertClean("disk full")).status, "failed");
    assert.equal(proxy.count(scene.request("web", "start")), 1, "it had been stopped");
  } finally {
    await sh(`umount ${disk}`);
  }
  await sh("head -c 30000000 /dev/urandom > more.bin", join(stack.dir, "app-data"));
  const run = scene.backup("--level", "9", "--json");
  await run.saw(PRECOPY);
  await docker(
    ...["run", "-d", "--rm", "--network=none", "--name", `${stack.project}_job_1`],
    ...["--label", "duckback.test=1", "--label", `com.docker.compose.project=${stack.project}`],
    ...["--label", "com.docker.compose.service=job", "duckback-test-base:2"],
  );
  await scene.note();
  const { code, json } = await run.end();
  assert.deepEqual([code, json.error.code], [1, "AUTO_REMOVE"]);
  await scene.assertAsBefore("--rm", { untouched: true });
  assert.equal((await scene.assertClean("--rm")).status, "failed");
});

Deno.test("services that do not start after an error are said beside it, never left out [case 9]", async (t) => {
  await using scene = await Scene.create();
  const { proxy, place, stack } = scene;
  const name = (service: string) => `${stack.project}_${service}_1`;
  const refuse = (service: string, what: "stop" | "start") =>
    proxy.rule({ match: scene.request(service, what), times: 9, action: "fail", message: "no" });

  async function mendedBy(...args: string[]) {
    proxy.clear();
    assert.equal(names(join(place.home, "journal")).length, 1, "kept in the journal");
    await place.ok(args, scene.at);
    await scene.assertAsBefore(args.join(" "));
    assert.equal((await scene.assertClean(args.join(" "))).status, "failed");
    await scene.note();
  }

  await t.step("a stop failed", async () => {
    refuse("app", "stop");
    refuse("web", "start");
    const { code, json } = await scene.backup("--json").end();
    assert.deepEqual([code, json.error.code], [1, "START_FAILED"]);
    assert.match(json.error.message, /Cannot stop .*app.*Cannot start 1 of 3 .* DOWN: web/);
    assert.match(json.error.hint, new RegExp(`docker start ${name("web")};.*duckback recover`));
    await mendedBy("recover");
  });
  await t.step(
    "interrupted between the starts of a run: 130 is for services that run",
    async () => {
      refuse("db", "start");
      const hold = proxy.hold(scene.request("db", "stop"), "answer");
      const run = scene.backup("--json");
      await hold.reached();
      run.kill("SIGTERM");
      await new Promise((resolve) => setTimeout(resolve, 100));
      hold.release();
      const { code, json } = await run.end();
      assert.deepEqual([code, json.error.code], [1, "START_FAILED"]);
      assert.match(json.error.message, /Interrupted by a signal.*Cannot start 1 of 3 .* DOWN: db/);
      assert.deepEqual(json.error.services, ["db"]);
      await mendedBy("config", "set", "backup.keep_last", "3");
    },
  );
});

/** What the engine, gone at the resume and back too late, costs: 30 s of trying. */
async function engineAway() {
  await using scene = await Scene.create();
  const { proxy, place, stack } = scene;
  const hold = proxy.hold(scene.request("db", "start"));
  const run = scene.backup("--json");
  await hold.reached();
  proxy.down = true;
  const { code, json, stderr } = await run.end();
  assert.ok(code === 1 || code === 13, stderr);
  const said = json.error.message + json.error.hint;
  assert.match(json.error.message, /DOWN/);
  assert.match(json.error.hint, /docker start .*duckback recover/);
  for (const service of ["web", "app", "db"]) {
    assert.ok(json.error.services.includes(service), stderr);
    assert.ok(said.includes(`${stack.project}_${service}_1`), said);
  }
  assert.match(stderr, /does not answer: trying again/);
  assert.equal(names(join(place.home, "journal")).length, 1, "kept in the journal");
  assert.equal(await scene.up(), "exited exited exited");

  // Still away: said with names, kept, nothing else is begun.
  const away = await scene.run("recover", "--json");
  assert.equal(away.code, 13, away.stderr);
  assert.match(away.json.error.message, /web, app and db of stack .* DOWN/);
  assert.match(away.json.error.hint, /duckback recover/);
  assert.deepEqual(away.json.error.services, ["web", "app", "db"]);
  assert.equal(names(join(place.home, "journal")).length, 1);

  proxy.clear();
  proxy.down = false;
  await place.ok(["config", "set", "backup.keep_last", "3"], scene.at);
  await scene.assertAsBefore("the engine is back");
  await scene.assertClean("the engine is back");
}

Deno.test("power loss: the engine dies with everything in it and comes back with what its restart policies start", async () => {
  await using engine = await SecondEngine.start();
  await using place = new Place();
  await using proxy = await EngineProxy.start(engine.socket);
  const dir = place.path("shop");
  const service = await engine.sample(dir, { stop_grace: 3, restart: "always" });
  await engine.docker("stop", "-t", "3", service.web); // by hand, before
  await engine.docker("update", "--restart", "no", service.web, service.app);
  const before = await engine.states();
  assert.deepEqual([before.db, before.app, before.web], ["running", "running", "exited"]);
  const at = { cwd: dir, env: proxy.env };
  const id = async (name: string) => await engine.docker("inspect", "-f", "{{.Id}}", service[name]);

  for (const [where, what] of [["after all stops", "db"], ["between two stops", "app"]]) {
    const hold = proxy.hold(new RegExp(`${await id(what)}/stop$`), "answer");
    const run = place.start(["backup", "create", "--no-verify"], at);
    await hold.reached();
    await engine.loseAll();
    run.kill("SIGKILL");
    await run.output();
    proxy.clear();
    // duckback is up before the engine is.
    const recover = place.start(["recover", "--json"], at);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await engine.power();
    const { code, stdout, stderr } = await recover.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    // db came back by its policy, or by duckback; app only by duckback.
    const { services } = JSON.parse(new TextDecoder().decode(stdout));
    assert.ok(services.includes(service.app), `${where}: ${services}`);
    assert.ok(!services.includes(service.web), `${where}: ${services}`);
    assert.deepEqual(await engine.states(), before, where);
    assert.deepEqual(names(join(place.home, "journal")), []);
  }

  // Restarted while the services are down: the run itself brings them back.
  const hold = proxy.hold(new RegExp(`${await id("db")}/stop$`), "answer");
  const run = new Watched(place.start(["backup", "create", "--no-verify", "--json"], at));
  await hold.reached();
  proxy.down = true;
  await engine.loseAll();
  const back = engine.power().then(() => proxy.down = false);
  const { code, stderr, json } = await run.end();
  await back;
  // db's policy started it meanwhile: that is seen, and said.
  assert.ok(code === 0 || code === 3 && /db/.test(json.problems.join()), stderr);
  assert.match(stderr, /does not answer: trying again/);
  assert.deepEqual(await engine.states(), before);
  assert.deepEqual(names(join(place.home, "journal")), []);
});
