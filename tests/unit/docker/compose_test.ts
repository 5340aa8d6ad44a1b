/** Tests of reading compose files: which, with which variables, merged how. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { DuckbackError } from "../../../lib/core/errors.ts";
import {
  type ComposeProject,
  loadCompose,
  type LoadComposeOptions,
} from "../../../lib/docker/compose.ts";

/** Writes files into a directory called "My_App.d", hands it over, removes it. */
async function inDir<T>(
  files: Record<string, string>,
  use: (dir: string) => Promise<T>,
): Promise<T> {
  const root = await Deno.realPath(await Deno.makeTempDir());
  const dir = join(root, "My_App.d");
  try {
    await Deno.mkdir(dir);
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(dir, name)), { recursive: true });
      await Deno.writeTextFile(join(dir, name), text);
    }
    return await use(dir);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

type Options = Partial<Omit<LoadComposeOptions, "workDir">>;

/** Loads; absolute paths under the directory are shown as "./...". */
async function load(files: Record<string, string>, options: Options = {}): Promise<ComposeProject> {
  return await inDir(files, async (dir) => {
    const project = await loadCompose({ workDir: dir, env: {}, ...options });
    assert(project);
    return JSON.parse(JSON.stringify(project).replaceAll(dir, "."));
  });
}

async function refusal(
  files: Record<string, string>,
  options: Options = {},
): Promise<DuckbackError> {
  return await inDir(files, async (dir) => {
    try {
      await loadCompose({ workDir: dir, env: {}, ...options });
    } catch (error) {
      assert(error instanceof DuckbackError, String(error));
      return new DuckbackError(error.code, error.message.replaceAll(dir, "."), error.options);
    }
    throw new Error("accepted");
  });
}

const mountsOf = (project: ComposeProject, service: string) =>
  project.services.find(({ name }) => name === service)!.mounts.map((mount) =>
    `${mount.type} ${mount.source} ${mount.target}${mount.read_only ? " ro" : ""}`
  );
const service = (project: ComposeProject, name: string) =>
  project.services.find((one) => one.name === name)!;

const WEB = "services: {web: {image: x}}\n";

Deno.test("loadCompose() is null without a compose file", async () => {
  await inDir({ "other.yml": WEB }, async (dir) => {
    assert.equal(await loadCompose({ workDir: dir, env: {} }), null);
  });
});

Deno.test("loadCompose() finds files by name as compose v2 does, and says when several are there", async () => {
  const order = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
  for (let first = 0; first < order.length; first++) {
    const files = Object.fromEntries(order.slice(first).map((name) => [name, WEB]));
    const project = await load(files);
    assert.deepEqual(project.files, [`./${order[first]}`]);
    assert.equal(project.notes.length, first < order.length - 1 ? 1 : 0);
  }
  const project = await load({
    "docker-compose.yml": WEB,
    "compose.override.yaml": "services: {web: {image: y}}",
  });
  assert.deepEqual(project.files, ["./docker-compose.yml", "./compose.override.yaml"]);
  assert.equal(project.services[0].image, "y");
});

Deno.test("loadCompose() takes named files, else COMPOSE_FILE of the environment or of .env", async () => {
  const files = { "a.yml": WEB, "sub/b.yml": "services: {db: {image: y}}", "compose.yaml": WEB };
  const names = async (extra: Record<string, string>, options: Options) => {
    const project = await load({ ...files, ...extra }, options);
    return [project.files, project.services.map(({ name }) => name), project.chosen];
  };
  const both = [["./a.yml", "./sub/b.yml"], ["web", "db"], "given"];
  assert.deepEqual(await names({}, { files: ["a.yml", "sub/b.yml"] }), both);
  assert.deepEqual(await names({}, { env: { COMPOSE_FILE: "a.yml:sub/b.yml" } }), both);
  assert.deepEqual(
    await names({ ".env": "COMPOSE_FILE=a.yml;sub/b.yml\nCOMPOSE_PATH_SEPARATOR=;" }, {}),
    both,
  );
  const [used] = await names({ ".env": "COMPOSE_FILE=sub/b.yml" }, {
    env: { COMPOSE_FILE: "a.yml" },
  });
  assert.deepEqual(used, ["./a.yml"]);
  for (const options of [{ files: ["gone.yml"] }, { env: { COMPOSE_FILE: "gone.yml" } }]) {
    const error = await refusal(files, options);
    assert.equal(error.code, "COMPOSE_MISSING");
    assert.match(error.message, /gone\.yml/);
  }
});

