/** Tests of places in the archive. */
import assert from "node:assert/strict";
import { type Candidate, layOut } from "../../../lib/docker/layout.ts";

const path = (path: string, role: "data" | "app" = "app", origin = "o"): Candidate => ({
  kind: "path",
  role,
  path,
  volume: null,
  origin,
});
const volume = (name: string, at = `/v/${name}/_data`): Candidate => ({
  kind: "volume",
  role: "data",
  path: at,
  volume: name,
  origin: `volume of ${name}`,
});
const places = (candidates: Candidate[], there: string[] = []) =>
  Object.fromEntries(
    layOut(candidates, "/srv/app", (path) => there.includes(path)).map((
      source,
    ) => [source.path, source.archive_path]),
  );

Deno.test("layOut() keeps places relative to the working directory", () => {
  assert.deepEqual(
    places([path("/srv/app/data"), path("/srv/app/.env"), path("/etc/x/y.conf"), volume("p_db")]),
    {
      "/srv/app/data": "data",
      "/srv/app/.env": ".env",
      "/etc/x/y.conf": "external/etc/x/y.conf",
      "/v/p_db/_data": "volumes/p_db",
    },
  );
});

Deno.test("layOut() merges a source into the one around it", () => {
  const [only, ...rest] = layOut(
    [
      path("/srv/app/data/db", "data", "bind mount of db"),
      path("/srv/app/data", "app", "bind mount of web"),
      path("/srv/app/data", "app", "bind mount of web"),
      path("/srv/app/data/x", "app", "bind mount of db"),
    ],
    "/srv/app",
    () => false,
  );
  assert.deepEqual(rest, []);
  assert.deepEqual(only, {
    kind: "path",
    role: "data",
    name: "data",
    path: "/srv/app/data",
    archive_path: "data",
    origin: "bind mount of web, bind mount of db",
  });
  // Names that only begin alike are not nested.
  assert.equal(
    layOut([path("/srv/app/da"), path("/srv/app/data")], "/srv/app", () => false).length,
    2,
  );
});

Deno.test("layOut() takes the whole working directory as '.' and what it holds into it", () => {
  const found = layOut(
    [path("/srv/app", "data"), path("/srv/app/.env"), path("/srv/app/a/b", "data")],
    "/srv/app",
    () => false,
  );
  assert.deepEqual(found.map(({ archive_path, name }) => [archive_path, name]), [[".", "."]]);
});

Deno.test("layOut() moves a volume out of the way of a path", () => {
  const table: [Candidate[], Record<string, string>][] = [
    [[path("/srv/app/volumes/db"), volume("db")], { "/v/db/_data": "volumes/db~" }],
    [[path("/srv/app/volumes"), volume("db")], { "/v/db/_data": "volumes~/db" }],
    [[path("/srv/app/volumes/db/sub"), volume("db")], { "/v/db/_data": "volumes/db~" }],
    [
      [path("/srv/app/volumes/db"), path("/srv/app/volumes/db~"), volume("db")],
      { "/v/db/_data": "volumes/db~~" },
    ],
    [[path("/srv/app/external"), path("/mnt/x")], { "/mnt/x": "external~/mnt/x" }],
  ];
  for (const [candidates, wanted] of table) {
    const found = places(candidates);
    for (const [at, place] of Object.entries(wanted)) assert.equal(found[at], place);
  }
});

Deno.test("layOut() under '.' moves a volume only where something lies in its place", () => {
  const both = [path("/srv/app", "data"), volume("db"), volume("log")];
  assert.deepEqual(places(both, ["/srv/app/volumes/db"]), {
    "/srv/app": ".",
    "/v/db/_data": "volumes/db~",
    "/v/log/_data": "volumes/log",
  });
});

Deno.test("layOut() keeps a volume's name where a bind mount has the same path", () => {
  const found = layOut(
    [path("/v/db/_data", "data", "bind"), volume("db")],
    "/srv/app",
    () => false,
  );
  assert.deepEqual(found.map(({ kind, archive_path, origin }) => [kind, archive_path, origin]), [
    ["volume", "volumes/db", "volume of db, bind"],
  ]);
});
