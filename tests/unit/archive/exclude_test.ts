/** Patterns, owner names, places that are skipped, and bounded warnings. */
import assert from "node:assert/strict";
import { makeExcluder } from "../../../lib/archive/exclude.ts";
import { userNames } from "../../../lib/archive/owners.ts";
import { Warnings } from "../../../lib/archive/warnings.ts";

Deno.test("makeExcluder() takes gitignore patterns from the source and from the archive", () => {
  const excluded = makeExcluder(["*.log", "!keep.log", "/data/db/tmp/", "cache/", "/top"])!;
  const table: [string, string, boolean, boolean][] = [
    ["a.log", "a.log", false, true],
    ["deep/a.log", "volumes/v/deep/a.log", false, true],
    ["keep.log", "keep.log", false, false],
    ["A.LOG", "A.LOG", false, false],
    ["tmp", "data/db/tmp", true, true],
    ["tmp", "data/db/tmp", false, false],
    ["x/cache", "x/cache", true, true],
    ["top", "volumes/v/top", false, true],
    ["x/top", "x/top", false, false],
    ["...", "...", false, false],
    ["..x", "..x", false, false],
    ["new\nline.log", "new\nline.log", false, true],
    ["b\udcff.log", "b\udcff.log", false, true],
  ];
  for (const [inSource, inArchive, isDirectory, expected] of table) {
    assert.equal(excluded(inSource, inArchive, isDirectory), expected, inArchive);
  }
  assert.equal(makeExcluder([]), null);
});

Deno.test("makeExcluder() keeps scoped patterns to their place", () => {
  const excluded = makeExcluder(["*.bak", {
    under: "volumes/shop_pages",
    names: ["volumes/shop_pages", "shop_pages"],
    patterns: ["*.log", "!keep.log", "data", "/top", "shop_pages/cache", "/volumes/shop_pages/x/"],
  }])!;
  const table: [string, boolean, boolean][] = [
    ["volumes/shop_pages/deep/a.log", false, true],
    ["volumes/shop_pages/keep.log", false, false],
    ["volumes/shop_pages/top", false, true],
    ["volumes/shop_pages/deep/top", false, false],
    ["volumes/shop_pages/deep/data", true, true],
    ["volumes/shop_pages/cache", true, true],
    ["volumes/shop_pages/deep/cache", true, false],
    ["volumes/shop_pages/x", true, true],
    ["volumes/shop_pages/x", false, false],
    ["volumes/shop_pages", true, false],
    ["volumes/shop_pages2/a.log", false, false],
    ["app/a.log", false, false],
    ["app/a.bak", false, true],
    ["volumes/shop_pages/a.bak", false, true],
  ];
  for (const [path, isDirectory, expected] of table) {
    assert.equal(excluded(path.split("/").slice(2).join("/"), path, isDirectory), expected, path);
  }
  // A place is not left out by a pattern that happens to be its name.
  const own = makeExcluder([{ under: "data", names: ["data"], patterns: ["data"] }])!;
  assert.equal(own("x", "data/x", false), false);
  assert.equal(own("data", "data/data", true), true);
  const whole = makeExcluder([{ under: ".", names: [], patterns: ["a.log"] }])!;
  assert.deepEqual([whole("a.log", "a.log", false), whole("", ".", true)], [true, false]);
});

Deno.test("userNames() gives the first name of an id and nothing for the others", async () => {
  const file = await Deno.makeTempFile();
  try {
    Deno.writeTextFileSync(
      file,
      "root:x:0:0:root:/root:/bin/sh\n# comment\ntoor:x:0:0::/:\nbroken\n:x:5:5::/:\nbad:x:y:1::/:\nd\u00e9j\u00e0:x:1001:7::/:",
    );
    const names = userNames(file);
    const text = (id: number) => new TextDecoder().decode(names(id));
    assert.deepEqual([text(0), text(1001), text(5), text(7)], ["root", "déjà", "", ""]);
    assert.equal(userNames("/no/such/file")(0).length, 0);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("Warnings.all() keeps a thousand and counts the rest", () => {
  const warnings = new Warnings();
  for (let i = 0; i < 1500; i++) warnings.add("SOCKET_SKIPPED", `s${i}`, "is a socket", i === 1400);
  const all = warnings.all();
  assert.equal(all.length, 1001);
  assert.match(all[1000].message, /^500 more warnings/);
  assert.equal(all[1000].incomplete, true);
});
