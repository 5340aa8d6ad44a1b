/** loadCompose() against docker-compose itself, on what both understand. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { loadCompose } from "../../../lib/docker/compose.ts";
import { parseYaml } from "../../../lib/docker/compose_yaml.ts";
import { run } from "../../fixtures/docker.ts";

const FILES: Record<string, string> = {
  "docker-compose.yml": `
x-common: &common
  restart: always
services:
  web:
    <<: *common
    image: "\${IMG:-a}-\${IMG2-b}-\${EMPTY:-e}-\${EMPTY-f}-x\${SET}\${OUTER}-\${Q}|\${S}|\${U}|\${L}"
    volumes:
      - ./data:/data
      - named:/n:ro
      - ~/x:/x
      - ../up:/up
      - \${DIR:-./dflt}:/dflt:rw
      - {type: bind, source: ./long, target: /long, read_only: true}
      - {type: volume, source: ext, target: /ext}
    depends_on: {db: {condition: service_healthy}}
    extends: {file: common/base.yml, service: base}
  db: {image: db, profiles: [p], healthcheck: {test: "true"}}
volumes: {named: {}, ext: {external: true, name: outside}}
`,
  "docker-compose.override.yml": `
services:
  web: {volumes: ["./z:/data:ro", "extra:/extra"]}
volumes: {extra: {name: "own-\${SET}"}}
`,
  "common/base.yml": `services: {base: {image: base, volumes: ["./b:/b"]}}`,
  ".env": `# comment
SET=set
EMPTY=
export Q="quoted # text"
S='single $SET'
U=plain # comment
L=a=b=c
OUTER=from .env
`,
};

Deno.test("loadCompose() reads what `docker-compose config` prints", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "Dbt_Oracle." }));
  try {
    await Deno.mkdir(join(dir, "common"));
    for (const [name, text] of Object.entries(FILES)) {
      await Deno.writeTextFile(join(dir, name), text);
    }
    const env = { HOME: "/home/oracle", OUTER: "outer wins", PATH: Deno.env.get("PATH")! };
    const printed = await run("docker-compose", ["--profile", "p", "config"], { cwd: dir, env });
    // deno-lint-ignore no-explicit-any
    const wanted = parseYaml(printed, "config")[0].toPlain((text) =>
      text.replaceAll("$$", () => "$")
    ) as any;
    const project = await loadCompose({ workDir: dir, env });
    assert(project);
    assert.deepEqual(
      project.services.map(({ name }) => name).sort(),
      Object.keys(wanted.services).sort(),
    );
    for (const service of project.services) {
      const theirs = wanted.services[service.name];
      assert.equal(service.image, theirs.image);
      assert.equal(service.restart, theirs.restart ?? "no");
      assert.deepEqual(
        Object.fromEntries(service.depends_on.map((item) => [item.service, item.condition])),
        Object.fromEntries(
          Object.entries(theirs.depends_on ?? {}).map((
            [name, value],
          ) => [name, (value as { condition: string }).condition]),
        ),
      );
      const mounts = service.mounts.map((mount) =>
        `${mount.source}:${mount.target}:${mount.read_only ? "ro" : "rw"}`
      );
      // deno-lint-ignore no-explicit-any
      const theirMounts = (theirs.volumes ?? []).map((mount: any) =>
        typeof mount === "string"
          ? mount
          : `${mount.source}:${mount.target}:${mount.read_only ? "ro" : "rw"}`
      );
      assert.deepEqual(mounts.sort(), theirMounts.sort());
    }
    for (const [key, volume] of Object.entries(project.volumes)) {
      const name = wanted.volumes[key]?.name;
      if (name) assert.equal(volume.name, name);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
