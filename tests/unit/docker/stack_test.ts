/** Tests of discovery without an engine. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { discoverStack, type StackOptions } from "../../../lib/docker/stack.ts";

async function inDir(
  files: Record<string, string>,
  use: (dir: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir());
  const dir = join(root, "Shop");
  try {
    await Deno.mkdir(dir);
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(dir, name), text);
    }
    await use(dir);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const discover = (workDir: string, options: Partial<StackOptions> = {}) =>
  discoverStack({ workDir, env: {}, engine: null, extraSources: [], ...options });

Deno.test("discoverStack() of a plain directory is the directory, or what is named instead", async () => {
  await inDir({ "file.txt": "x" }, async (dir) => {
    const stack = await discover(dir);
    assert.deepEqual([stack.name, stack.work_dir, stack.services], ["shop", dir, []]);
    assert.deepEqual(stack.sources, [{
      kind: "path",
      role: "app",
      name: ".",
      path: dir,
      archive_path: ".",
      origin: "working directory",
    }]);
    const named = await discover(dir, {
      name: "other",
      extraSources: [join(dir, "file.txt"), "/mnt/x"],
    });
    assert.equal(named.name, "other");
    assert.deepEqual(named.sources.map(({ archive_path, name }) => [archive_path, name]), [
      ["external/mnt/x", "/mnt/x"],
      ["file.txt", "file.txt"],
    ]);
  });
});

Deno.test("discoverStack() without an engine finds what the compose file tells", async () => {
  await inDir({
    "compose.yaml": `
services:
  web:
    image: x
    env_file: [web.env, {path: optional.env, required: false}]
    configs: [c]
    secrets: [s]
    volumes: ["./data:/d", "./ro:/ro:ro", "named:/n", "bound:/b", "/etc/localtime:/etc/localtime:ro", "/anon"]
    tmpfs: /tmp
configs: {c: {file: c.conf}, unused: {file: gone.conf}}
secrets: {s: {file: ./s.txt}}
volumes: {named: , bound: {driver_opts: {type: none, o: bind, device: /srv/bound}}}
`,
    ".env": "A=1",
    "web.env": "B=2",
  }, async (dir) => {
    const stack = await discover(dir);
    const found = stack.sources.map((source) => `${source.role} ${source.archive_path}`);
    assert.deepEqual(found, [
      "app .env",
      "app c.conf",
      "app compose.yaml",
      "data data",
      "app ro",
      "app s.txt",
      "data volumes/shop_bound",
      "app web.env",
    ]);
    assert.equal(stack.sources.find(({ kind }) => kind === "volume")!.path, "/srv/bound");
    const skipped = Object.fromEntries(stack.skipped.map(({ name, reason }) => [name, reason]));
    assert.match(skipped.shop_named, /Docker is not reachable/);
    assert.match(skipped["/etc/localtime"], /host's system/);
    assert.match(skipped["/anon"], /anonymous/);
  });
});

Deno.test("discoverStack() follows symbolic links to the data and keeps the links", async () => {
  await inDir(
    { "compose.yaml": "services: {web: {image: x, volumes: ['./data/db:/d']}}" },
    async (dir) => {
      const disk = join(dir, "..", "disk");
      await Deno.mkdir(join(disk, "db"), { recursive: true });
      await Deno.symlink("../disk", join(dir, "data"));
      const stack = await discover(dir);
      const real = await Deno.realPath(disk);
      assert.deepEqual(stack.sources.map(({ path, role }) => [path, role]), [
        [join(dir, "compose.yaml"), "app"],
        [join(dir, "data"), "app"],
        [join(real, "db"), "data"],
      ]);
      // The working directory itself may be reached through a link.
      const link = join(dir, "..", "link");
      await Deno.symlink("Shop", link);
      assert.equal((await discover(link)).work_dir, dir);
    },
  );
});

Deno.test("discoverStack() merges sources inside a bind mount of the whole directory", async () => {
  await inDir(
    { "compose.yaml": "services: {web: {image: x, volumes: ['.:/app']}}", ".env": "" },
    async (dir) => {
      const { sources } = await discover(dir);
      assert.deepEqual(sources.map(({ archive_path, role }) => [archive_path, role]), [[
        ".",
        "data",
      ]]);
      assert.equal(sources[0].origin, "bind mount of web, env file, compose file");
    },
  );
});

Deno.test("discoverStack() raises for a compose file that was named and is not there", async () => {
  await inDir({}, async (dir) => {
    await assert.rejects(discover(dir, { files: ["no.yml"] }), (error) => {
      return error instanceof DuckbackError && error.code === "COMPOSE_MISSING";
    });
  });
});
