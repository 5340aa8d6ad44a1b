import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { archivePath, Patterns } from "../../../lib/operations/patterns.ts";

Deno.test("Patterns.matches() takes what a path names and all below it", () => {
  const patterns = new Patterns(["./data/", "conf/a.txt"]);
  for (const path of ["data", "data/x", "data/.hidden/y", "conf/a.txt"]) {
    assert.ok(patterns.matches(path), path);
  }
  for (const path of ["database", "conf", "conf/a.txt.bak", "x/data"]) {
    assert.ok(!patterns.matches(path), path);
  }
});

Deno.test("Patterns.matches() knows **, *, ?, braces and classes, hidden names included", () => {
  const cases: [string, string[], string[]][] = [
    ["*.jpg", ["a.jpg", ".a.jpg"], ["d/a.jpg", "a.jpeg"]],
    ["**/*.jpg", ["a.jpg", "d/a.jpg", "d/.e/a.jpg"], ["a.png"]],
    ["d?ta", ["data", "data/x/y"], ["daata", "x/data"]],
    ["{conf,data}/*.txt", ["conf/a.txt", "data/b.txt"], ["logs/a.txt", "conf/d/a.txt"]],
    ["log[0-9]", ["log1"], ["logs"]],
    ["data/**", ["data", "data/x", "data/x/y"], ["datax"]],
    ["up*", ["uploads/deep/x"], ["data/up"]],
    ["!x", ["!x"], ["y"]],
    ["*.txt", ["a\nb.txt"], []],
  ];
  for (const [pattern, taken, left] of cases) {
    const patterns = new Patterns([pattern]);
    for (const path of taken) assert.ok(patterns.matches(path), `${pattern}: ${path}`);
    for (const path of left) assert.ok(!patterns.matches(path), `${pattern}: ${path}`);
  }
});

Deno.test("Patterns.matches() takes names that look like globs, or are not UTF-8, as they are shown", () => {
  for (const name of ["f[1].txt", "a (1).txt", "a*b", "{x", "a\\b", "a!b", "+(x)"]) {
    assert.ok(new Patterns([name]).matches(name), name);
    assert.ok(new Patterns([name]).matches(`${name}/below`), name);
  }
  assert.ok(new Patterns(["a\\*b"]).matches("a*b"));
  assert.ok(!new Patterns(["a\\*b"]).matches("axb"));
  assert.ok(new Patterns(["caf\\xe9"]).matches("caf\udce9"));
  assert.ok(new Patterns(["caf?"]).matches("caf\udce9"));
});

Deno.test("Patterns.parts holds all that can match, and no more than the globs' directories", () => {
  const parts = (...texts: string[]) => new Patterns(texts).parts.map(({ path }) => path);
  assert.deepEqual(parts("data/uploads/*.{jpg,png}"), ["data/uploads"]);
  assert.deepEqual(parts("a/b", "a", "c"), ["a", "c"]);
  assert.deepEqual(parts("**/*.txt", "conf"), [""]);
});

Deno.test("Patterns.missed names the patterns that took nothing", () => {
  const patterns = new Patterns(["a", "b*", "./c"]);
  assert.ok(patterns.take("bx"));
  assert.ok(!patterns.take("d"));
  assert.deepEqual(patterns.missed, ["a", "./c"]);
});

Deno.test("archivePath() is the archive's name for a path, and refuses to lead out", () => {
  assert.equal(archivePath("./data//x/"), "data/x");
  assert.equal(archivePath("/"), "");
  for (const path of ["..", "a/../b", "data/.."]) {
    assert.throws(() => archivePath(path), (error: DuckbackError) => error.code === "USAGE");
  }
});
