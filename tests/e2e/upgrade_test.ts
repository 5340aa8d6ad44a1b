/** `upgrade` on the real engine: what works stays, what does not leaves nothing of itself. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import {
  BASE_IMAGE,
  createSampleStack,
  docker,
  run,
  type SampleStack,
} from "../fixtures/docker.ts";
import { finished, names, Place, type RunOptions, sh, until } from "./support.ts";

/** Releases 1 and 2 are well, 3 is not. Each writes its number into its volume when it starts. */
class Site implements AsyncDisposable {
  readonly place = new Place();

  private constructor(readonly stack: SampleStack, readonly image: string) {}

  static async create(): Promise<Site> {
    const image = `duckback-test/site-${crypto.randomUUID().slice(0, 8)}`;
    const stack = await createSampleStack({
      start: false,
      extra_services: `  site:
    image: ${image}:\${RELEASE}
    command: [/bin/sh, -c, 'cat /release > /data/release; exec /bin/service']
    network_mode: none
    stop_grace_period: 5s
    restart: unless-stopped
    labels: {duckback.test: "1"}
    volumes: ["data:/data", "./app-data:/srv"]
    healthcheck: {test: [CMD, grep, -q, "[12]", /release], interval: 0.3s, timeout: 5s, retries: 2}
`,
    });
    const site = new Site(stack, image);
    await Deno.writeTextFile(join(stack.dir, ".env"), "TAG=2\nGREETING=hello\nRELEASE=1\n");
    for (const release of ["1", "2", "3"]) {
      const lines = `FROM ${BASE_IMAGE}\nRUN echo ${release} > /release\n`;
      const args = ["build", "-q", "-t", `${image}:${release}`, "-"];
      await run("docker", args, { stdin: new TextEncoder().encode(lines) });
    }
    await stack.compose("up", "-d", "site");
    await site.healthy();
    await site.place.ok(["config", "set", "backup.health_timeout_seconds", "30"], site.at);
    return site;
  }

  get at(): RunOptions {
    return { cwd: this.stack.dir };
  }

  async healthy() {
    await until(
      "the site is well",
      async () => (await this.stack.container("site")).health === "healthy",
      180_000,
    );
  }

  upgrade(to: string, script: string, options: RunOptions = {}, ...more: string[]) {
    return this.place.run(["upgrade", "--to", to, "--json", ...more, "--", "sh", "-c", script], {
      ...this.at,
      ...options,
    });
  }

  /** What must be the same after an upgrade that failed. */
  async state() {
    const { id, health } = await this.stack.container("site");
    const [image, tag] = (await docker("inspect", "-f", "{{.Image}} {{.Config.Image}}", id)).split(
      " ",
    );
    return {
      ...{ image, tag, health },
      means: await docker("inspect", "-f", "{{.Id}}", tag),
      release: Deno.readTextFileSync(join(await this.stack.volumePath(), "release")).trim(),
      notes: Deno.readTextFileSync(join(this.stack.dir, "app-data/notes.txt")),
      env: Deno.readTextFileSync(join(this.stack.dir, ".env")),
    };
  }

  async rows() {
    return (await this.place.ok(["upgrade", "list", "--json"], this.at)).json.upgrades;
  }

  assertClean() {
    assert.deepEqual(names(join(this.place.home, "journal")), []);
  }

  async [Symbol.asyncDispose]() {
    await this.place[Symbol.asyncDispose]();
    await this.stack[Symbol.asyncDispose]();
    const ids = await docker("image", "ls", "-q", this.image);
    if (ids !== "") await docker("rmi", "-f", ...new Set(ids.split("\n")));
  }
}

const TO = (release: string) =>
  `sed -i s/RELEASE=./RELEASE=${release}/ .env && docker-compose up -d site`;

