import assert from "node:assert/strict";
import {
  cutRanges,
  HASH,
  type Range,
  readRecipe,
  unescapePath,
  writeRecipe,
} from "../../../lib/archive/recipe.ts";
import { UNPACK_SCRIPT } from "../../../lib/archive/unpack_script.ts";
import { sh } from "../../fixtures/tree.ts";

const old = { backup: "base", offset: 100, inner: 512, at: 7 };

Deno.test("readRecipe() gives back what writeRecipe() was given", () => {
  const ranges = [
    { length: 10, from: old, shown: { kind: "old" as const, offset: 3, path: "a b\n\\\udcff" } },
    { length: 5, from: null, shown: { kind: "zero" as const } },
    {
      length: 9,
      from: { backup: null, offset: 4096, inner: 0, at: 2 },
      shown: { kind: "new" as const, offset: 2, number: 3 },
    },
  ];
  const hashes = new Uint8Array(HASH).fill(9);
  const text = writeRecipe(24, ranges, hashes);
  assert.deepEqual(readRecipe(text), {
    size: 24,
    ranges: ranges.map(({ length, from }) => ({ length, from })),
    hashes,
  });
  const path = text.split("\n")[1].split(" ")[3];
  assert.equal(unescapePath(path), "a b\n\\\udcff");
});

Deno.test("readRecipe() takes nothing that is not whole", () => {
  const text = writeRecipe(10, [{
    length: 10,
    from: old,
    shown: { kind: "old", offset: 0, path: "a" },
  }], null);
  assert.notEqual(readRecipe(text), null);
  const broken = [
    text.replace("recipe-1", "recipe-2"),
    text.replace("-1 10", "-1 11"),
    text.replace("old 10", "old ten"),
    text.replace(" base", ""),
    text.replace("old", "other"),
    "",
  ];
  for (const one of broken) assert.equal(readRecipe(one), null, one);
});

Deno.test("escaped paths are read by printf as the script of each archive does it", async () => {
  const text = writeRecipe(1, [{
    length: 1,
    from: old,
    shown: { kind: "old", offset: 0, path: "a b\n\\x\t'\"é" },
  }], null);
  const path = text.split("\n")[1].split(" ")[3];
  assert.equal(await sh(`printf %b "$0"`, path), "a b\n\\x\t'\"é");
});

Deno.test("cutRanges() takes a part out of ranges", () => {
  const ranges: Range[] = [{ length: 10, from: old }, { length: 5, from: null }, {
    length: 10,
    from: { ...old, at: 50 },
  }];
  assert.deepEqual(cutRanges(ranges, 8, 10), [
    { length: 2, from: { ...old, at: 15 } },
    { length: 5, from: null },
    { length: 3, from: { ...old, at: 50 } },
  ]);
  assert.deepEqual(cutRanges(ranges, 0, 25), ranges);
  assert.deepEqual(cutRanges(ranges, 12, 1), [{ length: 1, from: null }]);
});

Deno.test("docs/unpack.sh is the script that archives bring along", () => {
  const file = new URL("../../../docs/unpack.sh", import.meta.url);
  assert.equal(Deno.readTextFileSync(file), UNPACK_SCRIPT);
});
