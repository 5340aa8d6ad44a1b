/** The main job on a real compose stack whose containers write while they run. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack, docker, type SampleStack } from "../fixtures/docker.ts";
import { EngineProxy } from "../fixtures/engine_proxy.ts";
import { auditRows, finished, names, Place, sh, until } from "./support.ts";

const UP = { admin: "created", app: "running", db: "running", migrate: "exited", web: "running" };

/** Waits until a backup has stopped all that ran; it is then held by a reader that does not read. */
async function untilStopped(stack: SampleStack) {
  await stack.until((all) => all.every((item) => item.state !== "running"));
}

/** A backup that stands still between stop and start: nobody reads the archive it writes. */
async function heldBackup(place: Place, stack: SampleStack, args: string[] = []) {
  const run = place.start(["backup", "create", "--output", "-", ...args], { cwd: stack.dir });
  await untilStopped(stack);
  return run;
}

Deno.test("discovered, stopped, archived, started, listed, verified, damaged, rolled back [case 1]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const before = await stack.containers();
  const init = (await place.ok(["init", "--json"], { cwd: stack.dir })).json;
  assert.deepEqual(
    init.stack.sources.map((source: { name: string; role: string }) =>
      `${source.role} ${source.name}`
    )
      .sort(),
    [
      "app .env",
      "app app.env",
      "app config/app.conf",
      "app docker-compose.yml",
      "data app-data",
      `data ${stack.volume}`,
    ],
  );

  const { backup } = (await place.ok(["backup", "create", "--version", "1.0", "--json"], {
    cwd: stack.dir,
  })).json;
  assert.equal(backup.status, "completed");
  assert.equal(backup.stack, stack.project);
  assert.equal(backup.verify_status, "passed");
  assert.equal(backup.backup_metadata.consistency, "stopped");
  assert.ok(backup.downtime_ms > 0);
  assert.deepEqual(await stack.states(), UP);
  const after = await stack.containers();
  for (const container of before) {
    const same = after.find((other) => other.name === container.name)!;
    assert.equal(same.id, container.id, "no container was made anew");
    const restarted = same.started_at !== container.started_at;
    assert.equal(
      restarted,
      container.state === "running",
      `${container.name} restarted: ${restarted}`,
    );
  }
  const listed = await sh(`tar tzf ${backup.backup_path}`);
  for (
    const path of [
      "docker-compose.yml",
      "app.env",
      "config/app.conf",
      "app-data/sub/empty/",
      "app-data/link",
      `volumes/${stack.volume}/journal`,
    ]
  ) {
    assert.ok(listed.split("\n").includes(path), `${path} in\n${listed}`);
  }

  // What the archive holds of the journal is where the live one stood when the service was stopped.
  await place.ok(["restore", String(backup.id), "--target", place.path("out")]);
  const then = Deno.readTextFileSync(place.path("out/volumes", stack.volume, "journal"));
  const live = join(await stack.volumePath(), "journal");
  assert.ok(then.split("\n").length > 3 && then.endsWith("\n"));
  assert.ok(Deno.readTextFileSync(live).startsWith(then));
  await until("db writes again", () => Deno.readTextFileSync(live).includes("\n2 "));

  Deno.writeTextFileSync(join(stack.dir, "config/app.conf"), "listen 80 # oops\n");
  await sh("rm -r sub link; echo junk > junk", join(stack.dir, "app-data"));
  const rolled = (await place.ok(["rollback", String(backup.id), "--force", "--json"])).json;
  assert.equal(Deno.readTextFileSync(join(stack.dir, "config/app.conf")), "listen 8080\n");
  assert.ok(names(join(stack.dir, "app-data")).includes("junk"), "data is left alone");
  assert.equal(rolled.safety_backup.status, "completed");
  assert.deepEqual(await stack.states(), UP);

  await place.ok(["rollback-data-only", String(backup.id), "--force"]);
  assert.ok(!names(join(stack.dir, "app-data")).includes("junk"));
  assert.ok(names(join(stack.dir, "app-data")).includes("link"));
  assert.deepEqual(await stack.states(), UP);
  // The service goes on from the journal of the backup: its third run follows on the first.
  await until(
    "db writes to the restored volume",
    () => Deno.readTextFileSync(live).includes("\n4 "),
  );
  const journal = Deno.readTextFileSync(live);
  assert.ok(journal.startsWith(then));
  assert.ok(!journal.includes("\n2 "), "what was written after the backup is gone");

  await place.ok(["rollback", "--undo", "--force"], { cwd: stack.dir });
  assert.ok(names(join(stack.dir, "app-data")).includes("junk"));
  await until("db writes to the old volume", () => Deno.readTextFileSync(live).includes("\n5 "));
  assert.ok(Deno.readTextFileSync(live).includes("\n2 "));
  assert.deepEqual(await stack.states(), UP);
  assert.deepEqual(names(join(place.home, "journal")), []);
});