Deno.test("an upgrade that works stays; one whose service is unwell goes back: files, data, containers, tags", async () => {
  await using site = await Site.create();
  const { place, stack } = site;
  await place.ok(["backup", "create", "--version", "1", "--no-verify"], site.at);
  const good = await site.upgrade("2", `echo about to; ${TO("2")}`);
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stderr, /about to/);
  const { upgrade, backup } = good.json;
  assert.deepEqual(
    [upgrade.status, upgrade.from_version, upgrade.to_version, upgrade.backup_id],
    ["SUCCESS", "1", "2", backup.id],
  );
  assert.deepEqual([backup.trigger, backup.source_version, backup.status], [
    "pre-upgrade",
    "1",
    "completed",
  ]);
  assert.match(upgrade.upgrade_log, /about to\n/);
  await site.healthy();
  const well = await site.state();
  assert.deepEqual([well.release, well.tag], ["2", `${site.image}:2`]);
  site.assertClean();

  // The tag that the compose file names means another image, the data is the new release's.
  const moving =
    `echo changed > app-data/notes.txt; docker tag ${site.image}:3 ${site.image}:2; docker-compose up -d site`;
  const bad = await site.upgrade("3", moving, {}, "--health-timeout", "20");
  assert.deepEqual([bad.code, bad.json.error.code], [1, "UPGRADE_FAILED"], bad.stderr);
  assert.match(bad.json.error.message, /site is unhealthy.*are as they were before \(backup \d+\)/);
  assert.equal(bad.json.error.unhealthy[0].service, "site");
  await site.healthy();
  assert.deepEqual(await site.state(), well);
  assert.notEqual((await stack.states()).admin, "running");
  const [newest] = await site.rows();
  assert.deepEqual([newest.status, newest.from_version], ["ROLLED_BACK", "2"]);
  assert.match(newest.rollback_reason, /site is unhealthy/);
  site.assertClean();

  // A command that fails before it touches a container: the very same one runs.
  const { id } = await stack.container("site");
  const failed = await site.upgrade(
    "4",
    "echo half > app-data/notes.txt; echo 'services: [' > docker-compose.yml; echo no; exit 7",
  );
  assert.match(failed.json.error.message, /sh ended with exit code 7/);
  await site.healthy();
  assert.deepEqual(await site.state(), well);
  assert.equal((await stack.container("site")).id, id);
  assert.equal((await site.rows())[0].upgrade_log, "no\n");

  // A service that was unwell before is not blamed on the upgrade, nor left unsaid.
  await run("docker", ["tag", `${site.image}:3`, `${site.image}:2`]);
  await stack.compose("up", "-d", "site");
  await until(
    "the site is unwell",
    async () => (await stack.container("site")).health === "unhealthy",
    180_000,
  );
  const unwell = await site.upgrade("4.1", "true", {}, "--health-timeout", "3");
  assert.deepEqual([unwell.code, unwell.json.upgrade.status], [3, "SUCCESS"], unwell.stderr);
  assert.deepEqual(unwell.json.problems, ["site is unhealthy, as it was before"]);

  const rows = await site.rows();
  assert.deepEqual(rows.map((row: { status: string }) => row.status), [
    ...["SUCCESS", "ROLLED_BACK", "ROLLED_BACK", "SUCCESS"],
  ]);
  const text = (await place.ok(["upgrade", "list"], site.at)).stdout;
  assert.match(text, /2 +3 +ROLLED_BACK .* site is unhealthy/);
  assert.match((await place.ok(["upgrade", "show", "1"], site.at)).stdout, /about to/);
});

