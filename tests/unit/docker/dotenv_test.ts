/** Tests of the .env dialect. */
import assert from "node:assert/strict";
import { DotenvError, parseDotenv } from "../../../lib/docker/dotenv.ts";

const outer: Record<string, string> = { HOST: "from outside" };
const parse = (text: string) => Object.fromEntries(parseDotenv(text, (name) => outer[name]));

Deno.test("parseDotenv() reads every form of value", () => {
  const text = [
    "\ufeff# comment",
    "A=1",
    "",
    "export B = two words # not part",
    "C='lit $A # x'",
    'D="a $A ${A}x \\$A \\"q\\" \\n#" # c',
    "E=p#q",
    "F: yaml",
    "G=",
    "HOST",
    "MISSING",
    'I="multi',
    'line"',
    "J=pa$1$",
    "K=${NOPE:-dflt}",
    "L=#nothing",
    "M=$A$HOST",
    "  N =  spaced  ",
    "O='it\\'s'",
  ].join("\n");
  assert.deepEqual(parse(text), {
    A: "1",
    B: "two words",
    C: "lit $A # x",
    D: 'a 1 1x $A "q" \n#',
    E: "p#q",
    F: "yaml",
    G: "",
    HOST: "from outside",
    I: "multi\nline",
    J: "pa$1$",
    K: "dflt",
    L: "",
    M: "1from outside",
    N: "spaced",
    O: "it's",
  });
});

Deno.test("parseDotenv() reads CRLF files and an empty one", () => {
  assert.deepEqual(parse("A=1\r\nB='x'\r\n"), { A: "1", B: "x" });
  assert.deepEqual(parse(""), {});
  assert.deepEqual(parse("# only\n\n"), {});
});

Deno.test("parseDotenv() names the line and shows no value", () => {
  const table: [string, number][] = [["A=1\nnot a line=secret\n", 2], ["A=1\n\nB='secret", 3], [
    "=secret",
    1,
  ]];
  for (const [text, line] of table) {
    assert.throws(() => parse(text), (error) => {
      assert(error instanceof DotenvError);
      assert.equal(error.line, line, text);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
});
