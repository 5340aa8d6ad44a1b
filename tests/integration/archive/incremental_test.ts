// Loaded before the first test: it keeps a timer for as long as the process lives (see there).
import "../../../lib/catalog/duckdb.ts";
import assert from "node:assert/strict";
import type { Compression } from "../../../lib/core/model.ts";
import {
  assertSameEntries,
  assertSameTree,
  type Described,
  describeTree,
  makeRichTree,
  run,
  seededRandom,
  sh,
  withTempDir,
} from "../../fixtures/tree.ts";
import {
  chainOf,
  type Made,
  makeArchive,
  prove,
  restoreChain,
  rowsOf,
} from "../../fixtures/chain.ts";
import { changeTree } from "../../fixtures/change_tree.ts";
import { workDir } from "./support.ts";

const COMPRESSIONS: Compression[] = ["gzip", "zstd", "none"];

Deno.test(
  "an incremental archive of a tree that has not changed holds nothing of it",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    await makeRichTree(tree);
    const sources = [workDir(tree)];
    const full = await makeArchive({ dir, sources, name: "full" });
    const next = await makeArchive({ dir, sources, name: "next", parent: full });
    const { increment, file_count, entry_count } = next.summary;
    assert.deepEqual(increment!.stored, { files: 0, entries: 0, bytes: 0 });
    assert.deepEqual(increment!.dropped, []);
    assert.equal(file_count, full.summary.file_count);
    assert.equal(entry_count, full.summary.entry_count);
    assert.deepEqual(
      new Set((await rowsOf(next)).map(({ stored_in }) => stored_in)),
      new Set(["full"]),
    );
    assert.equal((await prove(next)).entries, 0);
    await restoreChain(next, `${dir}/r`);
    await assertSameTree(`${dir}/r`, tree);
  }),
);

Deno.test(
  "incremental archives of trees that change at random restore to the tree of their moment",
  withTempDir(async (dir) => {
    for (const seed of [1, 2, 3]) await randomChain(`${dir}/${seed}`, seed);
  }),
);

/** A chain of archives, one and two passes in turn; every one of them must give its tree. */
async function randomChain(dir: string, seed: number) {
  const random = seededRandom(seed);
  const tree = `${dir}/t`;
  await Deno.mkdir(tree, { recursive: true });
  const sources = [workDir(tree)];
  const compression = COMPRESSIONS[seed % COMPRESSIONS.length];
  const made: { archive: Made; tree: Described[] }[] = [];
  for (let round = 0; round < 5; round++) {
    await changeTree(tree, round === 0 ? 60 : 25, random);
    const twice = random() < 0.5;
    const full = round === 0 || random() < 0.15;
    const archive = await makeArchive({
      ...{ dir, sources, name: `a${round}`, compression },
      parent: full ? null : made.at(-1)!.archive,
      meanwhile: twice ? () => changeTree(tree, 8, random) : undefined,
    });
    made.push({ archive, tree: await describeTree(tree) });
  }
  for (const { archive, tree } of made) {
    const report = await prove(archive);
    const { increment, file_count, entry_count } = archive.summary;
    const stored = increment?.stored ?? { files: file_count, entries: entry_count };
    assert.equal(report.entries, stored.entries, `${seed} ${archive.name}`);
    assert.equal(report.files, stored.files, `${seed} ${archive.name}`);
    const rows = await rowsOf(archive);
    assert.equal(rows.length, entry_count, `${seed} ${archive.name}`);
    const to = `${dir}/r-${archive.name}`;
    await restoreChain(archive, to);
    assertSameEntries(await describeTree(to), tree);
  }
  const last = made.at(-1)!;
  await assertTarRestores(chainOf(last.archive), `${dir}/gnu`, last.tree);
}

/** With GNU tar: one archive after the other, and what each of them says is gone. */
async function assertTarRestores(chain: Made[], to: string, tree: Described[]) {
  await Deno.mkdir(to);
  for (const { path } of chain) {
    await sh(
      `cd "$1"; tar -xpf "$0" --xattrs --xattrs-include='*' --acls -S .duckback
       for list in deleted replaced; do
         [ ! -f .duckback/$list ] || xargs -0r rm -rf -- < .duckback/$list
       done
       tar -xpf "$0" --xattrs --xattrs-include='*' --acls -S --anchored --exclude=.duckback
       rm -r .duckback`,
      path,
      to,
    );
  }
  const top = (entries: Described[]) => entries.filter(({ path }) => path !== "");
  assertSameEntries(top(await describeTree(to)), top(tree));
  await run("rm", "-rf", to);
}