Deno.test("exactly what ran runs again: a service stopped by hand stays down [case 1]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ web_replicas: 2 });
  await docker("stop", (await stack.container("app")).name, (await stack.container("web", 2)).name);
  const before = await stack.states();
  await place.ok(["backup", "create"], { cwd: stack.dir });
  assert.deepEqual(await stack.states(), before);
  assert.equal(before.app, "exited");
});

Deno.test("a disk that fills up after the stop: services run again, nothing is left [cases 2, 12]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ big_bytes: 20_000_000 });
  const disk = place.tree("disk", {});
  await sh(`mount -t tmpfs -o size=8m tmpfs ${disk}`);
  try {
    await place.ok(["config", "set", "auto_backup_directory", disk]);
    const before = await stack.containers();
    const spared = await place.run(["backup", "create", "--json"], { cwd: stack.dir });
    assert.equal(spared.json.error.code, "DISK_FULL");
    assert.deepEqual(await stack.containers(), before, "it is full before anything is stopped");
    const args = ["backup", "create", "--json", "--no-precopy"];
    const result = await place.run(args, { cwd: stack.dir });
    assert.equal(result.code, 1);
    assert.equal(result.json.error.code, "DISK_FULL");
    assert.deepEqual(await stack.states(), UP);
    const restarted = await stack.container("web");
    assert.match(await docker("logs", restarted.name), /up, run 2/, "it had been stopped");
    assert.deepEqual(names(disk), []);
    const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
    assert.equal(row.status, "failed");
    assert.match(row.error_message, /no space left/);
  } finally {
    await sh(`umount ${disk}`);
  }
});

Deno.test("kill -9 between stop and start: the next command brings the services back [case 3]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ big_bytes: 30_000_000 });
  await docker("stop", (await stack.container("web")).name);
  const run = await heldBackup(place, stack);
  run.kill("SIGKILL");
  await finished(run);
  assert.equal((await stack.states()).db, "exited");
  const { code, json: status } = await place.run(["status", "--json"], { cwd: stack.dir });
  assert.equal(code, 1);
  assert.ok(
    status.problems.some((text: string) => text.includes("duckback recover")),
    status.problems,
  );
  const next = await place.ok(["backup", "list", "--json"]);
  assert.equal(next.json.backups[0].status, "running");
  assert.equal((await stack.states()).db, "exited", "a command that only looks changes nothing");
  // A command of any kind that may change something; it need not even succeed (nor be about backups).
  const refused = await place.run(["restore", "99", "--target", place.path("x")]);
  assert.equal(refused.code, 10);
  assert.match(refused.stderr, /had died.*run again/s);
  assert.deepEqual(await stack.states(), { ...UP, web: "exited" });
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.status, "failed");
  const [audit] = await auditRows(place, "recover");
  assert.match(audit.result_message!, /app.*db|db.*app/);
  assert.doesNotMatch(audit.result_message!, /web/);
  assert.deepEqual(names(join(place.home, "journal")), []);
});

