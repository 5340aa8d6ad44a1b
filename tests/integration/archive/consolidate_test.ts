// Loaded before the first test: it keeps a timer for as long as the process lives (see there).
import "../../../lib/catalog/duckdb.ts";
import assert from "node:assert/strict";
import { extractArchive } from "../../../lib/archive/extract.ts";
import type { Compression } from "../../../lib/core/model.ts";
import {
  chainOf,
  type Made,
  makeArchive,
  prove,
  restoreChain,
  rowsOf,
} from "../../fixtures/chain.ts";
import { changeTree } from "../../fixtures/change_tree.ts";
import { consolidateChain } from "../../fixtures/consolidated.ts";
import {
  assertSameEntries,
  assertSameTree,
  describeTree,
  makeRichTree,
  run,
  seededRandom,
  sh,
  withTempDir,
} from "../../fixtures/tree.ts";
import { workDir } from "./support.ts";

const COMPRESSIONS: Compression[] = ["gzip", "zstd", "none"];

for (const compression of COMPRESSIONS) {
  Deno.test(
    `consolidate() makes of a chain the full archive of its last tree (${compression})`,
    withTempDir(async (dir) => {
      const tree = `${dir}/t`;
      await makeRichTree(tree);
      await makeLarge(tree);
      const sources = [workDir(tree)];
      const make = (name: string, parent: Made | null, meanwhile?: () => unknown) =>
        makeArchive({ dir, sources, name, parent, compression, meanwhile });
      const full = await make("full", null);
      await sh(FIRST, tree);
      const first = await make("first", full);
      await sh(SECOND, tree);
      const second = await make("second", first, () => sh(`echo meanwhile >> "$0/many/f007"`, tree));
      await sh(THIRD, tree);
      const third = await make("third", second);
      for (const [i, target] of COMPRESSIONS.entries()) {
        const made = await consolidateChain(third, { dir, name: `whole${i}`, compression: target });
        await assertWhole(made, third, dir);
      }
      await assertSameTree(`${dir}/r-third`, tree);
      // One from the middle is the tree of its moment.
      await assertWhole(
        await consolidateChain(second, { dir, name: "mid", compression }),
        second,
        dir,
      );
    }),
  );
}

/** A database, a log and a file with holes that are large enough to be stored in pieces. */
async function makeLarge(tree: string) {
  const random = seededRandom(1);
  const bytes = Uint8Array.from({ length: 17 << 20 }, () => random() * 256);
  Deno.mkdirSync(`${tree}/big`);
  Deno.writeFileSync(`${tree}/big/db`, bytes);
  Deno.writeFileSync(`${tree}/big/log`, bytes.subarray(0, (16 << 20) + 77));
  await sh(
    `truncate -s 40M big/holes; printf middle | dd of=big/holes bs=1 seek=20000000 conv=notrunc status=none
     printf end >> big/holes; setfattr -n user.big -v yes big/holes; chmod 4711 big/holes; chown 7:8 big/db`
      .replaceAll("big/", `${tree}/big/`),
  );
}

const FIRST = String.raw`cd "$0"
printf first >> big/log; printf x | dd of=big/db bs=1 seek=5000000 conv=notrunc status=none
printf y | dd of=big/holes bs=1 seek=30000000 conv=notrunc status=none
mv text.log moved.log; rm -r many; echo file > many; rm hard/a; echo new > names/new
mkdir -p deep/er/est; cp random.bin deep/er/est/copy; chmod 2755 modes/f0000`;
const SECOND = String.raw`cd "$0"
rm many; mkdir many; echo again > many/f007; printf second >> big/log; rm size-0; mkdir size-0; ln hard/b hard/b2
touch -d @5 modes; mv big/holes special/holes; rm -r long; ln -sf elsewhere links/up; setfattr -n user.x -v y empty`;
const THIRD = String.raw`cd "$0"
printf third >> big/log; printf z | dd of=big/db bs=1 seek=9000000 conv=notrunc status=none
cp --preserve=all moved.log copy.log; rm deep/er/est/copy; echo x > deep/x; mv names/new many/from-names`;

/** Restored by duckback and by GNU tar, it is what the backup is whose tree it holds. */
async function assertWhole(made: Made, of: Made, dir: string) {
  await prove(made);
  const rows = await rowsOf(made);
  const expected = await rowsOf(of);
  const plain = (list: typeof rows) =>
    list.map(({ block_offset: _offset, block_inner: _inner, stored_in: _in, ...row }) => row)
      .sort((a, b) => a.path < b.path ? -1 : 1);
  assert.deepEqual(plain(rows), plain(expected));
  assert.deepEqual(new Set(rows.map(({ stored_in }) => stored_in)), new Set([made.name]));
  const listed = await tarPaths(made.path);
  assert.equal(new Set(listed).size, listed.length, "each path is there once");
  assert.equal(listed.filter((path) => !path.startsWith(".duckback/")).length, rows.length);
  const reference = `${dir}/r-${of.name}`;
  await Deno.lstat(reference).catch(() => restoreChain(of, reference));
  const [ours, gnu] = [`${dir}/r-${made.name}`, `${dir}/gnu-${made.name}`];
  await extractArchive(made.path, {
    routes: [{ from: ".", to: ours }],
    allow_devices: true,
    max_bytes: made.summary.source_bytes,
  });
  await assertSameTree(ours, reference);
  await Deno.mkdir(gnu);
  await run(
    "tar",
    ...["--xattrs", "--xattrs-include=*", "--acls", "-S", "-p", "--exclude=.duckback", "-xf"],
    ...[made.path, "-C", gnu],
  );
  // tar makes links of FIFOs' further names another way.
  const leaveOut = (entries: Awaited<ReturnType<typeof describeTree>>) =>
    entries.filter(({ path }) => path !== "special/fifo2" && path !== "special/fifo");
  assertSameEntries(leaveOut(await describeTree(gnu)), leaveOut(await describeTree(reference)));
  await run("rm", "-rf", "--", ours, gnu);
}

async function tarPaths(archive: string): Promise<string[]> {
  const list = await run("tar", "--quoting-style=escape", "-tf", archive);
  return list.trimEnd().split("\n");
}
