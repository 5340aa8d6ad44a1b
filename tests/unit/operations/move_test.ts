import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import type { BackupMetadata, Source, VolumeSnapshot } from "../../../lib/core/model.ts";
import type { Engine } from "../../../lib/docker/engine.ts";
import type { Context } from "../../../lib/operations/context.ts";
import type { DescribedRecord } from "../../../lib/operations/file_record.ts";
import { imagesHere, nextCommands, quoted, toAdapt } from "../../../lib/operations/move_advice.ts";
import { planMove } from "../../../lib/operations/move_plan.ts";

const source = (
  kind: Source["kind"],
  name: string,
  path: string,
  archive_path: string,
): Source => ({
  ...{ kind, name, path, archive_path },
  role: "data",
  origin: "bind mount of web",
});
const volume = (
  name: string,
  key: string | null,
  naming: VolumeSnapshot["naming"],
  plain = true,
) => ({ name, key, naming, plain, labels: { tier: "gold" } });

function metadata(more: Partial<BackupMetadata> = {}): BackupMetadata {
  return {
    ...{ tool_version: "", host: "old", work_dir: "/srv/shop", project: "shop" },
    ...{ compose_files: [], compose_hash: null, skipped: [], services: [], sources: [] },
    ...{ quiesce: "stop", consistency: "stopped", level: 6 },
    ...more,
  };
}

const VOLUMES = {
  sources: ["shop_data", "shop_logs", "common", "old", "f".repeat(64)].map((name) =>
    source("volume", name, `/volumes/${name}`, `volumes/${name}`)
  ),
  volumes: [
    volume("shop_data", "data", "project"),
    volume("shop_logs", "logs", "named"),
    volume("common", "common", "external"),
    volume("old", null, "named"),
    volume("f".repeat(64), null, "named", false),
  ],
};

Deno.test("planMove() names volumes as compose will look for them", () => {
  const plan = planMove(metadata(VOLUMES), "copy", "/new", false);
  const own = { "com.docker.compose.project": "copy" };
  assert.deepEqual(plan.volumes.map(({ name, labels }) => [name, labels]), [
    ["copy_data", { tier: "gold", ...own, "com.docker.compose.volume": "data" }],
    ["shop_logs", { tier: "gold", ...own, "com.docker.compose.volume": "logs" }],
    ["common", { tier: "gold" }],
    ["old", { tier: "gold" }],
  ]);
  assert.deepEqual(plan.beside.map(({ from, to }) => [from, to]), [
    ["f".repeat(64), `/new/volumes/${"f".repeat(64)}`],
  ]);
});

Deno.test("planMove() goes by the name where a record says nothing of its volumes", () => {
  const plan = planMove(metadata({ sources: VOLUMES.sources }), "copy", "/new", false);
  assert.deepEqual(plan.volumes.map(({ name, naming }) => [name, naming]), [
    ["copy_data", "project"],
    ["copy_logs", "project"],
    ["common", "named"],
    ["old", "named"],
  ]);
});

Deno.test("planMove() refuses two volumes of one name", () => {
  const both = {
    sources: VOLUMES.sources.slice(0, 2),
    volumes: [volume("shop_data", "data", "project"), volume("shop_logs", "data", "project")],
  };
  assert.throws(() => planMove(metadata(both), "copy", "/new", false), { code: "REFUSED" });
});

Deno.test("planMove() puts what came from outside beside, or back where it was", () => {
  const sources = [
    source("path", "conf", "/srv/shop/conf", "conf"),
    source("path", "/etc/tls", "/etc/tls", "external/etc/tls"),
    source("path", "/srv/shop2", "/srv/shop2", "external/srv/shop2"),
  ];
  const places = (in_place: boolean) => {
    const plan = planMove(metadata({ sources }), "copy", "/new", in_place);
    return [plan.beside.map(({ to }) => to), plan.in_place.map(({ to }) => to)];
  };
  assert.deepEqual(places(false), [["/new/external/etc/tls", "/new/external/srv/shop2"], []]);
  assert.deepEqual(places(true), [[], ["/etc/tls", "/srv/shop2"]]);
});

