import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import type { Source } from "../../../lib/core/model.ts";
import type { Container, Mount } from "../../../lib/docker/engine.ts";
import { readLabels } from "../../../lib/docker/labels.ts";
import type { Stack } from "../../../lib/docker/stack.ts";
import { dumpedFiles, planDumps } from "../../../lib/operations/dump_plan.ts";

function container(service: string, image: string, more: Partial<Container> = {}): Container {
  const base = { id: `id-${service}`, name: `shop-${service}-1`, project: "shop", number: 1 };
  const rest = { oneoff: false, state: "running", labels: {}, mounts: [] };
  return { ...base, ...rest, service, image, ...more } as unknown as Container;
}

function volume(name: string, destination: string, read_only = false): Mount {
  const source = `/volumes/${name}`;
  return { type: "volume", name, source, destination, driver: "local", read_only };
}

function source(name: string, ...users: string[]): Source {
  return {
    kind: "volume",
    role: "data",
    name,
    path: `/volumes/${name}`,
    archive_path: `volumes/${name}`,
    origin: users.map((user) => `volume of ${user}`).join(", "),
  };
}

function stack(containers: Container[], sources: Source[] = [], more: Partial<Stack> = {}): Stack {
  const labels = readLabels([], containers);
  const base = { name: "shop", work_dir: "/nowhere/shop", services: [], skipped: [], sharing: [] };
  return { ...base, containers, sources, labels, ...more } as unknown as Stack;
}

const label = (value: string) => ({ labels: { "duckback.dump": value } });
const pg = "/var/lib/postgresql/data";

function refuses(code: string, message: RegExp, ...args: Parameters<typeof planDumps>) {
  assert.throws(() => planDumps(...args), (error) => {
    assert(error instanceof DuckbackError, String(error));
    assert.equal(error.code, code);
    assert.match(`${error.message} ${error.hint}`, message);
    return true;
  });
}

Deno.test("planDumps() dumps what labels say; its own files are left out, and that is shown", () => {
  const db = container("db", "postgres:16", { ...label("true"), mounts: [volume("pg", pg)] });
  const web = container("web", "nginx", { mounts: [volume("www", "/www")] });
  const plan = planDumps(stack([db, web], [source("pg", "db"), source("www", "web")]), [], false);
  assert.deepEqual(
    plan.dumps.map(({ service, kind, archive_path }) => [service, kind, archive_path]),
    [["db", "postgres", "dumps/db/all.sql"]],
  );
  assert.deepEqual([...plan.leave.keys()], ["db"]);
  assert.deepEqual(plan.stack.sources.map(({ name }) => name), ["www"]);
  assert.deepEqual(plan.stack.skipped.map(({ name, service }) => [name, service]), [["pg", "db"]]);
  const kept = planDumps(stack([db], [source("pg", "db")]), [], true);
  assert.deepEqual(kept.stack.sources.map(({ name }) => name), ["pg"]);
});

Deno.test("planDumps() keeps files that are not the database's alone", () => {
  const db = (mount: Mount) => container("db", "postgres", { ...label("true"), mounts: [mount] });
  const kept = (mount: Mount, sources: Source[], more: Partial<Stack> = {}) =>
    planDumps(stack([db(mount)], sources, more), [], false).stack.sources.length;
  assert.equal(kept(volume("pg", pg), [source("pg", "db", "exporter")]), 1, "used by another");
  assert.equal(kept(volume("pg", "/srv"), [source("pg", "db")]), 1, "who knows what is in /srv");
  assert.equal(kept(volume("pg", pg, true), [source("pg", "db")]), 1, "read-only: not its data");
  const outer = { ...source("all", "db"), path: "/volumes" };
  assert.equal(kept(volume("pg", pg), [outer]), 1, "part of a larger source");
  const shared = { sharing: [{ container: container("other", "x"), sources: ["pg"] }] };
  assert.equal(kept(volume("pg", pg), [source("pg", "db")], shared), 1, "another project's too");
});

