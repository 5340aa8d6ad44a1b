import assert from "node:assert/strict";
import { type SuspicionFacts, suspicionOf, whatToDo } from "../../../lib/operations/suspicion.ts";

const GIB = 2 ** 30;
const same = { files: 900, bytes: GIB };

Deno.test("suspicionOf() flags what shrank, lost files or turned incompressible, and nothing less", () => {
  const turned = (compressible: number, turned: number, turned_bytes: number) => ({
    compression: { compressible, turned, turned_bytes },
  });
  const cases: [string, Partial<SuspicionFacts>, string[]][] = [
    ["nothing changed", {}, []],
    ["half as large", { now: { files: 900, bytes: GIB / 2 } }, []],
    ["less than half", { now: { files: 900, bytes: GIB / 2 - 1 } }, ["SHRUNK"]],
    ["larger", { now: { files: 2000, bytes: 5 * GIB } }, []],
    ["a third of the files", { lost: 300 }, []],
    ["more than a third", { lost: 301 }, ["FILES_LOST"]],
    ["all of it", { now: { files: 0, bytes: 0 }, lost: 900 }, ["SHRUNK", "FILES_LOST"]],
    ["as many files, all others", { lost: 900 }, ["FILES_LOST"]],
    ["eight files turned", turned(8, 8, 1000), ["INCOMPRESSIBLE"]],
    ["half of those that changed", turned(20, 10, 1000), ["INCOMPRESSIBLE"]],
    ["fewer than half", turned(20, 9, 1000), []],
    ["seven small files", turned(7, 7, 1000), []],
    ["one file, a quarter of all", turned(1, 1, GIB / 4), ["INCOMPRESSIBLE"]],
    ["one file, less", turned(1, 1, GIB / 4 - 1), []],
    ["nothing that compressed before", turned(0, 0, 0), []],
    ["an empty backup before", { before: { files: 0, bytes: 0 } }, []],
  ];
  for (const [name, facts, codes] of cases) {
    const found = suspicionOf({ before: same, now: same, lost: 0, compression: null, ...facts });
    assert.deepEqual(found.map(({ code }) => code), codes, name);
    for (const { message } of found) assert.match(message, /\d/, name);
  }
});

Deno.test("whatToDo() names the command that ends it", () => {
  assert.match(whatToDo(12, 11), /diff 11 12.*backup acknowledge 12/);
  assert.doesNotMatch(whatToDo(12, null), /diff/);
});
