/** Tests of compose's variable grammar. */
import assert from "node:assert/strict";
import { interpolate, InterpolationError } from "../../../lib/docker/interpolate.ts";

const VARIABLES: Record<string, string> = { A: "one", EMPTY: "", _x1: "under", Lower: "l" };
const run = (text: string) => interpolate(text, (name) => VARIABLES[name]);

Deno.test("interpolate() follows compose's grammar", () => {
  const table: [string, string][] = [
    ["plain", "plain"],
    ["$A", "one"],
    ["${A}", "one"],
    ["x${A}y$A", "xoneyone"],
    ["$_x1-$Lower", "under-l"],
    ["$$A", "$A"],
    ["$$$A", "$one"],
    ["a$$", "a$"],
    ["${NO:-d}", "d"],
    ["${EMPTY:-d}", "d"],
    ["${EMPTY-d}", ""],
    ["${NO-d}", "d"],
    ["${A:-d}", "one"],
    ["${NO:-}", ""],
    ["${A:+r}", "r"],
    ["${EMPTY:+r}", ""],
    ["${EMPTY+r}", "r"],
    ["${NO+r}", ""],
    ["${NO:+r}", ""],
    ["${A:?must}", "one"],
    ["${EMPTY?must}", ""],
    ["${NO:-${A}}", "one"],
    ["${NO:-${NO2:-${A}/x}}y", "one/xy"],
    ["${NO:-a}b${NO:-c}", "abc"],
    ["${NO:-{}}", "{}"],
    ["${NO:-a:b?c-d}", "a:b?c-d"],
    ["${NO:-$$x}", "$x"],
    ["${A:+${NO:-z}}", "z"],
    ["${A}:${NO:-/data}:ro", "one:/data:ro"],
  ];
  for (const [text, wanted] of table) assert.equal(run(text), wanted, text);
});

Deno.test("interpolate() refuses what compose refuses", () => {
  const table: [string, RegExp][] = [
    ["${NO:?needed for db}", /NO is missing a value: needed for db/],
    ["${NO?}", /NO is missing a value$/],
    ["${EMPTY:?e}", /EMPTY is missing/],
    ["${NO:?${A} thing}", /: one thing/],
    ["$", /write \$\$/],
    ["$1", /no valid variable/],
    ["a $ b", /no valid variable/],
    ["${A", /no valid variable/],
    ["${}", /no valid variable/],
    ["${A!x}", /no valid variable/],
    ["${1A}", /no valid variable/],
    ["${A:x}", /no valid variable/],
  ];
  for (const [text, message] of table) {
    assert.throws(
      () => run(text),
      (error) => error instanceof InterpolationError && message.test(error.message),
      text,
    );
  }
});

Deno.test("interpolate() tells unset variables that have no default", () => {
  const unset: string[] = [];
  interpolate("$NO ${NO2} ${NO3:-x} ${EMPTY} $A ${A:-$NO4}", (name) => VARIABLES[name], (name) => {
    unset.push(name);
  });
  assert.deepEqual(unset, ["NO", "NO2"]);
});