Deno.test("planDumps() leaves what does not run to its files, unless --dump names it", () => {
  const db = container("db", "postgres", {
    ...label("true"),
    state: "exited",
    mounts: [volume("pg", pg)],
  });
  const plan = planDumps(stack([db], [source("pg", "db")]), [], false);
  assert.deepEqual(plan.dumps, []);
  assert.equal(plan.stack.sources.length, 1);
  assert.match(plan.notes[0], /Service db is to be dumped, but does not run/);
  refuses("REFUSED", /does not run.*docker-service start db/, stack([db]), ["db"], false);
});

Deno.test("planDumps() takes --dump alone for every database known by its image, but for dump=false", () => {
  const containers = [
    container("db", "postgres"),
    container("cache", "redis:7", label("false")),
    container("queue", "valkey/valkey"),
    container("web", "nginx"),
    container("job", "postgres", { oneoff: true }),
  ];
  const plan = planDumps(stack(containers), "all", false);
  assert.deepEqual(plan.dumps.map(({ service, kind }) => [service, kind]), [
    ["db", "postgres"],
    ["queue", "redis"],
  ]);
  refuses("USAGE", /no running service is a database/, stack([containers[3]]), "all", false);
});

Deno.test("planDumps() takes a service's kind from --dump, its label or its image, in this order", () => {
  const app = container("app", "shop/app", label("sqlite:/data/app.db"));
  const of = (request: string[]) => {
    const [{ kind, file, archive_path }] = planDumps(stack([app]), request, false).dumps;
    return [kind, file, archive_path];
  };
  assert.deepEqual(of(["app"]), ["sqlite", "/data/app.db", "dumps/app/app.db"]);
  assert.deepEqual(of(["app=redis"]), ["redis", null, "dumps/app/dump.rdb"]);
  assert.deepEqual(of(["app=sqlite:/a:b=c.db"]), ["sqlite", "/a:b=c.db", "dumps/app/a:b=c.db"]);
  for (const bad of ["sqlite", "sqlite:app.db", "sqlite:/data/", "sqlite:/data/..", "redis:/x"]) {
    refuses("USAGE", /Cannot dump service "app"/, stack([app]), [`app=${bad}`], false);
  }
  refuses("USAGE", /Kinds: postgres/, stack([app]), ["app=oracle"], false);
  refuses("USAGE", /has app/, stack([app]), ["nobody"], false);
  const bare = stack([container("app", "shop/app")]);
  refuses("USAGE", /"shop\/app" does not tell.*--dump app=postgres/, bare, ["app"], false);
});

Deno.test("planDumps() puts dumps where nothing else lies in the archive", () => {
  const own = { ...source("dumps", "db"), archive_path: "dumps/old" };
  const db = container("db", "postgres");
  const [dump] = planDumps(stack([db], [own]), ["db"], false).dumps;
  assert.equal(dump.archive_path, "dumps~/db/all.sql");
});

Deno.test("dumpedFiles() knows a database's own files, and nothing that lies beside them", () => {
  const app = container("app", "app", {
    ...label("sqlite:/data/db/app.db"),
    mounts: [volume("data", "/data")],
  });
  const db = container("db", "postgres:16", { ...label("true"), mounts: [volume("pg", pg)] });
  const other = container("other", "app", { mounts: [volume("pg", "/backup")] });
  const sources = [source("data", "app"), source("pg", "db", "other")];
  const isDumped = dumpedFiles(planDumps(stack([app, db, other], sources), [], false));
  for (const suffix of ["", "-wal", "-shm", "-journal"]) {
    assert.ok(isDumped(`volumes/data/db/app.db${suffix}`), suffix);
  }
  assert.ok(isDumped("volumes/pg/base/1/2"));
  for (const path of ["volumes/data/db/app.db.bak", "volumes/data/app.db", "volumes/pg2/base"]) {
    assert.ok(!isDumped(path), path);
  }
});