Deno.test("an upgrade that a signal or kill -9 ends: rolled back, or its row settled, services up [case 29]", async () => {
  await using site = await Site.create();
  const { place, stack } = site;
  const before = await site.state();
  const half = "echo half > app-data/notes.txt; touch begun; trap '' HUP; sleep 300 & wait";
  const begun = () => until("the command runs", () => names(stack.dir).includes("begun"), 180_000);
  const start = (script: string, options: RunOptions = {}) =>
    place.start(["upgrade", "--to", "2", "--json", "--", "sh", "-c", script], {
      ...site.at,
      ...options,
    });
  const sleeping = async () =>
    (await sh(`grep -lz ^begun=${stack.project}$ /proc/[0-9]*/environ 2>/dev/null || true`)).trim();
  const marked = { env: { begun: stack.project } };

  // The signal reaches all that the command started, and the stack goes back.
  const child = start(half, marked);
  await begun();
  child.kill("SIGTERM");
  const ended = await finished(child);
  assert.deepEqual([ended.code, ended.json.error.code], [130, "INTERRUPTED"], ended.stderr);
  assert.match(ended.json.error.message, /as they were before/);
  assert.equal(await sleeping(), "");
  await site.healthy();
  assert.deepEqual(await site.state(), before);
  assert.deepEqual(
    names(stack.dir).filter((name) => name === "begun"),
    ["begun"],
    "not in the backup",
  );
  Deno.removeSync(join(stack.dir, "begun"));
  assert.equal((await site.rows())[0].status, "ROLLED_BACK");

  // Killed with its command: the row says what to do, nothing of the stack is touched.
  const dying = start(half, marked);
  await begun();
  const journal = join(place.home, "journal");
  await until(
    "its process is noted",
    () =>
      names(journal).some((name) =>
        /"pid": \d+,\n +"started"/.test(Deno.readTextFileSync(join(journal, name)))
      ),
  );
  dying.kill("SIGKILL");
  await Promise.all([dying.status, dying.stdout.cancel(), dying.stderr.cancel()]);
  const { json } = await place.ok(["recover", "--json"], site.at);
  const [row] = await site.rows();
  assert.deepEqual([row.status, json.upgrades[0].id], ["FAILED", row.id]);
  assert.match(
    row.error_message,
    /still runs \(process \d+\).*duckback rollback \d+ --rollback-data/,
  );
  assert.equal((await stack.container("site")).state, "running");
  site.assertClean();
  await sh(`kill -9 ${(await sleeping()).split("\n").map((path) => path.split("/")[2]).join(" ")}`);
  await place.ok(["rollback", String(row.backup_id), "--rollback-data", "--yes"], site.at);
  assert.deepEqual(await site.state(), { ...before, health: (await site.state()).health });

  // Killed once files and data are back: what is missing are the containers, made anew by `recover`.
  const bin = place.tree("bin", {});
  Deno.writeTextFileSync(join(bin, "docker"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  Deno.writeTextFileSync(
    join(bin, "docker-compose"),
    '#!/bin/sh\ncase "$*" in *up*) touch "$PWD/begun"; sleep 300;; esac\n',
    { mode: 0o755 },
  );
  Deno.removeSync(join(stack.dir, "begun"));
  const PATH = Deno.env.get("PATH")!;
  const late = start(`PATH=${PATH}; ${TO("3")}; exit 7`, {
    env: { PATH: `${bin}:${PATH}`, begun: stack.project },
  });
  await begun();
  late.kill("SIGKILL");
  await Promise.all([late.status, late.stdout.cancel(), late.stderr.cancel()]);
  await sh(`kill -9 ${(await sleeping()).split("\n").map((path) => path.split("/")[2]).join(" ")}`);
  assert.equal((await site.state()).release, before.release);
  assert.equal((await stack.container("site")).state, "exited");

  // No compose tool: said with what to type, kept until it was done.
  const bare = place.tree("bare", {});
  const stuck = await place.run(["recover", "--json"], { ...site.at, env: { PATH: bare } });
  assert.deepEqual([stuck.code, stuck.json.error.code], [1, "START_FAILED"], stuck.stderr);
  assert.match(stuck.json.error.message, /neither `docker compose` nor docker-compose .* DOWN/);
  const [, line] = /^(cd .* site);/.exec(stuck.json.error.hint)!;
  await sh(line.replace("docker compose", "docker-compose"));
  await site.healthy();
  const done = await place.ok(["recover", "--json"], { ...site.at, env: { PATH: bare } });
  assert.deepEqual(done.json.upgrades.map(({ status }: { status: string }) => status), [
    "ROLLED_BACK",
  ]);
  await site.healthy();
  assert.deepEqual(await site.state(), before);
  site.assertClean();
  await using catalog = await openCatalog({ home: place.home });
  assert.deepEqual(await catalog.upgrades.list({ status: "RUNNING" }), []);
  assert.deepEqual(await catalog.actions.list({ status: "running" }), []);
});

Deno.test("upgrade without a way back says so; wrong words and a program that is not there cost nothing", async () => {
  await using place = new Place();
  const at = { cwd: place.tree("shop", { notes: "old" }) };
  const notes = () => Deno.readTextFileSync(join(at.cwd, "notes"));
  const upgrade = (...more: string[]) =>
    place.run([
      "upgrade",
      "--to",
      "2",
      "--json",
      ...more,
      "--",
      "sh",
      "-c",
      "echo $$; printf half > notes; exit 7",
    ], at);
  const left = await upgrade("--no-backup");
  assert.equal(left.code, 1);
  assert.match(left.json.error.message, /as the command left it: no backup was made/);
  assert.equal(notes(), "half");
  assert.match(left.stderr, /^\d+$/m, "what it put out is shown");
  assert.doesNotMatch((await upgrade("--no-backup", "--quiet")).stderr, /^\d+$/m);
  Deno.writeTextFileSync(join(at.cwd, "notes"), "old");
  const back = await upgrade("--from", "1");
  assert.match(back.json.error.message, /sh ended with exit code 7.*as they were before/);
  assert.equal(notes(), "old");
  await place.ok(["config", "set", "upgrade.rollback_enabled", "false"]);
  const off = await upgrade();
  assert.match(off.json.error.hint, /duckback rollback \d+ --rollback-data/);
  assert.equal(notes(), "half");
  await place.ok(["config", "set", "upgrade.auto_backup_enabled", "false"]);
  const good = await place.ok(["upgrade", "--to", "3", "--json", "--", "true", "--json"], at);
  assert.deepEqual([good.json.upgrade.status, good.json.backup], ["SUCCESS", null]);

  const { upgrades } = (await place.ok(["upgrade", "list", "--json"], at)).json;
  assert.deepEqual(
    upgrades.map(({ status, backup_id }: { status: string; backup_id: number | null }) =>
      `${status} ${backup_id === null ? "without" : "with"}`
    ),
    ["SUCCESS without", "FAILED with", "ROLLED_BACK with", "FAILED without", "FAILED without"],
  );
  assert.equal(upgrades[2].from_version, "1");
  const count = (await place.ok(["backup", "list", "--json"])).json.backups.length;
  const none = await place.run(["upgrade", "--to", "7", "--", "no-such-program"], at);
  assert.deepEqual([none.code, (await place.run(["upgrade", "--to", "7"], at)).code], [2, 2]);
  assert.equal((await place.run(["upgrade", "show", "99"], at)).code, 10);
  assert.equal((await place.ok(["backup", "list", "--json"])).json.backups.length, count);
  assert.equal((await place.ok(["upgrade", "list", "--json"], at)).json.upgrades.length, 5);
});
