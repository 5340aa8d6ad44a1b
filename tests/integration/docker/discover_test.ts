/** Discovery of real stacks: compose files joined with containers. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { connectEngine } from "../../../lib/docker/dockerode_engine.ts";
import { discoverStack, refreshStack, type StackOptions } from "../../../lib/docker/stack.ts";
import {
  BASE_IMAGE,
  createSampleStack,
  docker,
  run,
  type SampleStack,
  TEST_LABEL,
} from "../../fixtures/docker.ts";

const env = { HOME: "/root", PATH: Deno.env.get("PATH") };

async function discover(workDir: string, options: Partial<StackOptions> = {}) {
  const engine = await connectEngine({});
  return await discoverStack({ workDir, env, engine, extraSources: [], ...options });
}

const places = (stack: Awaited<ReturnType<typeof discover>>) =>
  Object.fromEntries(stack.sources.map(({ archive_path, role }) => [archive_path, role]));

Deno.test("discoverStack() joins compose file and containers", async (t) => {
  const external = `dbt-external-${crypto.randomUUID().slice(0, 8)}`;
  await using sample = await createSampleStack({
    web_replicas: 2,
    with_rm: true,
    extra_services: `
  odd:
    <<: *common
    network_mode: none
    tmpfs: /scratch
    profiles: [odd]
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock
      - /etc/localtime:/etc/localtime:ro
      - /proc:/host/proc:ro
      - /anonymous
      - nfs:/nfs
      - bound:/bound
      - shared:/shared
      - ./volumes/x:/x
      - ./app-data/sub:/sub
      - ./app-data/file.sock:/sock
  unused:
    <<: *common
    profiles: [never]
    volumes: [./never-made:/x]
`,
    extra_top: `
  nfs: {labels: {duckback.test: "1"}, driver_opts: {type: nfs, o: "addr=192.0.2.1", device: ":/x"}}
  bound: {labels: {duckback.test: "1"}, driver_opts: {type: none, o: bind, device: "\${PWD}/bound"}}
  shared: {external: true, name: ${external}}
  later: {labels: {duckback.test: "1"}}
`,
    start: false,
  });
  await Deno.mkdir(join(sample.dir, "bound"));
  await Deno.mkdir(join(sample.dir, "volumes/x"), { recursive: true });
  using _socket = Deno.listen({ transport: "unix", path: join(sample.dir, "app-data/file.sock") });
  await docker("volume", "create", "--label", TEST_LABEL, external);
  try {
    await run("docker-compose", ["--profile", "odd", "up", "--no-start", "--scale", "web=2"], {
      cwd: sample.dir,
    });
    await docker("start", `${sample.project}_db_1`, `${sample.project}_migrate_1`);
    // A volume named as a path in the working directory, and an orphan.
    await docker(
      "volume",
      "create",
      "--label",
      `com.docker.compose.project=${sample.project}`,
      `${sample.project}_old`,
    );
    await docker(
      "create",
      ...["--name", `${sample.project}_orphan_1`, "--network=none", "-v", "/srv"],
      ...["--label", `com.docker.compose.project=${sample.project}`],
      ...["--label", "com.docker.compose.service=orphan", "--label", TEST_LABEL],
      BASE_IMAGE,
    );
    const stack = await discover(sample.dir);

    await t.step("all containers count: replicas, one-shots, profiles, orphans", () => {
      assert.deepEqual(stack.containers.map(({ service, number }) => `${service} ${number}`), [
        "admin 1",
        "app 1",
        "db 1",
        "migrate 1",
        "odd 1",
        "orphan 1",
        "web 1",
        "web 2",
      ]);
      const services = stack.services.map(({ name }) => name);
      assert.deepEqual(services, ["db", "app", "web", "migrate", "admin", "odd", "unused"]);
    });
    await t.step("sources have their role and place", () => {
      assert.deepEqual(places(stack), {
        ".env": "app",
        "app-data": "data",
        "app.env": "app",
        "config/app.conf": "app",
        "docker-compose.yml": "app",
        "volumes/x": "data",
        [`volumes/${sample.project}_bound`]: "data",
        [`volumes/${sample.project}_data`]: "data",
        [`volumes/${sample.project}_later`]: "data",
        [`volumes/${sample.project}_old`]: "data",
        [`volumes/${external}`]: "data",
      });
    });
    await t.step("a volume bound to a directory is read there", () => {
      const bound = stack.sources.find(({ name }) => name.endsWith("_bound"))!;
      assert.equal(bound.path, join(sample.dir, "bound"));
    });
    await t.step("what is left out is named with a reason", () => {
      const reasons = Object.fromEntries(stack.skipped.map(({ name, reason }) => [
        /^[0-9a-f]{64}$/.test(name) ? "anonymous" : name.replace(sample.dir, "."),
        reason,
      ]));
      assert.match(reasons["/var/run/docker.sock"], /socket/);
      assert.match(reasons["./app-data/file.sock"], /socket/);
      assert.match(reasons["/etc/localtime"], /host's system/);
      assert.match(reasons["/proc"], /host's system/);
      assert.match(reasons["/scratch"], /memory/);
      assert.match(reasons["anonymous"], /anonymous/);
      assert.match(reasons[`${sample.project}_nfs`], /network/);
      assert.match(reasons["./never-made"], /profile was never started/);
    });
    await t.step("anonymous volumes come when asked for", async () => {
      const all = await discover(sample.dir, { anonymousVolumes: true });
      assert.equal(all.sources.length, stack.sources.length + 2);
    });
    await t.step("a volume makes way for a path of its name", async () => {
      const name = `${sample.project}_data`;
      const whole = await discover(sample.dir, {
        extraSources: [join(sample.dir, "volumes")],
      });
      assert.equal(places(whole)[`volumes~/${name}`], "data");
    });
  } finally {
    await sample[Symbol.asyncDispose]();
    await docker("volume", "rm", "-f", external);
  }
});

Deno.test("discoverStack() finds stacks that are not where their name says", async (t) => {
  await using sample = await createSampleStack({ start: false });
  const names = (stack: { containers: { name: string }[] }) =>
    stack.containers.map(({ name }) => name);
  const up = async (dir: string, ...args: string[]) =>
    await run("docker-compose", [...args, "up", "--no-start", "db"], { cwd: dir });
  const other: SampleStack[] = [];
  const elsewhere = await Deno.realPath(await Deno.makeTempDir());
  try {
    await up(sample.dir, "-p", `${sample.project}blue`);
    other.push(
      new (sample.constructor as typeof SampleStack)(elsewhere, `${sample.project}blue`, ""),
    );

    await t.step("by the directory, where it was started under another name", async () => {
      const stack = await discover(sample.dir);
      assert.equal(stack.name, `${sample.project}blue`);
      assert.equal(names(stack).length, 1);
      assert.equal(places(stack)[`volumes/${sample.project}blue_data`], "data");
      assert.match(stack.notes.join(), /belong to project/);
    });
    await t.step("by --stack NAME from anywhere", async () => {
      const stack = await discover(elsewhere, { name: `${sample.project}blue` });
      assert.equal(stack.work_dir, sample.dir);
      assert.equal(stack.services.length, 5);
      assert.equal(places(stack)["app-data"], "data");
    });
    await t.step("not at all, where two projects come from it", async () => {
      await up(sample.dir, "-p", `${sample.project}green`);
      other.push(
        new (sample.constructor as typeof SampleStack)(elsewhere, `${sample.project}green`, ""),
      );
      await assert.rejects(discover(sample.dir), (error) => {
        assert(error instanceof DuckbackError && error.code === "USAGE");
        assert.match(error.message, /blue and .*green/);
        return true;
      });
      assert.equal(
        (await discover(sample.dir, { name: `${sample.project}green` })).containers.length,
        1,
      );
    });
    await t.step("by its own name once it has containers", async () => {
      await up(sample.dir);
      const stack = await discover(sample.dir);
      assert.deepEqual(names(stack), [`${sample.project}_db_1`]);
      assert.match(stack.notes.join(), /blue and .*green come from this directory too/);
    });
    await t.step("without containers of another directory of the same name", async () => {
      const twin = join(elsewhere, sample.project);
      await Deno.mkdir(twin);
      await Deno.writeTextFile(
        join(twin, "compose.yaml"),
        "services: {db: {image: x}, twin: {image: x}}",
      );
      const stack = await discover(twin);
      assert.deepEqual([stack.containers, stack.left_alone.length], [[], 1]);
      assert.match(stack.notes.join(), /are left alone/);
      assert.deepEqual((await refreshStack(await connectEngine({}), stack)).containers, []);
    });
    await t.step("after its directory was moved", async () => {
      const moved = join(elsewhere, "moved", sample.project);
      await Deno.mkdir(join(elsewhere, "moved"));
      await Deno.rename(sample.dir, moved);
      try {
        const stack = await discover(moved);
        assert.deepEqual(names(stack), [`${sample.project}_db_1`]);
      } finally {
        await Deno.rename(moved, sample.dir);
      }
    });
    await t.step("by its containers alone, where the compose file is gone", async () => {
      const away = join(elsewhere, "docker-compose.yml");
      await Deno.rename(sample.compose_file, away);
      try {
        const stack = await discover(sample.dir, { name: sample.project });
        assert.deepEqual([stack.services, names(stack)], [[], [`${sample.project}_db_1`]]);
        assert.deepEqual(places(stack), { [`volumes/${sample.project}_data`]: "data" });
        assert.match(stack.notes.join(), /does not exist/);
      } finally {
        await Deno.rename(away, sample.compose_file);
      }
    });
  } finally {
    for (const project of other) await project[Symbol.asyncDispose]();
    await Deno.remove(elsewhere, { recursive: true }).catch(() => {});
  }
});

Deno.test("discoverStack() uses the files and env file its containers were made from", async () => {
  await using sample = await createSampleStack({ start: false });
  await Deno.writeTextFile(
    join(sample.dir, "prod.env"),
    "TAG=2\nGREETING=x\nDATA_DIR=./prod-data\n",
  );
  await Deno.writeTextFile(
    join(sample.dir, "prod.yml"),
    `services: {web: {volumes: ["\${DATA_DIR:-./dev-data}:/data"]}}\n`,
  );
  await Deno.mkdir(join(sample.dir, "prod-data"));
  const args = ["--env-file", "prod.env", "-f", "docker-compose.yml", "-f", "prod.yml"];
  await run("docker-compose", [...args, "up", "--no-start"], { cwd: sample.dir });
  const stack = await discover(sample.dir);
  assert.deepEqual(
    stack.compose_files.map((file) => file.replace(sample.dir, ".")),
    ["./docker-compose.yml", "./prod.yml"],
  );
  const found = places(stack);
  assert.equal(found["prod-data"], "data");
  assert.equal(found["prod.env"], "app");
  assert.equal(found["prod.yml"], "app");
  assert.equal("dev-data" in found, false);
});

Deno.test("discoverStack() of a plain directory ignores stacks that bear its name", async () => {
  await using sample = await createSampleStack({ start: false });
  await run("docker-compose", ["up", "--no-start", "db"], { cwd: sample.dir });
  const root = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.mkdir(join(root, sample.project));
    const stack = await discover(join(root, sample.project));
    assert.deepEqual([stack.containers, stack.notes], [[], []]);
    assert.deepEqual(places(stack), { ".": "app" });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
