import assert from "node:assert/strict";
import { criteriaOf, type FindRequest } from "../../../lib/operations/find.ts";
import { asArchived } from "../../../lib/operations/manifests.ts";
import { searchGlob } from "../../../lib/operations/patterns.ts";

const PATHS = [
  "app.ini",
  "conf/app.ini",
  "conf/app.ini.bak",
  "data/.hidden.jpg",
  "data/a.jpg",
  "data/deep/er/b.jpg",
  "data/f[1].txt",
  "data/f1.txt",
];

const request: FindRequest = {
  ...{ pattern: null, size: null, after: null, before: null, sha256: null, types: null },
  ...{ backups: [], limit: 10 },
};

/** What DuckDB would hand over by the criteria, and what of it then counts. */
function found(pattern: string, archived = (path: string) => [path]): string[] {
  const { criteria: { names, paths, contains }, match } = criteriaOf(
    { ...request, pattern },
    archived,
  );
  return PATHS.filter((path) =>
    (!names || names.includes(path.split("/").at(-1)!)) && (!paths || paths.includes(path)) &&
    (contains ?? []).every((part) => path.includes(part)) && match(path)
  );
}

Deno.test("find takes names, globs of names, paths and globs of paths", () => {
  const cases: [string, string[]][] = [
    ["app.ini", ["app.ini", "conf/app.ini"]],
    ["app", []],
    ["app*", ["app.ini", "conf/app.ini", "conf/app.ini.bak"]],
    ["*.jpg", ["data/.hidden.jpg", "data/a.jpg", "data/deep/er/b.jpg"]],
    ["?.jpg", ["data/a.jpg", "data/deep/er/b.jpg"]],
    ["{app,a}.{ini,jpg}", ["app.ini", "conf/app.ini", "data/a.jpg"]],
    ["[ab].jpg", ["data/a.jpg", "data/deep/er/b.jpg"]],
    ["f[1].txt", ["data/f[1].txt", "data/f1.txt"]],
    ["conf/app.ini", ["conf/app.ini"]],
    ["data/*.jpg", ["data/.hidden.jpg", "data/a.jpg"]],
    ["data/**/*.jpg", ["data/.hidden.jpg", "data/a.jpg", "data/deep/er/b.jpg"]],
    ["**/app.ini", ["app.ini", "conf/app.ini"]],
    ["data/@(a|b).jpg", ["data/a.jpg"]],
  ];
  for (const [pattern, expected] of cases) assert.deepEqual(found(pattern), expected, pattern);
  assert.deepEqual(found("/srv/shop/*.ini", () => []), [], "no source lies there");
});

Deno.test("searchGlob() demands of a path no more than its matches have", () => {
  for (const pattern of ["**/app.ini", "data/**", "{a,b}/c", "x+(y)z", "a\\*b*", "[!a]b?c"]) {
    const glob = searchGlob(pattern)!;
    for (const path of ["app.ini", "data", "data/x", "a/c", "xyyz", "a*bc", "zbxc"]) {
      if (!glob.match(path)) continue;
      for (const part of glob.contains) assert.ok(path.includes(part), `${pattern}: ${part}`);
    }
  }
  assert.equal(searchGlob("plain.txt"), null);
});

Deno.test("asArchived() finds a place on this host in the archive", () => {
  const source = { kind: "path", role: "app", name: "", origin: "" } as const;
  const records = [
    { backup_metadata: { sources: [{ ...source, path: "/srv/shop", archive_path: "." }] } },
    { backup_metadata: { sources: [{ ...source, path: "/srv/shop/conf", archive_path: "conf" }] } },
    { backup_metadata: { sources: [{ ...source, path: "/vol/x", archive_path: "volumes/x" }] } },
    { backup_metadata: null },
    // deno-lint-ignore no-explicit-any
  ] as any;
  assert.deepEqual(asArchived(records, "/srv/shop/conf/a"), ["conf/a"]);
  assert.deepEqual(asArchived(records, "/vol/x"), ["volumes/x"]);
  assert.deepEqual(asArchived(records, "/vol/x/y/"), ["volumes/x/y"]);
  assert.deepEqual(asArchived(records, "/etc/passwd"), []);
  assert.deepEqual(asArchived(records, "./conf//a/"), ["conf/a"]);
  assert.throws(() => asArchived(records, "../etc"), /\.\./);
});