Deno.test("kill -9 with two of three stopped: all three as before [case 4]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ slow_stop: 1 });
  const run = place.start(["backup", "create"], { cwd: stack.dir });
  await stack.until((all) => {
    const state = (name: string) => all.find((item) => item.service === name)!.state;
    return state("web") === "exited" && state("app") === "exited" && state("db") === "running";
  });
  run.kill("SIGKILL");
  await finished(run);
  const { json } = await place.ok(["recover", "--json"]);
  assert.ok(json.services.length >= 2);
  // The stop of db was on its way to the engine when duckback died: it too is mended.
  assert.deepEqual(await stack.states(), UP);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.deepEqual(await stack.states(), UP);
  const again = (await place.ok(["recover", "--json"])).json;
  assert.deepEqual(again.services, []);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} in mid-archive: services are up before duckback leaves [case 5]`, async () => {
    await using place = new Place();
    await using stack = await createSampleStack({ big_bytes: 30_000_000 });
    const run = await heldBackup(place, stack);
    run.kill(signal);
    run.kill(signal);
    const result = await finished(run);
    assert.equal(result.code, 130, result.stderr);
    assert.deepEqual(await stack.states(), UP);
    const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
    assert.equal(row.status, "failed");
    assert.match(row.error_message, /INTERRUPTED/);
    assert.deepEqual(names(join(place.home, "journal")), []);
  });
}

Deno.test("a container started with --rm is refused and never stopped [case 8]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ with_rm: true });
  const before = await stack.containers();
  const result = await place.run(["backup", "create", "--json"], { cwd: stack.dir });
  assert.equal(result.code, 1);
  assert.equal(result.json.error.code, "AUTO_REMOVE");
  assert.match(result.json.error.message, /job/);
  assert.deepEqual(await stack.containers(), before);
  const paused = await place.run(["backup", "create", "--quiesce", "pause", "--json"], {
    cwd: stack.dir,
  });
  assert.equal(paused.json.backup?.backup_metadata.consistency, "paused", paused.stderr);
  assert.deepEqual(await stack.containers(), before);
});

Deno.test("a service that is unhealthy after its start is not reported as success [case 10]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ healthchecks: { app: "sick_after_restart" } });
  await place.ok(["config", "set", "backup.health_timeout_seconds", "4"]);
  const result = await place.run(["backup", "create", "--json"], { cwd: stack.dir });
  assert.equal(result.code, 3, result.stderr);
  assert.equal(result.json.backup.status, "partial");
  assert.match(result.json.problems[0], /app is unhealthy/);
  assert.equal(result.json.health.unhealthy[0].service, "app");
  assert.ok(result.json.health.unhealthy[0].log_tail.join("\n").includes("run 2"));
  const show = (await place.ok(["backup", "show", "1", "--json"])).json.backup;
  assert.match(show.error_message, /app is unhealthy/);
});

Deno.test("a service that ignores its stop signal is never called cleanly stopped", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ ignores_term: ["db"], stop_grace: 1 });
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: stack.dir })).json;
  assert.equal(backup.backup_metadata.consistency, "killed");
  assert.ok(backup.warnings.some((w: { code: string }) => w.code === "SERVICE_KILLED"));
  assert.deepEqual(await stack.states(), UP);
});

Deno.test("a container started by hand in mid-archive marks the backup", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ big_bytes: 30_000_000 });
  const run = await heldBackup(place, stack);
  await docker("start", (await stack.container("db")).name);
  const { code, stderr } = await run.output();
  const text = new TextDecoder().decode(stderr);
  assert.equal(code, 3, text);
  assert.match(text, /db.* while the archive was made/);
  const [row] = (await place.ok(["backup", "list", "--json"])).json.backups;
  assert.equal(row.status, "partial");
  assert.equal(row.backup_metadata.consistency, "killed");
  assert.deepEqual(await stack.states(), UP);
});

Deno.test("the catalogue's disk full after the stop: services start all the same [case 26]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  await using proxy = await EngineProxy.start();
  proxy.rule({ match: /\/start/, times: 1, action: "delay", ms: 2000 });
  Deno.mkdirSync(place.home);
  await sh(`mount -t tmpfs -o size=16m tmpfs ${place.home}`);
  try {
    await place.ok(["init"], { cwd: stack.dir });
    const target = place.path("x.tar.gz");
    const run = place.start(["backup", "create", "--output", target, "--json"], {
      cwd: stack.dir,
      env: proxy.env,
    });
    await until("all is stopped", () => proxy.count(/\/start/) > 0);
    await sh(`head -c 100000000 /dev/zero > ${place.home}/filler || true`);
    const result = await finished(run);
    assert.deepEqual(await stack.states(), UP);
    assert.equal(result.code, 3, result.stderr);
    assert.equal(result.json.backup.status, "completed");
    await sh(`gzip -t ${target}`);
    Deno.removeSync(join(place.home, "filler"));
    await place.ok(["recover"]);
    const shown = (await place.ok(["backup", "show", "1", "--json"])).json.backup;
    assert.equal(shown.status, "completed");
    assert.equal((await place.ok(["backup", "verify", "1", "--json"])).json.success, true);
  } finally {
    await sh(`umount ${place.home}`);
  }
});

Deno.test("a damaged archive is refused before a service is touched [case 27]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: stack.dir })).json;
  const before = await stack.containers();
  const bytes = Deno.readFileSync(backup.backup_path);
  bytes[bytes.length >> 1] ^= 0x10;
  Deno.writeFileSync(backup.backup_path, bytes);
  const result = await place.run(["rollback", "1", "--rollback-data", "--force", "--json"]);
  assert.equal(result.code, 12);
  assert.deepEqual(await stack.containers(), before);
});

Deno.test("a rollback after which a service is unwell is taken back", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ healthchecks: { app: "sick_after_restart" } });
  await place.ok(["config", "set", "backup.health_timeout_seconds", "4"]);
  await place.ok(["backup", "create", "--quiesce", "none"], { cwd: stack.dir });
  Deno.writeTextFileSync(join(stack.dir, "config/app.conf"), "newer\n");
  const result = await place.run(["rollback", "1", "--force", "--json"]);
  assert.equal(result.code, 1, result.stderr);
  assert.equal(result.json.error.code, "RESTORE_FAILED");
  assert.match(result.json.error.message, /app is unhealthy.*put back/);
  assert.equal(Deno.readTextFileSync(join(stack.dir, "config/app.conf")), "newer\n");
  assert.ok(!names(join(stack.dir, "config")).includes(".duckback-undo"));
  assert.deepEqual(await stack.states(), UP);
  assert.deepEqual(names(join(place.home, "journal")), []);
});

Deno.test("kill -9 in mid-rollback: the whole old tree, services up", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ big_bytes: 60_000_000 });
  await place.ok(["backup", "create"], { cwd: stack.dir });
  await sh("echo newer > app-data/notes.txt; rm app-data/link", stack.dir);
  // The safety backup, with services down, takes long enough to be hit.
  const run = place.start(["rollback", "1", "--rollback-data", "--force"]);
  await untilStopped(stack);
  run.kill("SIGKILL");
  await finished(run);
  const recovered = (await place.ok(["recover", "--json"])).json;
  assert.deepEqual(recovered.services.length, 3);
  assert.equal(Deno.readTextFileSync(join(stack.dir, "app-data/notes.txt")), "newer\n");
  assert.ok(!names(join(stack.dir, "app-data")).includes("link"));
  assert.ok(!names(stack.dir).includes(".duckback-undo"));
  assert.ok(!names(await stack.volumePath()).includes(".duckback-undo"));
  assert.deepEqual(await stack.states(), UP);
  await place.ok(["rollback", "1", "--rollback-data", "--force"]);
  assert.equal(
    Deno.readTextFileSync(join(stack.dir, "app-data/notes.txt")),
    "written before the start\n",
  );
});

Deno.test("--require-stopped refuses with 4 and lists what runs", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const before = await stack.containers();
  const refused = await place.run(["backup", "create", "--require-stopped", "--json"], {
    cwd: stack.dir,
  });
  assert.equal(refused.code, 4);
  assert.deepEqual(
    refused.json.error.services.map((
      s: { service: string; status: string; restart_policy: string },
    ) => `${s.service} ${s.status} ${s.restart_policy}`),
    ["app running unless-stopped", "db running unless-stopped", "web running unless-stopped"],
  );
  assert.deepEqual(await stack.containers(), before);
  await place.ok(["docker-service", "stop"], { cwd: stack.dir });
  const { backup } = (await place.ok(["backup", "create", "--require-stopped", "--json"], {
    cwd: stack.dir,
  })).json;
  assert.equal(backup.backup_metadata.consistency, "idle");
  assert.equal(backup.downtime_ms, null);
});

Deno.test("docker-service stop, start, restart and status", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const stopped = (await place.ok(["docker-service", "stop", "--json"], { cwd: stack.dir })).json;
  assert.deepEqual(stopped.changed.sort(), ["app", "db", "web"]);
  assert.deepEqual(await stack.states(), { ...UP, app: "exited", db: "exited", web: "exited" });
  const started = (await place.ok(["docker-service", "start", "--json"], { cwd: stack.dir })).json;
  assert.deepEqual(started.changed.sort(), ["app", "db", "web"]);
  assert.deepEqual(await stack.states(), UP);
  const web = await stack.container("web");
  const restarted =
    (await place.ok(["docker-service", "restart", "web", "--json"], { cwd: stack.dir })).json;
  assert.deepEqual(restarted.changed, ["web"]);
  assert.notEqual((await stack.container("web")).started_at, web.started_at);
  const { services } =
    (await place.ok(["docker-service", "status", "--json"], { cwd: stack.dir })).json;
  const row = services.find((service: { service: string }) => service.service === "web");
  assert.equal(row.state, "running");
  assert.equal(row.persistent, true);
  assert.equal(row.restart_policy, "unless-stopped");
  const unknown = await place.run(["docker-service", "restart", "nosuch", "--json"], {
    cwd: stack.dir,
  });
  assert.equal(unknown.code, 10);
});

Deno.test("without an engine a stack with services is refused with 13, looking still works", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ start: false });
  const env = { DOCKER_HOST: `unix://${place.path("no.sock")}` };
  const options = { cwd: stack.dir, env };
  for (
    const args of [["backup", "create"], ["docker-service", "status"], ["docker-service", "stop"]]
  ) {
    const result = await place.run([...args, "--json"], options);
    assert.equal(result.code, 13, args.join(" "));
    assert.equal(result.json.error.code, "DOCKER_UNREACHABLE");
    assert.ok(result.json.error.hint);
  }
  const status = (await place.ok(["status", "--json"], options)).json;
  assert.ok(status.problems.length > 0);
  await place.ok(["init", "--json"], options);
});

