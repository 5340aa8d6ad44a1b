/** Containers of other projects that write to the same volumes: named, or stopped and started along. */
import assert from "node:assert/strict";
import { BASE_IMAGE, createSampleStack, docker, type SampleStack } from "../fixtures/docker.ts";
import { names, Place, until } from "./support.ts";

/** Containers that are no part of the stack; gone with the handle, before the stack's volumes are. */
class Others implements AsyncDisposable {
  readonly #made: string[] = [];
  readonly #images: string[] = [];

  constructor(readonly stack: SampleStack) {}

  /** Runs one; returns its name. */
  async run(name: string, mount: string, options: { project?: string; image?: string } = {}) {
    const full = `${this.stack.project}-${name}`;
    const labels = ["duckback.test=1"];
    if (options.project) {
      labels.push(
        `com.docker.compose.project=${options.project}`,
        `com.docker.compose.service=${name}`,
      );
    }
    const flags = labels.flatMap((label) => ["--label", label]);
    this.#made.push(full);
    await docker(
      ...["run", "-d", "--network=none", "--name", full, "-v", mount, ...flags],
      options.image ?? BASE_IMAGE,
    );
    return full;
  }

  async tag(image: string) {
    await docker("tag", BASE_IMAGE, image);
    this.#images.push(image);
    return image;
  }

  async startedAt(name: string): Promise<string> {
    return await docker("inspect", "-f", "{{.State.Status}} {{.State.StartedAt}}", name);
  }

  async [Symbol.asyncDispose]() {
    if (this.#made.length > 0) await docker("rm", "-f", ...this.#made);
    for (const image of this.#images) await docker("rmi", image);
    // Made by the engine for the stranger's mount.
    await Deno.remove(`${this.stack.dir}x-data`, { recursive: true }).catch(() => {});
  }
}

async function withOthers(stack: SampleStack) {
  const others = new Others(stack);
  return {
    others,
    // Of a project whose service has the name of one of the stack's.
    db: await others.run("db", `${stack.volume}:/data`, { project: `${stack.project}x` }),
    hand: await others.run("hand", `${stack.dir}/app-data/sub:/srv`),
    reader: await others.run("reader", `${stack.volume}:/data:ro`),
    stranger: await others.run("stranger", `${stack.dir}x-data:/srv`),
  };
}

Deno.test("containers that write to the same sources are named, and left alone", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const { others, db, hand, reader, stranger } = await withOthers(stack);
  await using _others = others;
  const at = { cwd: stack.dir };
  const all = [db, hand, reader, stranger];
  const before = await Promise.all(all.map((name) => others.startedAt(name)));

  for (const command of ["init", "status"]) {
    const text = (await place.ok([command], at)).stdout;
    assert.ok(text.includes(`! ${db} (project ${stack.project}x) mounts ${stack.volume}`), text);
    assert.ok(text.includes(`! ${hand} (no project) mounts app-data read-write`), text);
    assert.ok(!text.includes(reader) && !text.includes(stranger), text);
  }
  const { json } = await place.ok(["backup", "create", "--json"], at);
  assert.equal(json.backup.status, "completed");
  assert.equal(json.backup.backup_metadata.consistency, "live", "somebody wrote meanwhile");
  const shared = json.backup.warnings.filter((item: { code: string }) =>
    item.code === "SHARED_WITH"
  );
  assert.deepEqual(
    shared.map((item: { path: string; incomplete: boolean }) => [item.path, item.incomplete]),
    [[`${db} (project ${stack.project}x)`, false], [`${hand} (no project)`, false]],
  );
  assert.match(shared[0].message, /keeps running during a backup.*--stop-sharing/);
  assert.equal(json.notes.filter((note: string) => note.includes("--stop-sharing")).length, 2);
  assert.deepEqual(await Promise.all(all.map((name) => others.startedAt(name))), before);

  // Nothing of the stack runs, and yet somebody writes.
  await place.ok(["docker-service", "stop"], at);
  const idle = (await place.ok(["backup", "create", "--json"], at)).json.backup;
  assert.equal(idle.backup_metadata.consistency, "live");

  // A rollback replaces files that they have open: it says so, and is not called simply done.
  const undone = await place.run(
    ["rollback-data-only", String(json.backup.id), "--force", "--json"],
    at,
  );
  assert.equal(undone.code, 3, undone.stderr);
  assert.equal(undone.json.problems.length, 2, undone.json.problems.join("\n"));
  assert.match(undone.json.problems.join("\n"), new RegExp(`docker restart ${db}`));
});

Deno.test("--stop-sharing stops them first and starts them last; what need not stop goes on", async () => {
  await using place = new Place();
  await using stack = await createSampleStack();
  const { others, db, hand, reader, stranger } = await withOthers(stack);
  await using _others = others;
  const image = await others.tag(`${stack.project}/duckback:1`);
  const own = await others.run("scheduler", `${stack.dir}/app-data:/srv`, { image });
  const ended = await others.run("ended", `${stack.volume}:/data`);
  await docker("stop", "-t", "1", ended);
  const at = { cwd: stack.dir };
  const kept = [reader, stranger, own, ended];
  const before = await Promise.all(kept.map((name) => others.startedAt(name)));
  const stopped = await Promise.all([db, hand].map((name) => others.startedAt(name)));

  const preview = await place.ok(["backup", "create", "--stop-sharing", "--dry-run", "--json"], at);
  assert.deepEqual(preview.json.would_stop, [db, hand, "web", "app", "db"]);

  const done = await place.ok(["backup", "create", "--stop-sharing", "--json"], at);
  const steps = done.stderr.split("\n").filter((line) => /^(Stopped|Started) /.test(line));
  assert.equal(steps.length, 10, done.stderr);
  assert.ok(steps.slice(0, 2).every((line) => line.includes(db) || line.includes(hand)));
  assert.ok(steps.slice(8).every((line) => line.includes(db) || line.includes(hand)));
  const { backup, notes } = done.json;
  assert.equal(backup.backup_metadata.consistency, "stopped");
  assert.deepEqual([backup.warnings, notes], [[], []]);
  assert.deepEqual(await Promise.all(kept.map((name) => others.startedAt(name))), before);
  for (const [index, name] of [db, hand].entries()) {
    const now = await others.startedAt(name);
    assert.match(now, /^running /);
    assert.notEqual(now, stopped[index], `${name} was stopped and started`);
  }
});

Deno.test("kill -9 while they are down: the next run brings back those of other projects too", async () => {
  await using place = new Place();
  await using stack = await createSampleStack({ slow_stop: 2 });
  await using others = new Others(stack);
  const hand = await others.run("hand", `${stack.volume}:/data`);
  const run = place.start(["backup", "create", "--stop-sharing"], { cwd: stack.dir });
  await stack.until((all) => all.find((item) => item.service === "app")!.state === "exited");
  assert.match(await others.startedAt(hand), /^exited /);
  run.kill("SIGKILL"); // while db takes its two seconds to stop
  await run.output();
  const { json } = await place.ok(["recover", "--json"]);
  assert.ok(json.services.includes(hand), json.services.join());
  await until("it runs again", async () => /^running /.test(await others.startedAt(hand)));
  assert.deepEqual(await stack.states(), {
    admin: "created",
    app: "running",
    db: "running",
    migrate: "exited",
    web: "running",
  });
  assert.deepEqual(names(`${place.home}/journal`), []);
});
