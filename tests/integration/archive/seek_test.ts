import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Compression, ManifestEntry } from "../../../lib/core/model.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { ArchiveRun } from "../../../lib/archive/mod.ts";
import { list } from "../../../lib/archive/list.ts";
import { SeekReader } from "../../../lib/archive/seek_reader.ts";
import { PendingArchive } from "../../../lib/repository/pending_archive.ts";
import { makeRichTree, run, seededRandom, sh, withTempDir } from "../../fixtures/tree.ts";
import { COMPRESSIONS, make, SIGNAL, workDir } from "./support.ts";

/** The content that a row's entry has in the archive, as its SHA-256, and its length. */
async function contentOf(reader: SeekReader, row: ManifestEntry) {
  const digest = createHash("sha256");
  let entries = 0;
  let bytes = 0;
  const handler = {
    holeStep: 1 << 20,
    entry: () => void entries++,
    data(piece: Uint8Array) {
      digest.update(piece);
      bytes += piece.length;
    },
    hole(length: number) {
      digest.update(new Uint8Array(length));
      bytes += length;
    },
    end() {},
  };
  await reader.read(row, handler);
  assert.equal(entries, 1);
  return { sha256: digest.digest("hex"), bytes };
}

async function code(work: Promise<unknown>): Promise<string> {
  return await work.then(() => "none", (error: DuckbackError) => error.code);
}

/** Reads every entry, in the archive's order and then in any; each must be what the row says. */
async function assertEachReads(path: string, manifest: ManifestEntry[]) {
  using reader = new SeekReader(path);
  assert.ok(reader.seeks);
  const random = seededRandom(3);
  const shuffled = manifest.map((row) => [random(), row] as const).sort((a, b) => a[0] - b[0])
    .map(([, row]) => row);
  for (const row of [...manifest, ...shuffled]) {
    const found = await contentOf(reader, row);
    if (row.type !== "file") continue;
    assert.equal(found.bytes, row.size, row.path);
    assert.equal(found.sha256, row.sha256, row.path);
  }
}

for (const [compression, level] of COMPRESSIONS) {
  Deno.test(
    `SeekReader.read() gives each entry of a ${compression} archive from its manifest row`,
    withTempDir(async (dir) => {
      const tree = `${dir}/t`;
      await Deno.mkdir(tree);
      await makeRichTree(tree);
      await sh(
        `cd "$0"; head -c 40000000 /dev/urandom > zz-large; : > zz-empty
         mkdir sizes; for i in $(seq 500); do head -c $((i * 37)) /dev/urandom > sizes/$i; done
         truncate -s 40000000 holes; echo middle | dd of=holes oflag=seek_bytes seek=20000000 conv=notrunc status=none
         truncate -s 5000000 only-a-hole`,
        tree,
      );
      const { manifest } = await make(`${dir}/a`, [workDir(tree)], { compression, level });
      await assertEachReads(`${dir}/a`, manifest);
      const names = ["zz-large", "zz-empty", "sizes/499", "holes", "only-a-hole"];
      for (const name of names) {
        const sum = await run("sha256sum", `${tree}/${name}`);
        assert.equal(manifest.find((row) => row.path === name)?.sha256, sum.slice(0, 64), name);
      }
    }),
  );

  Deno.test(
    `SeekReader.read() reads a ${compression} archive of two passes, whose blocks are padded`,
    withTempDir(async (dir) => {
      const tree = `${dir}/t`;
      await Deno.mkdir(`${tree}/many`, { recursive: true });
      await sh(
        `cd "$0"; head -c 12000000 /dev/urandom > cut; yes line | head -c 9000000 > log
         for i in $(seq 2000); do echo "file $i" > many/$i; done; sleep 0.15`,
        tree,
      );
      const rows: ManifestEntry[] = [];
      using file = PendingArchive.create(`${dir}/a`);
      using archive = await ArchiveRun.begin({
        ...{ sources: [workDir(tree)], compression, level },
        first: new TextEncoder().encode("{}"),
        last: () => new TextEncoder().encode("{}"),
        write: (bytes) => file.write(bytes),
        rewrite: file,
        notes_path: `${dir}/notes`,
        onEntry: (entry) => rows.push(entry),
      });
      await archive.precopy();
      await sh(
        `cd "$0"; truncate -s 5000000 cut; echo more >> log
         for i in $(seq 1 7 2000); do rm many/$i; done; for i in $(seq 2 5 2000); do echo new > many/$i; done`,
        tree,
      );
      await archive.copy();
      const { amend } = await archive.finish();
      file.finish();
      assert.ok(amend !== null, "something was cut out");
      const manifest = rows.flatMap((row) => {
        const place = amend(row.block_offset, row.block_inner);
        return place ? [{ ...row, block_offset: place.offset, block_inner: place.inner }] : [];
      });
      await assertEachReads(`${dir}/a`, manifest);
    }),
  );

  Deno.test(
    `SeekReader.read() needs no ${compression} block but the entry's, and notices damage in that one`,
    withTempDir(async (dir) => {
      const tree = `${dir}/t`;
      await Deno.mkdir(tree);
      await sh(
        `cd "$0"; for i in $(seq 10 40); do head -c 1000000 /dev/urandom > $i; done`,
        tree,
      );
      const { manifest } = await make(`${dir}/a`, [workDir(tree)], { compression, level });
      const whole = Deno.readFileSync(`${dir}/a`);
      const row = manifest.find((row) => row.path === "25")!;
      const later = manifest.find((other) => other.block_offset > row.block_offset + 1_100_000) ??
        manifest.find((other) => other.path === "40")!;
      // Everything before the block and well behind it is gone, but the archive's first bytes.
      const holed = whole.slice();
      holed.fill(0xff, 600, row.block_offset);
      if (compression !== "zstd") holed.fill(0xff, later.block_offset + 3_000_000);
      Deno.writeFileSync(`${dir}/holed`, holed);
      using reader = new SeekReader(`${dir}/holed`);
      assert.equal((await contentOf(reader, row)).sha256, row.sha256);

      const broken = whole.slice();
      broken[row.block_offset + row.block_inner + 700_000] ^= 0x10;
      Deno.writeFileSync(`${dir}/broken`, broken);
      using other = new SeekReader(`${dir}/broken`);
      assert.equal(await code(contentOf(other, row)), "ARCHIVE_CORRUPT");
      assert.equal(
        (await contentOf(other, manifest.find((row) => row.path === "40")!)).bytes,
        1_000_000,
      );
    }),
  );
}

