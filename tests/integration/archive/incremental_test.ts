// Loaded before the first test: it keeps a timer for as long as the process lives (see there).
import "../../../lib/catalog/duckdb.ts";
import assert from "node:assert/strict";
import { manifest, streamed } from "../../../lib/catalog/manifest.ts";
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
  remakeManifest,
  restoreChain,
  rowsOf,
} from "../../fixtures/chain.ts";
import { changeTree } from "../../fixtures/change_tree.ts";
import { contextOf } from "../../fixtures/context.ts";
import { UNPACK_SCRIPT } from "../../../lib/archive/unpack_script.ts";
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
    const more = Deno.env.get("DUCKBACK_SEEDS")?.split(",").map(Number);
    for (const seed of more ?? [2, 3]) await randomChain(`${dir}/${seed}`, seed);
  }),
);

Deno.test(
  "content that earlier archives hold is not stored again, nor what has not changed of a large file",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    await Deno.mkdir(tree);
    const sources = [workDir(tree)];
    const bytes = (count: number, seed: number) => {
      const random = seededRandom(seed);
      return Uint8Array.from({ length: count }, () => random() * 256);
    };
    const at = (name: string) => `${tree}/${name}`;
    const MiB = 1 << 20;
    Deno.writeFileSync(at("log"), bytes(17 * MiB + 1234, 1));
    Deno.writeFileSync(at("db"), bytes(18 * MiB, 2));
    Deno.writeFileSync(at("a"), bytes(300_000, 3));
    Deno.writeFileSync(at("b"), bytes(400_000, 4));
    Deno.writeFileSync(at("moved"), bytes(500_000, 5));
    Deno.writeFileSync(at("touched"), bytes(600_000, 6));
    await sh(`truncate -s 40M "$0"; printf end >> "$0"`, at("sparse"));
    const full = await makeArchive({ dir, sources, name: "full" });

    Deno.writeFileSync(at("log"), bytes(5000, 7), { append: true });
    const edit = (offset: number, seed: number) => {
      using file = Deno.openSync(at("db"), { write: true });
      file.seekSync(offset, Deno.SeekMode.Start);
      file.writeSync(bytes(4096, seed));
    };
    edit(5 * MiB, 8);
    edit(11 * MiB + 100, 9);
    await sh(
      `cd "$0"; mv a x; mv b a; mv x b; mkdir sub; mv moved sub/; cp b copy; touch touched; chmod 600 touched
       printf more >> sparse`,
      tree,
    );
    const second = await makeArchive({ dir, sources, name: "second", parent: full });
    assert.ok(second.summary.archive_bytes < 3 * 65536 + 60_000, `${second.summary.archive_bytes}`);
    assert.ok(second.summary.increment!.stored.bytes < 3 * 65536 + 6000);
    await prove(second);
    const then = await describeTree(tree);
    await restoreChain(second, `${dir}/r2`);
    assertSameEntries(await describeTree(`${dir}/r2`), then);

    // The digests of the pieces are known now: what changes next is told by them alone.
    edit(5 * MiB, 10);
    Deno.writeFileSync(at("log"), bytes(7000, 11), { append: true });
    await sh(`cd "$0"; mv log log.1; head -c 100 /dev/zero > log; rm copy`, tree);
    const third = await makeArchive({ dir, sources, name: "third", parent: second });
    assert.ok(third.summary.archive_bytes < 65536 + 60_000, `${third.summary.archive_bytes}`);
    await prove(third);
    await restoreChain(third, `${dir}/r3`);
    await assertSameTree(`${dir}/r3`, tree);
    await restoreChain(second, `${dir}/r2-again`);
    assertSameEntries(await describeTree(`${dir}/r2-again`), then);
    await assertRemade(dir, [full, second, third]);
    await assertTarRestores([full, second, third], `${dir}/gnu`, await describeTree(tree));
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
    assertSameEntries(holesApart(await describeTree(to)), holesApart(tree));
  }
  const last = made.at(-1)!;
  await assertRemade(dir, made.map(({ archive }) => archive));
  await assertTarRestores(chainOf(last.archive), `${dir}/gnu`, last.tree);
}

/** Manifests that were lost come back from the archives, and with them what those hold. */
async function assertRemade(dir: string, made: Made[]) {
  const ctx = contextOf(`${dir}/home`, dir);
  const lost = await Promise.all(made.map(rowsOf));
  // The last one alone: what it has in common with the one before is known in all columns.
  const last = made.at(-1)!;
  const kept = `${last.manifest}.kept`;
  Deno.copyFileSync(last.manifest, kept);
  const { stored } = await remakeManifest(ctx, last);
  assert.deepEqual(await rowsOf(last), lost.at(-1), last.name);
  if (last.parent !== null) {
    assert.deepEqual(stored, last.summary.increment!.stored, last.name);
    const inherited = (path: string) =>
      `SELECT * FROM ${manifest(path)} WHERE stored_in <> '${last.name}'`;
    const lacking = `${inherited(kept)} EXCEPT ${inherited(last.manifest)}`;
    for await (const rows of streamed(kept, lacking)) assert.deepEqual(rows, [], last.name);
  }
  for (const { manifest } of made) Deno.removeSync(manifest);
  for (const one of made) await remakeManifest(ctx, one);
  for (const [n, one] of made.entries()) assert.deepEqual(await rowsOf(one), lost[n], one.name);
}

/** A copy without holes of a file with holes has the same content, and is restored from that one. */
function holesApart(entries: Described[]): Described[] {
  return entries.map((entry) => ({ ...entry, sparse: false }));
}

/** With GNU tar and the script that every incremental archive brings along. */
async function assertTarRestores(chain: Made[], to: string, tree: Described[]) {
  await Deno.mkdir(to);
  await Deno.writeTextFile(`${to}.sh`, UNPACK_SCRIPT);
  await sh(`cd "$0"; sh "$@"`, to, `${to}.sh`, ...chain.map(({ path }) => path));
  const top = (entries: Described[]) => holesApart(entries).filter(({ path }) => path !== "");
  assertSameEntries(top(await describeTree(to)), top(tree));
  await run("rm", "-rf", to);
}
