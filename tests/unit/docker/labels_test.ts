/** Tests of what `duckback.*` labels mean, where they come from, and what is wrong with them. */
import assert from "node:assert/strict";
import { toContainer } from "../../../lib/docker/container_json.ts";
import { labelExcludes } from "../../../lib/docker/label_excludes.ts";
import { labelsOf, NO_LABELS, parseLabels, readLabels } from "../../../lib/docker/labels.ts";
import type { Source } from "../../../lib/core/model.ts";
import { service } from "./support.ts";

function container(name: string, labels: Record<string, string>, oneoff = false) {
  return toContainer({
    Id: `id-${name}`,
    Name: `/p_${name}`,
    State: { Status: "running" },
    Config: {
      Labels: {
        "com.docker.compose.project": "p",
        "com.docker.compose.service": name,
        "com.docker.compose.oneoff": oneoff ? "True" : "False",
        ...labels,
      },
    },
  });
}

Deno.test("parseLabels() reads every label", () => {
  assert.deepEqual(
    parseLabels({
      "duckback.stop": "False",
      "duckback.exclude": "*.log, cache/\n!keep.log ,",
      "duckback.role": "app",
      "duckback.pre": " sync ",
      "duckback.post": "echo done",
      "duckback.dump": "sqlite:/srv/my data.db",
      "duckback.drill": "test -s /srv/orders",
    }),
    {
      stop: false,
      exclude: ["*.log", "cache/", "!keep.log"],
      role: "app",
      pre: "sync",
      post: "echo done",
      dump: { kind: "sqlite", path: "/srv/my data.db" },
      drill: "test -s /srv/orders",
      problems: [],
    },
  );
  assert.deepEqual(parseLabels({ "duckback.drill": "" }).problems.map(({ fatal }) => fatal), [
    false,
  ]);
  const table: [string, string, unknown][] = [
    ["stop", "true", true],
    ["stop", "pause", "pause"],
    ["role", "data", "data"],
    ["dump", "true", { kind: "guess", path: null }],
    ["dump", "false", false],
    ["drill", "False", false],
    ["dump", "sqlite", { kind: "sqlite", path: null }],
    ...["postgres", "mysql", "mariadb", "mongodb", "redis"].map((kind) =>
      ["dump", kind, { kind, path: null }] as [string, string, unknown]
    ),
  ];
  for (const [key, text, expected] of table) {
    const found = parseLabels({ [`duckback.${key}`]: text });
    assert.deepEqual(found[key as "stop"], expected, `${key}=${text}`);
    assert.deepEqual(found.problems, []);
  }
});

Deno.test("parseLabels() refuses bad values, notes unknown labels, and says what was meant", () => {
  const table: [string, string, boolean, RegExp][] = [
    ["duckback.stop", "flase", true, /is "flase".*did you mean "false"\?/],
    ["duckback.stop", "", true, /none of true, false, pause/],
    ["duckback.role", "dta", true, /did you mean "data"/],
    ["duckback.dump", "postgress", true, /did you mean "postgres"/],
    ["duckback.dump", "sqlite:data.db", true, /absolute path/],
    ["duckback.exclude", " , ", true, /is empty/],
    ["duckback.pre", "", true, /is empty/],
    ["duckback.stpo", "false", false, /did you mean "duckback.stop"\?/],
    ["duckback.excludes", "x", false, /did you mean "duckback.exclude"\?/],
    ["duckback.retention-policy", "x", false, /there are duckback.stop, /],
  ];
  for (const [label, value, fatal, message] of table) {
    const found = parseLabels({ [label]: value });
    assert.equal(found.problems.length, 1, label);
    assert.equal(found.problems[0].fatal, fatal, label);
    assert.match(found.problems[0].message, message);
    assert.deepEqual({ ...found, problems: [] }, NO_LABELS, "a bad value is not in force");
  }
});

Deno.test("readLabels() lets the container win, and the file speak for what is not made yet", () => {
  const labels = readLabels([
    service("web", { "duckback.stop": "false", "duckback.role": "app", "duckback.test": "1" }),
    service("later", { "duckback.stop": "pause" }),
    service("plain", { "com.example": "x", "duckback.test": "1" }),
  ], [
    container("web", { "duckback.stop": "true" }),
    container("orphan", { "duckback.exclude": "*.log" }),
    container("constructor", {}),
  ]);
  assert.deepEqual([...labels.keys()].sort(), ["later", "orphan", "web"]);
  const web = labelsOf(labels, "web");
  assert.deepEqual([web.stop, web.role], [true, "app"]);
  assert.equal(web.problems.length, 1);
  assert.match(web.problems[0].message, /made with "true", which holds until it is made anew/);
  assert.equal(web.problems[0].fatal, false);
  assert.equal(labelsOf(labels, "later").stop, "pause");
  assert.deepEqual(labelsOf(labels, "orphan").exclude, ["*.log"]);
  assert.equal(labelsOf(labels, "constructor"), NO_LABELS);
  assert.equal(labelsOf(undefined, "web"), NO_LABELS);
});

Deno.test("readLabels() lets a service's own container win over one of `compose run`", () => {
  const run = container("web", { "duckback.stop": "false" }, true);
  const own = container("web", { "duckback.stop": "pause" });
  for (const containers of [[run, own], [own, run]]) {
    assert.equal(labelsOf(readLabels([], containers), "web").stop, "pause");
  }
  assert.equal(labelsOf(readLabels([], [run]), "web").stop, false);
});

Deno.test("labelExcludes() keeps patterns to a service's own mounts", () => {
  const source = (path: string, archive_path: string): Source => ({
    kind: "path",
    role: "data",
    name: archive_path,
    path,
    archive_path,
    origin: "",
  });
  const labels = readLabels([
    service("web", { "duckback.exclude": "*.log" }),
    service("db", {}),
  ], []);
  const mounts = [
    { service: "web", path: "/srv/data/inner", volume: null },
    { service: "web", path: "/v/shop_pages/_data", volume: "shop_pages" },
    { service: "web", path: "/v/shop_pages/_data", volume: "shop_pages" },
    { service: "web", path: "/not/a/source", volume: null },
    { service: "db", path: "/srv/data", volume: null },
  ];
  assert.deepEqual(
    labelExcludes(labels, mounts, [
      source("/srv/data", "data"),
      source("/v/shop_pages/_data", "volumes/shop_pages"),
    ]),
    [
      { under: "data/inner", names: ["data/inner"], patterns: ["*.log"] },
      {
        under: "volumes/shop_pages",
        names: ["volumes/shop_pages", "shop_pages"],
        patterns: ["*.log"],
      },
    ],
  );
  assert.deepEqual(
    labelExcludes(labels, [{ service: "web", path: "/srv", volume: null }], [source("/srv", ".")]),
    [{ under: ".", names: [], patterns: ["*.log"] }],
  );
});
