// Loaded before the first test: it keeps a timer for as long as the process lives (see there).
import "../../../lib/catalog/duckdb.ts";
import assert from "node:assert/strict";
import { extractArchive } from "../../../lib/archive/extract.ts";
import type { Compression } from "../../../lib/core/model.ts";
import { type Made, makeArchive, prove, restoreChain, rowsOf } from "../../fixtures/chain.ts";
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
      const second = await make(
        "second",
        first,
        () => sh(`echo meanwhile >> "$0/many/f007"`, tree),
      );
      await sh(THIRD, tree);
      const third = await make("third", second);
      const other = COMPRESSIONS[(COMPRESSIONS.indexOf(compression) + 1) % COMPRESSIONS.length];
      for (const target of [compression, other]) {
        const made = await consolidateChain(third, { dir, name: target, compression: target });
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

Deno.test(
  "consolidate() copies blocks of which nothing has changed bit by bit, and later backups build on it",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    Deno.mkdirSync(tree);
    const random = seededRandom(3);
    for (let i = 0; i < 40; i++) {
      Deno.mkdirSync(`${tree}/d${i}`);
      const bytes = Uint8Array.from({ length: 700_000 }, () => 97 + random() * 16);
      Deno.writeFileSync(`${tree}/d${i}/f`, bytes);
      Deno.writeFileSync(`${tree}/d${i}/g`, bytes.subarray(100));
    }
    const sources = [workDir(tree)];
    for (const compression of ["gzip", "zstd"] as const) {
      const at = `${dir}/${compression}`;
      Deno.mkdirSync(at);
      const make = (name: string, parent: Made | null) =>
        makeArchive({ dir: at, sources, name, parent, compression });
      const full = await make("full", null);
      await sh('echo changed >> "$0/d20/f"', tree);
      const next = await make("next", full);
      const whole = await consolidateChain(next, { dir: at, name: "whole", compression });
      const { copied_blocks, cut_blocks, copied_bytes, archive_bytes } = whole.summary;
      // Of the base that of the top, that of the directory and the file, and the last; and the increment's.
      const most = compression === "gzip" ? 6 : 4;
      assert.ok(cut_blocks <= most, `${cut_blocks} were cut, ${copied_blocks} copied`);
      assert.ok(copied_bytes > archive_bytes * (compression === "gzip" ? 0.88 : 0.5));
      const [base, bytes] = [full, whole].map(({ path }) => Deno.readFileSync(path));
      assert.ok(equalBytes(base, bytes) >= copied_bytes);
      await assertWhole(whole, next, at);
      // What was seen of the tree holds for the new archive too.
      const on = await make("on", whole);
      assert.deepEqual(on.summary.increment!.stored, { files: 0, entries: 0, bytes: 0 });
      await prove(on);
      await restoreChain(on, `${at}/r-on`);
      await assertSameTree(`${at}/r-on`, tree);
    }
  }),
);

Deno.test(
  "consolidate() gives the tree of any moment of chains that change at random",
  withTempDir(async (dir) => {
    const more = Deno.env.get("DUCKBACK_SEEDS")?.split(",").map(Number);
    for (const seed of more ?? [5, 7]) await randomChain(`${dir}/${seed}`, seed);
  }),
);

async function randomChain(dir: string, seed: number) {
  const random = seededRandom(seed);
  const tree = `${dir}/t`;
  await Deno.mkdir(tree, { recursive: true });
  const sources = [workDir(tree)];
  const pick = () => COMPRESSIONS[Math.floor(random() * COMPRESSIONS.length)];
  let last: Made | null = null;
  for (let round = 0; round < 6; round++) {
    await changeTree(tree, round === 0 ? 60 : 20, random);
    const meanwhile = random() < 0.5 ? () => changeTree(tree, 8, random) : undefined;
    const name = `a${round}`;
    last = await makeArchive({ dir, sources, name, parent: last, compression: pick(), meanwhile });
    if (round < 2 || random() < 0.3) continue;
    const whole = await consolidateChain(last, { dir, name: `w${round}`, compression: pick() });
    await assertWhole(whole, last, dir);
    if (random() < 0.5) last = whole;
  }
  const whole = await consolidateChain(last!, { dir, name: "end", compression: pick() });
  await assertWhole(whole, last!, dir);
}

Deno.test(
  "consolidate() refuses an archive that is not what was recorded",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    Deno.mkdirSync(tree);
    const sources = [workDir(tree)];
    Deno.writeTextFileSync(`${tree}/a`, "a".repeat(100_000));
    const full = await makeArchive({ dir, sources, name: "full", compression: "none" });
    Deno.writeTextFileSync(`${tree}/b`, "b".repeat(5000));
    const next = await makeArchive({
      dir,
      sources,
      name: "next",
      parent: full,
      compression: "none",
    });
    await sh('printf x | dd of="$0" bs=1 seek=50000 conv=notrunc status=none', full.path);
    await assert.rejects(
      consolidateChain(next, { dir, name: "whole", compression: "none" }),
      { code: "ARCHIVE_CORRUPT", message: /full\.tar": its SHA-256 is .* as recorded/ },
    );
    assert.deepEqual([...Deno.readDirSync(dir)].filter(({ name }) => name.includes("whole")), []);
    await Deno.remove(full.path);
    await assert.rejects(
      consolidateChain(next, { dir, name: "whole", compression: "none" }),
      { code: "ARCHIVE_MISSING", message: /full\.tar/ },
    );
  }),
);

/** How many bytes of an archive are stretches of another one, from the beginning of one of its blocks on. */
function equalBytes(base: Uint8Array, bytes: Uint8Array): number {
  let equal = 0;
  const STEP = 4096;
  const known = new Map<string, number[]>();
  for (let at = 0; at + 16 <= base.length; at++) {
    // Every place where a member or a frame may begin.
    if (!begins(base, at)) continue;
    const key = base.subarray(at, at + 32).toHex();
    known.set(key, [...known.get(key) ?? [], at]);
  }
  for (let at = 0; at + 16 <= bytes.length; at++) {
    if (!begins(bytes, at)) continue;
    for (const from of known.get(bytes.subarray(at, at + 32).toHex()) ?? []) {
      let length = 0;
      while (
        at + length + STEP <= bytes.length && from + length + STEP <= base.length &&
        same(base.subarray(from + length, from + length + STEP), bytes, at + length)
      ) length += STEP;
      while (base[from + length] === bytes[at + length] && at + length < bytes.length) length++;
      equal += length;
      at += length;
      break;
    }
  }
  return equal;
}

function begins(bytes: Uint8Array, at: number): boolean {
  const gzip = bytes[at] === 0x1f && bytes[at + 1] === 0x8b && bytes[at + 12] === 0x44;
  return gzip || bytes[at] === 0x28 && bytes[at + 1] === 0xb5 && bytes[at + 2] === 0x2f &&
      bytes[at + 3] === 0xfd;
}

function same(part: Uint8Array, bytes: Uint8Array, at: number): boolean {
  return part.every((byte, i) => bytes[at + i] === byte);
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
  assert.deepEqual(
    new Set(rows.map(({ stored_in }) => stored_in ?? made.name)),
    new Set([made.name]),
  );
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
