/** The check of import directions, on small trees that break it in one way each. */
import assert from "node:assert/strict";
import { checkImports, importsOf } from "../../../scripts/check_imports.ts";

/** Problems that the check finds in a tree given as path -> source. */
async function problemsOf(tree: Record<string, string>): Promise<string[]> {
  const root = await Deno.makeTempDir();
  try {
    for (const [path, source] of Object.entries(tree)) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, source);
    }
    return await checkImports(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("checkImports() accepts every direction of the design", async () => {
  const tree = {
    "main.ts": 'import { run } from "./lib/cli/program.ts";\nimport "./lib/core/errors.ts";\n',
    "lib/cli/program.ts":
      'export { b } from "../operations/backup.ts";\nimport "../web/page.ts";\n',
    "lib/web/page.ts": 'import type { B } from "../operations/backup.ts";\n',
    "lib/operations/backup.ts":
      'import { Docker } from "../docker/engine.ts";\nimport "../posix/mod.ts";\n',
    "lib/docker/engine.ts":
      'import Docker from "dockerode";\nimport { E } from "../core/errors.ts";\n',
    "lib/archive/pack.ts": 'import { open } from "../posix/mod.ts";\nimport "./walk.ts";\n',
    "lib/repository/lock.ts": 'import { flockTry } from "../posix/mod.ts";\n',
    "lib/core/errors.ts": 'import { createHash } from "node:crypto";\n',
  };
  assert.deepEqual(await problemsOf(tree), []);
});

for (
  const [what, tree, problem] of [
    [
      "a sibling",
      { "lib/docker/stack.ts": '\nimport type { X } from "../catalog/open.ts";\n' },
      "lib/docker/stack.ts:2 imports lib/catalog/open.ts: docker must not import catalog (siblings never import each other)",
    ],
    [
      "a sibling, as a granted one does not work both ways",
      { "lib/posix/mod.ts": 'import "../archive/pack.ts";' },
      "lib/posix/mod.ts:1 imports lib/archive/pack.ts: posix must not import archive (siblings never import each other)",
    ],
    [
      "something above, lazily",
      { "lib/config/a.ts": 'const x = await import("../operations/backup.ts");' },
      "lib/config/a.ts:1 imports lib/operations/backup.ts: config must not import operations (it lies above)",
    ],
    [
      "something above, over several lines",
      { "lib/core/a.ts": 'import {\n  a,\n  b,\n} from "../posix/mod.ts";' },
      "lib/core/a.ts:4 imports lib/posix/mod.ts: core must not import posix (it lies above)",
    ],
    [
      "something above, in a re-export",
      { "lib/schedule/a.ts": 'export * from "../cli/program.ts";' },
      "lib/schedule/a.ts:1 imports lib/cli/program.ts: schedule must not import cli (it lies above)",
    ],
    [
      "scripts",
      { "lib/cli/a.ts": 'import "../../scripts/test.ts";' },
      "lib/cli/a.ts:1 imports scripts/test.ts: nothing outside lib/ belongs into the program",
    ],
    [
      "main.ts",
      { "lib/cli/a.ts": 'import "../../main.ts";' },
      "lib/cli/a.ts:1 imports main.ts: nothing outside lib/ belongs into the program",
    ],
    [
      "a package by version",
      { "lib/cli/a.ts": 'import "npm:picocolors@1.1.1";' },
      'lib/cli/a.ts:1 name "npm:picocolors@1.1.1" in deno.json and import it by that name',
    ],
    [
      "a module nobody knows",
      { "lib/helpers/a.ts": "export {};" },
      'lib/helpers/a.ts: "helpers" is no module of the design (see scripts/check_imports.ts)',
    ],
    [
      "a library a second time",
      {
        "lib/docker/a.ts": 'import Docker from "dockerode";',
        "lib/docker/b.ts": 'import type { Container } from "@types/dockerode";',
      },
      "dockerode has 2 importing files: lib/docker/a.ts, lib/docker/b.ts",
    ],
  ] as [string, Record<string, string>, string][]
) {
  Deno.test(`checkImports() objects to a module that imports ${what}`, async () => {
    assert.deepEqual(await problemsOf(tree), [problem]);
  });
}

Deno.test("checkImports() says nothing of comments", async () => {
  const source = '// import "../cli/a.ts";\n/**\n * import x from "../web/b.ts";\n */\nexport {};';
  assert.deepEqual(await problemsOf({ "lib/core/a.ts": source }), []);
});

Deno.test("importsOf() finds every form, with its line", () => {
  const source = [
    'import "a";',
    "/* two",
    'lines */ import b from "b";',
    'export { c } from "c";',
    'const d = await import("d");',
    'const text = "from nowhere";',
    'export const e = () => import("e");',
    'import type { F } from "f";',
  ].join("\n");
  assert.deepEqual(
    importsOf(source).map(({ line, specifier }) => `${line} ${specifier}`),
    ["1 a", "3 b", "4 c", "5 d", "7 e", "8 f"],
  );
});