Deno.test(
  "SeekReader.read() refuses rows that say something else than the archive, wherever they point",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    await Deno.mkdir(tree);
    await sh(`cd "$0"; echo one > one; echo two > two; head -c 3000000 /dev/zero > zeros`, tree);
    for (const [compression, level] of COMPRESSIONS) {
      const { manifest } = await make(`${dir}/a`, [workDir(tree)], { compression, level });
      const one = manifest.find((row) => row.path === "one")!;
      const two = manifest.find((row) => row.path === "two")!;
      const zeros = manifest.find((row) => row.path === "zeros")!;
      const { size } = Deno.statSync(`${dir}/a`);
      const wrong: Partial<ManifestEntry>[] = [
        { sha256: two.sha256 },
        { size: 5 },
        { type: "symlink" },
        { path: "two" },
        { block_inner: two.block_inner },
        { block_inner: one.block_inner + 512 },
        { block_inner: zeros.block_inner + 1_000_000 },
        { block_inner: 2 ** 40 },
        { block_offset: size - 1 },
        { block_offset: size },
        { block_offset: size + 1000 },
      ];
      using reader = new SeekReader(`${dir}/a`);
      for (const change of wrong) {
        const found = await code(contentOf(reader, { ...one, ...change }));
        assert.equal(found, "ARCHIVE_CORRUPT", `${compression}: ${JSON.stringify(change)}`);
        assert.equal((await contentOf(reader, one)).sha256, one.sha256, "and it reads on");
      }
    }
  }),
);

Deno.test(
  "SeekReader.read() reads archives of another program's up to the entry",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    await Deno.mkdir(tree);
    await makeRichTree(tree);
    await sh(`cd "$0"; head -c 3000000 /dev/urandom > zz; rm -f *socket*`, tree);
    const kinds: [Compression, string[]][] = [["gzip", ["-z"]], ["zstd", ["--zstd"]], ["none", []]];
    for (const [kind, flag] of kinds) {
      await run("tar", "-c", ...flag, "--format=gnu", "-S", "-f", `${dir}/a`, "-C", tree, ".");
      const rows = (await Array.fromAsync(list(`${dir}/a`))).filter((row) => row.type === "file");
      using reader = new SeekReader(`${dir}/a`);
      for (const row of [rows[0], rows.at(-1)!, rows.find((row) => row.path === "zz")!]) {
        const content = Deno.readFileSync(`${tree}/${row.path}`);
        const sha256 = createHash("sha256").update(content).digest("hex");
        assert.equal((await contentOf(reader, row)).sha256, sha256, `${kind}: ${row.path}`);
      }
    }
  }),
);

Deno.test("SeekReader.read() ends with INTERRUPTED once its signal is aborted", async () => {
  await withTempDir(async (dir) => {
    await Deno.mkdir(`${dir}/t`);
    await sh(`head -c 60000000 /dev/urandom > "$0"/big`, `${dir}/t`);
    const { manifest } = await make(`${dir}/a`, [workDir(`${dir}/t`)], { signal: SIGNAL });
    const stop = new AbortController();
    using reader = new SeekReader(`${dir}/a`, stop.signal);
    const row = manifest.find((row) => row.path === "big")!;
    let pieces = 0;
    const handler = { entry() {}, data() {}, hole() {}, end() {} };
    const read = reader.read(row, handler, () => {
      if (++pieces === 20) stop.abort();
      return undefined;
    });
    assert.equal(await code(read), "INTERRUPTED");
    assert.equal(pieces, 20);
  })();
});