Deno.test("loadCompose() names the project by option, environment, file, directory", async () => {
  const named = { "compose.yaml": `name: \${N:-from-file}\n${WEB}`, ".env": "" };
  assert.equal((await load({ "compose.yaml": WEB })).name, "my_appd");
  assert.equal((await load(named)).name, "from-file");
  assert.equal((await load(named, { env: { N: "Other" } })).name, "other");
  const dotenv = { ...named, ".env": "COMPOSE_PROJECT_NAME=from_dotenv" };
  assert.equal((await load(dotenv)).name, "from_dotenv");
  assert.equal((await load(dotenv, { env: { COMPOSE_PROJECT_NAME: "env" } })).name, "env");
  assert.equal((await load(dotenv, { name: "asked" })).name, "asked");
  const over = { ...named, "compose.override.yml": "name: second\nservices: {}" };
  assert.equal((await load(over)).name, "second");
  const used = await load({
    "compose.yaml": "services: {web: {image: 'x:${COMPOSE_PROJECT_NAME}'}}",
  });
  assert.equal(used.services[0].image, "x:my_appd");
});

Deno.test("loadCompose() lets the environment win over .env, and --env-file replace it", async () => {
  const files = {
    "compose.yaml": "services: {web: {image: '${A}-${B}-${C:-none}'}}",
    ".env": "A=dot\nB=dot$A\n",
    "prod.env": "A=prod\nC=prod\n",
    "more.env": "C=more-$A\nB=b",
  };
  const image = async (options: Options) => (await load(files, options)).services[0].image;
  assert.equal(await image({}), "dot-dotdot-none");
  assert.equal(await image({ env: { A: "env" } }), "env-dotenv-none");
  assert.equal(await image({ envFiles: ["prod.env"] }), "prod--prod");
  assert.equal(await image({ envFiles: ["prod.env", "more.env"] }), "prod-b-more-prod");
  assert.equal(
    await image({ env: { COMPOSE_ENV_FILES: "prod.env,more.env" } }),
    "prod-b-more-prod",
  );
  assert.equal(await image({ env: { COMPOSE_DISABLE_ENV_FILE: "1" } }), "--none");
  const project = await load(files, { envFiles: ["prod.env"] });
  assert.deepEqual(project.env_files, ["./prod.env"]);
  assert.match(project.notes.join(), /Variable B is not set.*compose\.yaml, line 1/);
  assert.equal((await refusal(files, { envFiles: ["gone.env"] })).code, "COMPOSE_MISSING");
  const broken = await refusal({ ...files, ".env": "A=1\nwhat is this\n" });
  assert.match(broken.message, /\.env": line 2/);
});

Deno.test("loadCompose() reads every form of volume", async () => {
  const project = await load({
    "compose.yaml": `
services:
  web:
    image: x
    volumes:
      - ./data:/data
      - ../up:/up:ro
      - /abs/dir/:/abs:rw,z
      - ~/home:/home
      - \${DIR:-./dflt}:/dflt:\${MODE:-ro}
      - named:/named
      - /anonymous
      - {type: bind, source: ./long, target: /long, read_only: true, bind: {create_host_path: true}}
      - {type: bind, source: ./text, target: /text, read_only: "\${NO:-true}"}
      - {type: volume, source: other, target: /other}
      - {type: volume, target: /anon2}
      - {type: tmpfs, target: /tmp}
      - {type: npipe, source: x, target: /pipe}
volumes:
  named:
  other: {name: real-name}
  ext: {external: true}
  ext2: {external: {name: legacy}}
  ext3: {external: true, name: "\${P:-ext}-three"}
  nfs: {driver: local, driver_opts: {type: nfs, o: addr=10.0.0.1, device: ":/x"}}
`,
  }, { env: { HOME: "/home/me" } });
  const up = mountsOf(project, "web")[1];
  assert.match(up, /^bind .*\/up \/up ro$/);
  assert.deepEqual(mountsOf(project, "web").filter((text) => text !== up), [
    "bind ./data /data",
    "bind /abs/dir /abs",
    "bind /home/me/home /home",
    "bind ./dflt /dflt ro",
    "volume named /named",
    "volume null /anonymous",
    "bind ./long /long ro",
    "bind ./text /text ro",
    "volume other /other",
    "volume null /anon2",
    "tmpfs null /tmp",
    "npipe x /pipe",
  ]);
  const names = Object.entries(project.volumes).map(([key, value]) => [
    key,
    value.name,
    value.external,
  ]);
  assert.deepEqual(names, [
    ["named", "my_appd_named", false],
    ["other", "real-name", false],
    ["ext", "ext", true],
    ["ext2", "legacy", true],
    ["ext3", "ext-three", true],
    ["nfs", "my_appd_nfs", false],
  ]);
  assert.equal(project.volumes.nfs.driver_opts.type, "nfs");
});

Deno.test("loadCompose() merges override files as compose does", async () => {
  const project = await load({
    "compose.yaml": `
services:
  web:
    image: one
    restart: always
    env_file: a.env
    labels: [a=1, b=1]
    depends_on: [db]
    profiles: [p]
    volumes: ["./a:/a", "./b:/b/", "keep:/k"]
  db: {image: db}
  gone: {image: g}
volumes: {keep: {name: one}, drop: {}}
configs: {c: {file: ./c1}}
`,
    "compose.override.yml": `
services:
  web:
    image: two
    env_file: [b.env, {path: c.env, required: false}]
    labels: {b: "2", c: "3"}
    depends_on: {cache: {condition: service_healthy}}
    volumes: ["./z:/b:ro", "./c:/c"]
  cache: {image: c}
  gone: !reset null
volumes: {keep: {external: true}, drop: !reset null}
configs: {c: {file: ./c2}}
`,
  });
  const web = service(project, "web");
  assert.equal(web.image, "two");
  assert.equal(web.restart, "always");
  assert.deepEqual(web.labels, { a: "1", b: "2", c: "3" });
  assert.deepEqual(web.depends_on, [
    { service: "db", condition: "service_started" },
    { service: "cache", condition: "service_healthy" },
  ]);
  assert.deepEqual(web.env_files, [
    { path: "./a.env", required: true },
    { path: "./b.env", required: true },
    { path: "./c.env", required: false },
  ]);
  assert.deepEqual(mountsOf(project, "web"), [
    "bind ./a /a",
    "bind ./z /b ro",
    "volume keep /k",
    "bind ./c /c",
  ]);
  assert.deepEqual(project.services.map(({ name }) => name), ["web", "db", "cache"]);
  assert.deepEqual(Object.keys(project.volumes), ["keep"]);
  assert.deepEqual([project.volumes.keep.name, project.volumes.keep.external], ["one", true]);
  assert.equal(project.configs.c.file, "./c2");
});

Deno.test("loadCompose() obeys !reset and !override on a service's keys", async () => {
  const project = await load({
    "compose.yaml": `
services:
  web: {image: one, volumes: ["./a:/a"], env_file: a.env, depends_on: [db], labels: {x: "1"}}
  db: {image: db}
`,
    "compose.override.yml": `
services:
  web:
    volumes: !override ["./b:/b"]
    env_file: !reset []
    depends_on: !reset null
    labels: !override {y: "2"}
`,
  });
  const web = service(project, "web");
  assert.deepEqual(mountsOf(project, "web"), ["bind ./b /b"]);
  assert.deepEqual([web.env_files, web.depends_on, web.labels], [[], [], { y: "2" }]);
});

Deno.test("loadCompose() resolves extends, in the same file and in others", async () => {
  const project = await load({
    "compose.yaml": `
services:
  base: {image: base, volumes: ["./own:/own"], healthcheck: {test: "true"}}
  web: {extends: base, image: web, volumes: ["./more:/more"]}
  far:
    extends: {file: common/base.yml, service: middle}
    volumes: ["./data:/data:ro"]
`,
    "common/base.yml": `
services:
  root: {image: root, volumes: ["./data:/data", "named:/n"], env_file: r.env}
  middle: {extends: {service: root}, restart: always}
`,
  });
  assert.deepEqual(mountsOf(project, "web"), ["bind ./own /own", "bind ./more /more"]);
  assert.equal(service(project, "web").has_healthcheck, true);
  const far = service(project, "far");
  assert.deepEqual([far.image, far.restart], ["root", "always"]);
  assert.deepEqual(mountsOf(project, "far"), ["bind ./data /data ro", "volume named /n"]);
  assert.deepEqual(far.env_files, [{ path: "./common/r.env", required: true }]);
  assert.deepEqual(project.all_files, ["./compose.yaml", "./common/base.yml"]);
  assert.equal(project.volumes.named.name, "my_appd_named");
});

Deno.test("loadCompose() takes in included files with their own directory and .env", async () => {
  const project = await load({
    "compose.yaml": `
include:
  - infra/compose.yaml
  - {path: [tools/a.yml, tools/b.yml], project_directory: ., env_file: tools.env}
services: {web: {image: "\${V:-unset}", depends_on: [db]}}
`,
    "infra/compose.yaml":
      "services: {db: {image: 'db:${V}', volumes: ['./data:/d', 'v:/v']}}\nvolumes: {v: }",
    "infra/.env": "V=infra",
    "tools/a.yml": "services: {tool: {image: 'a:${V}', volumes: ['./t:/t']}}",
    "tools/b.yml": "services: {tool: {restart: always}}",
    "tools.env": "V=tools",
  });
  assert.equal(service(project, "db").image, "db:infra");
  assert.deepEqual(mountsOf(project, "db"), ["bind ./infra/data /d", "volume v /v"]);
  const tool = service(project, "tool");
  assert.deepEqual([tool.image, tool.restart], ["a:tools", "always"]);
  assert.deepEqual(mountsOf(project, "tool"), ["bind ./t /t"]);
  assert.equal(service(project, "web").image, "unset");
  assert.deepEqual(project.all_files, [
    "./compose.yaml",
    "./infra/compose.yaml",
    "./tools/a.yml",
    "./tools/b.yml",
  ]);
  assert.deepEqual(project.env_files, ["./infra/.env", "./tools.env"]);
});

Deno.test("loadCompose() notes what lies on other machines, and goes on", async () => {
  const project = await load({
    "compose.yaml": `
include: ["https://github.com/x/y.git", oci://r/x]
services: {web: {image: x, depends_on: [remote], extends: {file: "git@h:x.git", service: s}}}
`,
  });
  assert.equal(project.notes.length, 3);
  assert.deepEqual(service(project, "web").depends_on, []);
});

Deno.test("loadCompose() understands anchors, merge keys, x- keys and documents", async () => {
  const project = await load({
    "compose.yaml": `
x-common: &common
  restart: always
  volumes: &vols ["./shared:/s"]
services:
  a: {<<: *common, image: a}
  b: {<<: [*common], image: b, restart: "no"}
  c: {image: c, volumes: *vols}
---
services:
  a: {image: a2}
`,
  });
  assert.deepEqual([service(project, "a").restart, service(project, "a").image], ["always", "a2"]);
  assert.equal(service(project, "b").restart, "no");
  for (const name of ["a", "b", "c"]) {
    assert.deepEqual(mountsOf(project, name), ["bind ./shared /s"]);
  }
  assert.deepEqual(project.notes, []);
});

Deno.test("loadCompose() finds dependencies that are not under depends_on", async () => {
  const project = await load({
    "compose.yaml": `
services:
  a: {image: x, links: ["b:alias"], volumes_from: ["c:ro", "container:z"], network_mode: "service:d"}
  b: {image: x, ipc: "service:c", pid: host}
  c: {image: x}
  d: {image: x, profiles: [debug]}
`,
  });
  const names = (name: string) => service(project, name).depends_on.map((one) => one.service);
  assert.deepEqual(names("a"), ["b", "c", "d"]);
  assert.deepEqual(names("b"), ["c"]);
});

Deno.test("loadCompose() reads configs, secrets and healthchecks", async () => {
  const project = await load({
    "compose.yaml": `
services:
  web:
    image: x
    configs: [one, {source: two, target: /two}]
    secrets: [s]
    healthcheck: {test: ["NONE"]}
  off: {image: x, healthcheck: {disable: true}}
  on: {image: x, healthcheck: {interval: 3s}}
configs: {one: {file: ./one.conf}, two: {external: true}, three: {content: "x $$y"}}
secrets: {s: {file: "~/s.txt"}, e: {environment: E}}
`,
  }, { env: { HOME: "/home/me" } });
  assert.deepEqual(service(project, "web").configs, ["one", "two"]);
  assert.deepEqual(project.configs, {
    one: { file: "./one.conf" },
    two: { file: null },
    three: { file: null },
  });
  assert.deepEqual(project.secrets, { s: { file: "/home/me/s.txt" }, e: { file: null } });
  const checks = project.services.map((one) => one.has_healthcheck);
  assert.deepEqual(checks, [false, false, true]);
});

Deno.test("loadCompose() names file, line and what is wrong", async () => {
  const table: [string, RegExp][] = [
    ["services:\n  web:\n    image: [x\n", /compose\.yaml": line \d: not valid YAML/],
    ["services:\n  web:\n\timage: x\n", /line 3: not valid YAML: Tabs/],
    ["", /the file is empty/],
    ["- a\n", /line 1: the file must be a mapping/],
    ["version: '3'\n", /describes no service/],
    ["services: [a]\n", /line 1: services: must be a mapping/],
    ["services:\n  web: text\n", /line 2: services\.web: must be a mapping/],
    ["services:\n  web:\n    volumes: ./a:/a\n", /line 3: services\.web\.volumes: must be a list/],
    ["services:\n  web:\n    volumes:\n    - ./a:\n", /line 4: .*type is missing/],
    [
      "services:\n  web:\n    volumes:\n    - a:/a:ro:x\n",
      /line 4: services\.web\.volumes\[0\]: .*colons/,
    ],
    ["services:\n  web:\n    volumes:\n    - a:b\n", /line 4: .*"b" is no absolute path/],
    [
      "services:\n  web:\n    volumes:\n    - {type: bind, target: /a}\n",
      /line 4: .*needs a source/,
    ],
    ["services:\n  web:\n    volumes:\n    - {type: blind, target: /a}\n", /line 4: .*"blind"/],
    [
      "services:\n  web:\n    volumes:\n    - {source: a, target: /a}\n",
      /line 4: .*type is missing/,
    ],
    ["services:\n  web:\n    image: ${NO:?set it}\n", /line 3: required variable NO .*: set it/],
    ["services:\n  web:\n    image: ${NO\n", /line 3: .*no valid variable/],
    ["services:\n  web: {extends: nope}\n", /line 2: services\.web\.extends: .*"nope"/],
    [
      "services:\n  web: {extends: {file: no.yml, service: x}}\n",
      /line 2: .*no\.yml does not exist/,
    ],
    ["services:\n  a: {extends: b}\n  b: {extends: a}\n", /extends itself/],
    ["include: [gone.yml]\n", /line 1: include: .*gone\.yml does not exist/],
    ["include: [compose.yaml]\n", /includes itself/],
    [
      "services:\n  a:\n    image: x\n    depends_on:\n      b: {condition: service_fine}\n",
      /line 5: services\.a\.depends_on\.b\.condition: must be one of/,
    ],
    ["services:\n  a: &a [*a]\n", /line 2: .*contains itself/],
  ];
  for (const [text, message] of table) {
    const error = await refusal({ "compose.yaml": text });
    assert.equal(error.code, "COMPOSE_INVALID");
    assert.match(error.message, message, text);
    assert.match(error.message, /^Cannot use "/);
  }
});

Deno.test("loadCompose() hashes what it read, and tells unknown keys", async () => {
  const files = { "compose.yaml": "include: [b.yml]\nservces: {}\n", "b.yml": WEB };
  const one = await load(files);
  const two = await load({ ...files, "b.yml": "services: {web: {image: z}}\n" });
  assert.match(one.hash, /^[0-9a-f]{64}$/);
  assert.notEqual(one.hash, two.hash);
  assert.equal(one.hash, (await load(files)).hash);
  assert.match(one.notes.join(), /line 2: "servces" is not known/);
});
