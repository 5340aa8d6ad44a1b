/** Archives that were cut, altered or lost: every damage is found, or does no harm. */
import assert from "node:assert/strict";
import { extractArchive, list, readSelf, verifyArchive } from "../../../lib/archive/mod.ts";
import { ArchiveFile } from "../../../lib/archive/archive_file.ts";
import type { ManifestEntry } from "../../../lib/core/model.ts";
import { assertSameTree, seededRandom, sh, withTempDir } from "../../fixtures/tree.ts";
import { COMPRESSIONS, make, workDir } from "./support.ts";

/** A small archive of several blocks. */
async function archived(dir: string, compression: "gzip" | "zstd" | "none", level: number) {
  await sh(
    `mkdir -p "$0/t/d"; cd "$0/t"; seq 200000 > numbers; head -c 300000 /dev/urandom > random
     for i in $(seq 30); do echo $i > d/$i; done; ln -s numbers link; ln numbers d/hard
     [ $1 = zstd ] && head -c 12000000 /dev/zero > zeros; :`,
    dir,
    compression,
  );
  return await make(`${dir}/a`, [workDir(`${dir}/t`)], { compression, level });
}

function blockEnds(path: string): number[] {
  using file = new ArchiveFile(path);
  const ends: number[] = [];
  for (let cut = file.cut(); cut !== null; cut = file.cut()) ends.push(cut.offset + cut.length);
  return ends;
}

for (const [compression, level] of COMPRESSIONS) {
  Deno.test(
    `verifyArchive() and extractArchive() find a ${compression} archive cut anywhere`,
    withTempDir(async (dir) => {
      const made = await archived(dir, compression, level);
      const bytes = Deno.readFileSync(made.path);
      const random = seededRandom(7);
      const ends = blockEnds(made.path);
      assert.ok(ends.length >= 2);
      const cuts = [
        0,
        1,
        9,
        23,
        24,
        511,
        512,
        1024,
        bytes.length - 1,
        bytes.length - 1024,
        ...ends,
      ];
      for (let i = 0; i < 40; i++) cuts.push(Math.floor(random() * bytes.length));
      for (const cut of cuts) {
        if (cut >= bytes.length) continue;
        Deno.writeFileSync(`${dir}/cut`, bytes.subarray(0, cut));
        await assert.rejects(verifyArchive(`${dir}/cut`, { workers: 0 }), {
          code: "ARCHIVE_CORRUPT",
        }, `cut at ${cut}`);
        const self = await readSelf(`${dir}/cut`).catch((error) => {
          assert.equal(error.code, "ARCHIVE_CORRUPT");
          return { last: null };
        });
        assert.equal(self.last, null, `cut at ${cut}`);
      }
      for (const cut of ends.slice(0, -1)) {
        Deno.writeFileSync(`${dir}/cut`, bytes.subarray(0, cut));
        const routes = [{ from: ".", to: `${dir}/out${cut}` }];
        await assert.rejects(extractArchive(`${dir}/cut`, { routes }), { code: "ARCHIVE_CORRUPT" });
        await assert.rejects(async () => {
          for await (const _ of list(`${dir}/cut`)) { /* to the end */ }
        }, { code: "ARCHIVE_CORRUPT" });
      }
    }),
  );

  Deno.test(
    `verifyArchive() finds every flipped bit of a ${compression} archive that does harm`,
    withTempDir(async (dir) => {
      const made = await archived(dir, compression, level);
      const bytes = Deno.readFileSync(made.path);
      const random = seededRandom(11);
      // The beginning and the end of every block, where the structure is, and random places.
      const places = blockEnds(made.path).flatMap((end) =>
        Array.from({ length: 14 }, (_, i) => end - 9 + i)
      );
      for (let i = 0; i < 120; i++) places.push(Math.floor(random() * bytes.length));
      const harmless: number[] = [];
      for (const place of places) {
        if (place < 0 || place >= bytes.length) continue;
        const damaged = bytes.slice();
        damaged[place] ^= 1 << Math.floor(random() * 8);
        Deno.writeFileSync(`${dir}/flipped`, damaged);
        const options = { workers: 0, manifest: [made.manifest] };
        await verifyArchive(`${dir}/flipped`, options).then(
          () => harmless.push(place),
          (error) => assert.equal(error.code, "ARCHIVE_CORRUPT", `${place}: ${error.stack}`),
        );
        const { sha256 } = made.summary;
        await assert.rejects(verifyArchive(`${dir}/flipped`, { sha256, workers: 0 }), {
          code: "ARCHIVE_CORRUPT",
        });
      }
      // What is left says nothing: the time in a member's header, zeros between entries.
      const worst = harmless.slice(0, 3);
      for (const place of worst) {
        const damaged = bytes.slice();
        damaged[place] ^= 0xff;
        Deno.writeFileSync(`${dir}/flipped`, damaged);
        try {
          const routes = [{ from: ".", to: `${dir}/out${place}` }];
          await extractArchive(`${dir}/flipped`, { routes });
        } catch (error) {
          assert.equal((error as { code: string }).code, "ARCHIVE_CORRUPT");
          continue;
        }
        await assertSameTree(`${dir}/out${place}`, `${dir}/t`);
      }
      assert.ok(harmless.length < places.length / 10, `${harmless.length} of ${places.length}`);
    }),
  );
}

