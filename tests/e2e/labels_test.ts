/** `duckback.*` labels on a real stack: what they say is done, shown, and checked. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack, docker, type SampleStack } from "../fixtures/docker.ts";
import { Place, sh } from "./support.ts";

/** Three services with labels beside db, app and web. */
const LABELLED = `
  live:
    <<: *common
    labels: {duckback.test: "1", duckback.stop: "false"}
    volumes: ["./live-data:/srv"]
    environment: {WRITE: /srv/log}
  frozen:
    <<: *common
    labels: {duckback.test: "1", duckback.stop: pause}
  files:
    <<: *common
    labels:
      duckback.test: "1"
      duckback.role: app
      duckback.exclude: |
        *.log
        !keep.log
        cache/
        files-data/only/
    volumes: ["./files-data:/srv"]
`;
const EXTRA = ["live", "frozen", "files"];

async function labelledStack(extra = LABELLED, services = EXTRA): Promise<SampleStack> {
  const stack = await createSampleStack({ extra_services: extra });
  const all = await stack.containers();
  for (const { name } of all.filter((item) => services.includes(item.service))) {
    await docker("start", name);
  }
  return stack;
}

async function startTimes(stack: SampleStack): Promise<Record<string, string>> {
  return Object.fromEntries(
    (await stack.containers()).map((item) => [item.service, item.started_at]),
  );
}

Deno.test("duckback.stop: false stays up, pause is frozen, and the record says what that means", async () => {
  await using place = new Place();
  await using stack = await labelledStack();
  const at = { cwd: stack.dir };
  const before = await startTimes(stack);
  const states = await stack.states();

  const preview = (await place.ok(["backup", "create", "--dry-run", "--json"], at)).json;
  assert.deepEqual(preview.would_stop, ["web", "app", "db", "files", "frozen"]);

  const done = await place.ok(["backup", "create", "--json"], at);
  assert.match(done.stderr, /^Paused frozen /m);
  assert.match(done.stderr, /^Resumed frozen /m);
  assert.match(done.stderr, /^Stopped db /m);
  const { backup } = done.json;
  assert.equal(backup.status, "completed");
  assert.equal(backup.backup_metadata.consistency, "live", "it is not called cleanly stopped");
  const warning = backup.warnings.find((item: { code: string }) =>
    item.code === "CRASH_CONSISTENT"
  );
  assert.equal(warning.path, "live");
  assert.match(warning.message, /duckback\.stop says false.*live-data/);
  assert.ok(done.json.notes.some((note: string) => /^live keeps running/.test(note)));

  const after = await startTimes(stack);
  assert.deepEqual(await stack.states(), states);
  for (const service of ["live", "frozen"]) assert.equal(after[service], before[service], service);
  for (const service of ["db", "app", "web", "files"]) {
    assert.notEqual(after[service], before[service], service);
  }

  // By hand, all means all.
  await place.ok(["docker-service", "stop"], at);
  const down = await stack.states();
  assert.deepEqual(EXTRA.map((service) => down[service]), ["exited", "exited", "exited"]);
});

Deno.test("one frozen service makes the data crash-consistent, a firm one is stopped among frozen ones", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({
    extra_services: `
  frozen:
    <<: *common
    labels: {duckback.test: "1", duckback.stop: pause}
  firm:
    <<: *common
    labels: {duckback.test: "1", duckback.stop: "true"}
`,
  });
  for (const service of ["frozen", "firm"]) {
    await docker("start", (await stack.container(service)).name);
  }
  const at = { cwd: stack.dir };
  const first = (await place.ok(["backup", "create", "--json"], at)).json.backup;
  assert.equal(first.backup_metadata.consistency, "paused");
  const before = await startTimes(stack);
  const second = await place.ok(["backup", "create", "--quiesce", "pause", "--json"], at);
  assert.equal(second.json.backup.backup_metadata.consistency, "paused");
  const after = await startTimes(stack);
  const restarted = Object.keys(after).filter((service) => after[service] !== before[service]);
  assert.deepEqual(restarted, ["firm"]);
  assert.match(second.stderr, /^Paused db /m);
});