Deno.test("--quiesce none marks the backup as live, and touches no container", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const before = await stack.containers();
  const result = await place.run(["backup", "create", "--quiesce", "none", "--json"], {
    cwd: stack.dir,
  });
  assert.ok([0, 3].includes(result.code));
  assert.equal(result.json.backup.backup_metadata.consistency, "live");
  assert.deepEqual(await stack.containers(), before);
});

Deno.test("secrets of .env and of the environment stay out of everything [case 39]", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ big_bytes: 30_000_000 });
  const secret = "s3cret-value";
  const env = { DB_PASSWORD: secret };
  const run = place.start(["backup", "create", "--output", "-", "--verbose"], {
    cwd: stack.dir,
    env,
  });
  await untilStopped(stack);
  assert.ok(!(await sh(`tr '\\0' ' ' < /proc/${run.pid}/cmdline`)).includes(secret));
  const children = await sh(`cat /proc/${run.pid}/task/*/children`);
  assert.equal(children.trim(), "", "no child is started that could show or inherit anything");
  const result = await run.output();
  assert.equal(result.code, 0);
  assert.ok(!new TextDecoder().decode(result.stderr).includes(secret));
  await place.ok(["backup", "create"], { cwd: stack.dir, env });
  const shown = await place.ok(["backup", "show", "2", "--json"]);
  assert.ok(!shown.stdout.includes(secret));
  // Inside the archive it lies with the rest of the stack; anywhere else it has no business.
  assert.equal(await sh(`grep -rla ${secret} ${place.home} || true`), "");
});