Deno.test(
  "verifyArchive() finds a file of another digest, whether it lies whole in a block or in several",
  withTempDir(async (dir) => {
    for (const [compression, level] of COMPRESSIONS) {
      await Deno.mkdir(`${dir}/${compression}${level}`);
      const made = await archived(`${dir}/${compression}${level}`, compression, level);
      const files = made.manifest.filter((entry) => entry.type === "file");
      const some = files.filter(({ path }) => !/^d\/.*\d$/.test(path) || path === "d/7");
      for (const workers of [0, 2]) {
        for (const { path } of some) {
          const manifest = made.manifest.map((entry) =>
            entry.path === path ? { ...entry, sha256: "0".repeat(64) } : entry
          );
          await assert.rejects(verifyArchive(made.path, { manifest: [manifest], workers }), {
            message: new RegExp(`the SHA-256 differs \\(entry "${path}"`),
          });
        }
        const good = await verifyArchive(made.path, { manifest: [made.manifest], workers });
        assert.equal(good.files, files.length);
      }
    }
  }),
);

Deno.test(
  "verifyArchive() names the entry and the offset of what is wrong",
  withTempDir(async (dir) => {
    const made = await archived(dir, "gzip", 1);
    const file = made.manifest.find((entry) => entry.path === "random")!;
    const altered = (change: Partial<ManifestEntry>) =>
      made.manifest.map((entry) => entry.path === "random" ? { ...entry, ...change } : entry);
    const tries: [ManifestEntry[], string][] = [
      [altered({ size: 7 }), "it has 300000 bytes, the manifest says 7"],
      [altered({ sha256: "00" }), "its content is not what was backed up: the SHA-256 differs"],
      [altered({ path: "other" }), `the manifest names the file "other" where this file is`],
      [altered({ type: "fifo" }), `the manifest names the fifo "random" where this file is`],
    ];
    for (const [manifest, message] of tries) {
      await assert.rejects(
        verifyArchive(made.path, { manifest: [manifest.slice(0, 3), [], manifest.slice(3)] }),
        (error: Error) =>
          error.message.includes(`${message} (entry "random", offset ${file.block_offset}`),
        message,
      );
    }
    const without = made.manifest.slice(0, -1);
    await assert.rejects(verifyArchive(made.path, { manifest: [without] }), {
      message: /the manifest does not name it \(entry "random"/,
    });
    const more = [...made.manifest, { ...file, path: "more" }];
    await assert.rejects(verifyArchive(made.path, { manifest: [more] }), {
      message: /the manifest names an entry that is not there \(entry "more"/,
    });
    const ends = blockEnds(made.path);
    const bytes = Deno.readFileSync(made.path);
    bytes[ends[0] + 500] ^= 4;
    Deno.writeFileSync(made.path, bytes);
    await assert.rejects(verifyArchive(made.path), (error: Error & { code: string }) => {
      assert.equal(error.code, "ARCHIVE_CORRUPT");
      assert.match(error.message, new RegExp(`the block.* \\(offset ${ends[0]}\\)`));
      return true;
    });
  }),
);

Deno.test(
  "verifyArchive() refuses what is no archive, is not there or is not complete",
  withTempDir(async (dir) => {
    await assert.rejects(verifyArchive(`${dir}/none`), {
      code: "ARCHIVE_MISSING",
      message: `Cannot open archive "${dir}/none": no such file or directory (ENOENT)`,
    });
    await assert.rejects(verifyArchive(dir), { code: "ARCHIVE_MISSING" });
    Deno.writeTextFileSync(`${dir}/text`, "no archive at all\n".repeat(100));
    Deno.writeTextFileSync(`${dir}/empty`, "");
    await sh(`cd "$0"; echo x > f; tar cf foreign.tar f; head -c 100000 /dev/zero > zeros`, dir);
    const messages = {
      text: /neither a tar archive nor/,
      empty: /the file is empty/,
      zeros: /neither a tar archive nor/,
      "foreign.tar": /does not begin with \.duckback\/backup\.json: duckback did not make it/,
    };
    for (const [name, message] of Object.entries(messages)) {
      await assert.rejects(verifyArchive(`${dir}/${name}`), { code: "ARCHIVE_CORRUPT", message });
      await assert.rejects(readSelf(`${dir}/${name}`), { code: "ARCHIVE_CORRUPT", message });
    }
    // A run that was killed has all its blocks, but no result.
    const { path } = await archived(dir, "none", 0);
    await sh(`tar --delete -f "$0" .duckback/result.json`, path);
    await assert.rejects(verifyArchive(path), {
      code: "ARCHIVE_CORRUPT",
      message: /result\.json is missing/,
    });
    assert.equal((await readSelf(path)).last, null);
  }),
);

Deno.test(
  "verifyArchive() ends on an abort and leaves no worker behind",
  withTempDir(async (dir) => {
    await sh(`mkdir "$0/t"; head -c 60000000 /dev/urandom > "$0/t/f"`, dir);
    const { path } = await make(`${dir}/a`, [workDir(`${dir}/t`)]);
    const abort = new AbortController();
    const start = performance.now();
    setTimeout(() => abort.abort(), 20);
    await assert.rejects(verifyArchive(path, { signal: abort.signal }), { code: "INTERRUPTED" });
    assert.ok(performance.now() - start < 1000);
  }),
);