/** An engine with these images (by name and by id) and containers. */
function engine(images: Record<string, string>, containers: string[] = []): Engine {
  return {
    inspectImage(name: string) {
      if (name.includes(" ")) throw new DuckbackError("DOCKER_FAILED", "no such name");
      const id = images[name] ?? (Object.values(images).includes(name) ? name : null);
      return Promise.resolve(id && { id, tags: [], digests: [], env: {} });
    },
    inspect: (name: string) => Promise.resolve(containers.includes(name) ? { name } : null),
  } as unknown as Engine;
}

const service = (service: string, image: string, image_id: string, image_digests?: string[]) => ({
  ...{ service, image, image_id, image_digests },
  ...{ container: service, state: "running", health: null, restart_policy: "no" },
});

Deno.test("imagesHere() says which images are here, are others, or are missing; nextCommands() how to get them", async () => {
  const then = metadata({
    services: [
      service("web", "app:1", "sha256:1"),
      service("job", "app:1", "sha256:1"),
      service("db", "db:2", "sha256:2", ["reg/db@sha256:d2"]),
      service("old", "old:3", "sha256:3"),
      service("odd", "no name", "sha256:4"),
    ],
    dumps: [
      { service: "db", kind: "postgres", file: null, path: "dumps/db/all.sql", bytes: 1 },
    ],
  });
  const images = await imagesHere(then, engine({ "app:1": "sha256:1", "db:2": "sha256:other" }));
  assert.deepEqual(images.map(({ image, state }) => [image, state]), [
    ["app:1", "here"],
    ["db:2", "other"],
    ["old:3", "missing"],
    ["no name", "missing"],
  ]);
  assert.deepEqual(images[0].services, ["web", "job"]);
  assert.equal((await imagesHere(then, null))[0].state, "unknown");
  const plan = planMove(then, "copy", "/srv/my shop", false);
  const record = { backup_metadata: then } as DescribedRecord;
  const next = nextCommands(plan, record, "/mnt/a.tar.gz", images.slice(0, 3));
  assert.deepEqual(next.map((line) => line.replace(/ +#.*/, "")), [
    "docker pull reg/db@sha256:d2",
    "docker tag reg/db@sha256:d2 db:2",
    "docker load < IMAGE.tar",
    "cd '/srv/my shop' && docker compose -p copy up -d",
    "duckback --stack copy restore /mnt/a.tar.gz --dump db",
  ]);
  assert.equal(quoted("it's"), `'it'\\''s'`);
});

Deno.test("toAdapt() finds what the compose files say that does not hold in the new place", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(
      `${dir}/compose.yml`,
      `name: shop
services:
  web:
    image: app:1
    container_name: shop-web
    volumes: [/srv/shop/conf:/conf, ./here:/here, data:/data, more:/more, common:/common]
volumes:
  data: {}
  more: {}
  common: {external: true}
`,
    );
    const then = metadata({
      ...{ sources: VOLUMES.sources.slice(0, 1), volumes: VOLUMES.volumes },
      skipped: [{ name: "/run", service: "web", reason: "in memory (tmpfs)" }],
    });
    const plan = planMove(then, "copy", dir, false);
    const found = await toAdapt(
      { env: {} } as unknown as Context,
      plan,
      { backup_metadata: then } as DescribedRecord,
      engine({}, ["shop-web"]),
    );
    assert.deepEqual(found, [
      "its files call the project shop: give compose -p copy each time",
      `web mounts /srv/shop/conf, which is ${dir}/conf now: change the compose file`,
      "volume copy_more (more in the compose file) will be made anew, and empty",
      "volume common (common in the compose file) is external, and must be there",
      "web wants the container name shop-web, which is taken here",
      "/run of web is not in the backup: in memory (tmpfs)",
    ]);
    // A file that cannot be read here does not make the move fail.
    Deno.writeTextFileSync(`${dir}/compose.yml`, "services: [");
    const [first] = await toAdapt(
      { env: {} } as unknown as Context,
      plan,
      { backup_metadata: then } as DescribedRecord,
      null,
    );
    assert.match(first, /^its compose files cannot be read here: /);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