Deno.test("duckback.exclude and duckback.role hold for the service's own mounts", async () => {
  await using place = new Place();
  await using stack = await labelledStack();
  for (const dir of ["files-data", "app-data"]) {
    await sh(
      `mkdir -p cache only deep/only; touch a.log keep.log cache/x only/x deep/only/x deep/b.log`,
      join(stack.dir, dir),
    );
  }
  const init = (await place.ok(["init", "--json"], { cwd: stack.dir })).json;
  const roles = Object.fromEntries(
    init.stack.sources.map((source: { name: string; role: string }) => [source.name, source.role]),
  );
  assert.deepEqual([roles["files-data"], roles["app-data"], roles["live-data"]], [
    "app",
    "data",
    "data",
  ]);
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: stack.dir })).json;
  const listed = (await sh(`tar tzf ${backup.backup_path}`)).split("\n");
  const of = (dir: string) =>
    listed.filter((path) => path.startsWith(`${dir}/`)).map((path) => path.slice(dir.length + 1))
      .filter((path) => path !== "").sort();
  assert.deepEqual(of("files-data"), ["deep/", "deep/only/", "deep/only/x", "keep.log"]);
  for (const path of ["a.log", "cache/x", "only/x", "deep/b.log"]) {
    assert.ok(of("app-data").includes(path), `app-data/${path} is another service's`);
  }
  const rows = (await place.ok(["backup", "show", String(backup.id), "--json"])).json.backup;
  assert.equal(rows.verify_status, "passed");
});

Deno.test("init and status show labels in force and those that are not understood", async () => {
  await using place = new Place();
  await using stack = await labelledStack(`${LABELLED}
  odd:
    <<: *common
    labels: {duckback.test: "1", duckback.stpo: "false"}
`);
  const at = { cwd: stack.dir };
  for (const command of ["init", "status"]) {
    const { json } = await place.ok([command, "--json"], at);
    assert.deepEqual(Object.keys(json.stack.labels), ["live", "frozen", "files", "odd"]);
    assert.equal(json.stack.labels.live.stop, false);
    assert.equal(json.stack.labels.frozen.stop, "pause");
    assert.deepEqual(json.stack.labels.files.exclude, [
      "*.log",
      "!keep.log",
      "cache/",
      "files-data/only/",
    ]);
    assert.equal(json.stack.labels.files.role, "app");
    assert.ok(
      json.notes.some((note: string) =>
        /^Service odd: duckback\.stpo is no label.*did you mean "duckback\.stop"\?/.test(note)
      ),
      json.notes.join("\n"),
    );
    assert.ok(json.notes.some((note: string) => /^live keeps running during a backup/.test(note)));
    const text = (await place.ok([command], at)).stdout;
    assert.match(text, /^Labels$/m);
    assert.match(text, /^ {2}live +duckback\.stop +false$/m);
    assert.match(text, /^ {2}files +duckback\.exclude +\*\.log, !keep\.log, cache\/, /m);
    assert.match(text, /did you mean "duckback\.stop"/);
  }
  // An unknown label is no reason to have no backup.
  const { json } = await place.ok(["backup", "create", "--json"], at);
  assert.equal(json.backup.status, "completed");
  assert.ok(json.notes.some((note: string) => note.includes("duckback.stpo")));
});

Deno.test("a bad value is told by init and status, and no backup begins with it", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const at = { cwd: stack.dir };
  const good = Deno.readTextFileSync(stack.compose_file);
  const bad = `
  later:
    <<: *common
    labels: {duckback.test: "1", duckback.stop: "flase"}
volumes:`;
  // The service has no container: its labels are those of the file.
  Deno.writeTextFileSync(stack.compose_file, good.replace("\nvolumes:", bad));
  const before = await startTimes(stack);
  const message = /Service later: duckback\.stop is "flase".*did you mean "false"\?/;
  const init = (await place.ok(["init", "--json"], at)).json;
  assert.ok(init.notes.some((note: string) => message.test(note)));
  const status = (await place.ok(["status", "--json"], at)).json;
  assert.ok(status.problems.some((problem: string) => message.test(problem)));
  for (const more of [[], ["--dry-run"], ["--quiesce", "none"]]) {
    const refused = await place.run(["backup", "create", "--json", ...more], at);
    assert.equal(refused.code, 2, refused.stderr);
    assert.equal(refused.json.error.code, "USAGE");
    assert.match(refused.json.error.message, message);
  }
  assert.deepEqual(await startTimes(stack), before);
  assert.deepEqual((await place.ok(["backup", "list", "--json"])).json.backups, []);

  Deno.writeTextFileSync(stack.compose_file, good);
  const { backup } = (await place.ok(["backup", "create", "--json"], at)).json;
  Deno.writeTextFileSync(stack.compose_file, good.replace("\nvolumes:", bad));
  const rolled = await place.ok(["rollback", String(backup.id), "--force", "--json"]);
  assert.equal(rolled.json.success, true, "a rollback does not fail over a label");
});
