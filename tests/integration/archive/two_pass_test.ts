import assert from "node:assert/strict";
import type { Compression, ManifestEntry, Source } from "../../../lib/core/model.ts";
import {
  ArchiveRun,
  type ArchiveSummary,
  type CreateOptions,
  extractArchive,
  verifyArchive,
} from "../../../lib/archive/mod.ts";
import * as posix from "../../../lib/posix/mod.ts";
import { PendingArchive } from "../../../lib/repository/pending_archive.ts";
import {
  assertSameTree,
  makeRichTree,
  run,
  seededRandom,
  sh,
  withTempDir,
} from "../../fixtures/tree.ts";
import { COMPRESSIONS, gnuTar, pathIn, volume, workDir } from "./support.ts";

interface Choice {
  compression?: Compression;
  level?: number;
  /** For blocks that are compressed once more. */
  cut_level?: number;
}

interface TwoPasses {
  path: string;
  summary: ArchiveSummary;
  /** As it stands once it is amended. */
  manifest: ManifestEntry[];
  /** Entries that the second pass put. */
  again: string[];
}

/** An archive in two passes, with `meanwhile` between them. What is there is old enough by then. */
async function twoPasses(
  path: string,
  sources: Source[],
  meanwhile: () => unknown,
  { compression = "gzip", level = 1, cut_level = level }: Choice = {},
): Promise<TwoPasses> {
  await new Promise((resolve) => setTimeout(resolve, 120));
  const rows: ManifestEntry[] = [];
  using file = PendingArchive.create(path);
  const options: CreateOptions = {
    ...{ sources, compression, level },
    first: new TextEncoder().encode("{}"),
    last: () => new TextEncoder().encode("{}"),
    write: (bytes) => file.write(bytes),
    rewrite: file,
    notes_path: `${path}.notes`,
    onEntry: (entry) => rows.push(entry),
  };
  using archive = await ArchiveRun.begin(options);
  const { entries } = await archive.precopy();
  await meanwhile();
  await archive.copy();
  options.level = cut_level;
  const summary = await archive.finish();
  file.finish();
  const manifest = rows.flatMap((row) => {
    if (summary.amend === null) return [row];
    const place = summary.amend(row.block_offset, row.block_inner);
    return place === null ? [] : [{ ...row, block_offset: place.offset, block_inner: place.inner }];
  });
  return { path, summary, manifest, again: rows.slice(entries).map((row) => row.path) };
}

function mtimeOf({ manifest }: TwoPasses, path: string): [number, number] {
  const { mtime_s, mtime_ns } = manifest.find((row) => row.path === path)!;
  return [mtime_s, mtime_ns];
}

/** Proves the archive and that duckback and GNU tar both make `tree` of it. */
async function assertRestores(
  made: TwoPasses,
  dir: string,
  tree: string,
  compression: Compression,
) {
  const { summary, manifest, path } = made;
  const report = await verifyArchive(path, { sha256: summary.sha256, manifest: [manifest] });
  assert.equal(report.entries, summary.entry_count);
  assert.equal(report.files, summary.file_count);
  assert.equal(report.bytes, summary.source_bytes);
  const paths = manifest.map((row) => row.path);
  assert.equal(new Set(paths).size, paths.length, "each path once");
  await sh(`rm -rf "$0/ours" "$0/gnu"; mkdir "$0/gnu"`, dir);
  await extractArchive(path, { routes: [{ from: ".", to: `${dir}/ours` }], allow_devices: true });
  await assertSameTree(`${dir}/ours`, tree);
  await run("tar", "--exclude=.duckback", ...gnuTar(path, `${dir}/gnu`, compression));
  await assertSameTree(`${dir}/gnu`, tree);
}

for (const [compression, level] of COMPRESSIONS) {
  Deno.test(
    `two passes with ${compression} give the tree as of the second, for us and for GNU tar`,
    withTempDir(async (dir) => {
      const tree = `${dir}/t`;
      await Deno.mkdir(tree);
      await makeRichTree(tree);
      await sh(
        `cd "$0"; mkdir -p deep/er many; head -c 30000000 /dev/urandom > large-gone
         head -c 20000000 /dev/urandom > large-cut; yes line | head -c 9000000 > log
         for i in $(seq 3000); do echo "file $i" > many/$i; done
         echo one > deep/er/one; echo was a file > becomes-dir; mkdir becomes-file; echo x > becomes-file/x
         ln -s one link; echo linked > hard-a; ln hard-a hard-b; ln hard-a hard-c
         echo first > zz-a; ln zz-a zz-b`,
        tree,
      );
      const made = await twoPasses(
        `${dir}/a`,
        [workDir(tree)],
        () =>
          sh(
            `cd "$0"; rm large-gone; truncate -s 10000000 large-cut; echo more >> log
           for i in $(seq 1 7 3000); do rm many/$i; done
           for i in $(seq 2 11 3000); do echo changed >> many/$i; done
           mv deep moved; rm becomes-dir; mkdir becomes-dir; echo in > becomes-dir/in
           rm -r becomes-file; echo now a file > becomes-file; ln -sfn two link; echo new > .new
           rm hard-a; rm zz-a; chmod 600 many/4; mkdir -p empty/er; touch -d 1999-09-09 many`,
            tree,
          ),
        { compression, level },
      );
      await assertRestores(made, dir, tree, compression);
      const listed = (await run("tar", "-tf", made.path)).split("\n").filter((line) => line !== "");
      assert.equal(new Set(listed).size, listed.length, "GNU tar lists each path once");
      assert.ok(!listed.includes("large-gone"));
      if (compression === "zstd") await run("zstd", "-tq", made.path);
      if (compression === "gzip") await sh(`gzip -t < "$0"`, made.path);
      // Little was read twice.
      assert.ok(made.again.length < 1200, `${made.again.length} entries in the second pass`);
    }),
  );
}

Deno.test(
  "two passes over trees that change at random give the tree as of the second",
  withTempDir(async (dir) => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = seededRandom(seed);
      const below = (most: number) => Math.floor(random() * most);
      const tree = `${dir}/t${seed}`;
      Deno.mkdirSync(tree);
      const names = () => `${tree}/${below(6)}/${below(6)}`;
      const change = () => {
        const name = names();
        const kind = below(9);
        try {
          Deno.mkdirSync(name.slice(0, name.lastIndexOf("/")), { recursive: true });
          if (kind < 3) Deno.writeFileSync(name, new Uint8Array(below(300_000)).fill(below(255)));
          else if (kind === 3) {
            Deno.writeFileSync(name, crypto.getRandomValues(new Uint8Array(below(60_000))));
          } else if (kind === 4) Deno.removeSync(name, { recursive: true });
          else if (kind === 5) Deno.linkSync(names(), name);
          else if (kind === 6) Deno.symlinkSync(`../${below(6)}`, name);
          else if (kind === 7) Deno.renameSync(names(), name);
          else Deno.mkdirSync(`${name}/${below(3)}`, { recursive: true });
        } catch {
          // It is not of that kind, or not there: then nothing changes.
        }
      };
      for (let i = 0; i < 120; i++) change();
      const [compression, level] = COMPRESSIONS[seed % 3];
      const made = await twoPasses(
        `${dir}/a${seed}`,
        [workDir(tree)],
        () => {
          for (let i = below(60); i >= 0; i--) change();
        },
        { compression, level },
      );
      try {
        await assertRestores(made, dir, tree, compression);
      } catch (error) {
        throw new Error(`seed ${seed}, ${compression}`, { cause: error });
      }
    }
  }),
);

for (const [compression, level] of [["gzip", 9], ["zstd", 19]] as const) {
  Deno.test(
    `blocks of ${compression} that become longer when cut move what lies behind them`,
    withTempDir(async (dir) => {
      const tree = `${dir}/t`;
      Deno.mkdirSync(tree);
      // Text that a low level compresses worse than a high one did, by far more than one line takes.
      await sh(
        `cd "$0"; for i in $(seq 40); do
           seq $((i * 7)) $((i + 3)) 500000 | head -c 700000 > "text-$i"; echo $i > "note-$i"
         done`,
        tree,
      );
      const made = await twoPasses(
        `${dir}/a`,
        [workDir(tree)],
        () => sh(`rm "$0/note-7" "$0/note-20" "$0/note-33"`, tree),
        { compression, level, cut_level: 1 },
      );
      await assertRestores(made, dir, tree, compression);
    }),
  );
}

Deno.test(
  "a link that did not change is put again behind a file that is",
  withTempDir(async (dir) => {
    // The first pass meets a block that cannot be read, so the second reads the file again.
    await sh(
      `cd "$0"; truncate -s 64M disk; mkfs.ext4 -q -O ^has_journal disk; mkdir t; mount -o loop disk t
       rm -rf t/lost+found; head -c 40000000 /dev/urandom > t/bad; ln t/bad t/link; echo good > t/good
       sync; umount t; truncate -s 30M disk; truncate -s 64M disk; mount -o loop disk t
       truncate -s 30M disk`,
      dir,
    );
    try {
      await sh("echo 3 > /proc/sys/vm/drop_caches");
      const made = await twoPasses(`${dir}/a`, [workDir(`${dir}/t`)], () => {});
      assert.deepEqual(made.summary.warnings.map(({ code, path }) => [code, path]), [
        ["UNREADABLE", "bad"],
      ]);
      const paths = made.manifest.map((row) => `${row.type} ${row.path}`);
      assert.deepEqual(paths.toSorted(), ["directory .", "file bad", "file good", "hardlink link"]);
      assert.ok(paths.indexOf("file bad") < paths.indexOf("hardlink link"));
      await verifyArchive(made.path, { sha256: made.summary.sha256, manifest: [made.manifest] });
      const options = { routes: [{ from: ".", to: `${dir}/ours` }] };
      await extractArchive(made.path, options);
      await sh(
        `mkdir "$0/gnu"; tar -xzf "$0/a" -C "$0/gnu"; test "$0/gnu/bad" -ef "$0/gnu/link"`,
        dir,
      );
    } finally {
      await sh(`umount "$0/t"`, dir);
    }
  }),
);

Deno.test(
  "a second pass over several sources reads nothing again that kept still",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    await sh(
      `mkdir -p "$0/z/sub" "$0/a/sub" "$0/v"; for i in 1 2 3; do
      echo $i > "$0/z/sub/$i"; echo $i > "$0/a/sub/$i"; echo $i > "$0/v/$i"; done`,
      tree,
    );
    // Not in the order of their paths; the deletion is the last entry of its source.
    const sources = [pathIn(tree, "z"), volume("v", `${tree}/v`), pathIn(tree, "a")];
    const made = await twoPasses(`${dir}/x`, sources, () => Deno.removeSync(`${tree}/z/sub/3`));
    assert.deepEqual(made.again, ["z", "z/sub"]);
    assert.equal(made.summary.entry_count, 5 + 4 + 5 - 1);
    const report = await verifyArchive(made.path, {
      sha256: made.summary.sha256,
      manifest: [made.manifest],
    });
    assert.equal(report.entries, made.summary.entry_count);
  }),
);

Deno.test(
  "the second pass is not fooled by a change of equal size that sets its time back",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    Deno.mkdirSync(tree);
    const file = `${tree}/f`;
    Deno.writeTextFileSync(file, "before");
    const { mtime_s, mtime_ns } = posix.statx(file);
    const rewrite = (text: string) => {
      Deno.writeTextFileSync(file, text);
      posix.lutimes(file, mtime_s, mtime_ns);
    };
    const made = await twoPasses(`${dir}/x`, [workDir(tree)], () => rewrite("behind"));
    await assertRestores(made, dir, tree, "gzip");
    assert.equal(Deno.readTextFileSync(`${dir}/ours/f`), "behind");

    // Within the same tick: written just before the first pass, and again right behind its reading.
    for (let round = 0; round < 20; round++) {
      rewrite(`a${round % 10}`);
      const path = `${dir}/y${round}`;
      using archive_file = PendingArchive.create(path);
      const rows: ManifestEntry[] = [];
      using archive = await ArchiveRun.begin({
        ...{ sources: [workDir(tree)], compression: "none", level: 0 },
        first: new TextEncoder().encode("{}"),
        last: () => new TextEncoder().encode("{}"),
        write: (bytes) => archive_file.write(bytes),
        rewrite: archive_file,
        notes_path: `${path}.notes`,
        onEntry: (entry) => rows.push(entry),
      });
      await archive.precopy();
      rewrite(`b${round % 10}`);
      await archive.copy();
      await archive.finish();
      archive_file.finish();
      const text = await run("tar", "-xOf", path, "./f").catch(() => run("tar", "-xOf", path, "f"));
      assert.equal(text, `b${round % 10}`);
    }
  }),
);

Deno.test(
  "the second pass sees what a shared mapping wrote without any sign",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    Deno.mkdirSync(tree);
    // Dirties a page long before, keeps it mapped, and writes to it again when told.
    Deno.writeTextFileSync(
      `${dir}/map.py`,
      `import mmap, sys
with open(sys.argv[1], "w+b") as f:
    f.write(bytes(4096)); f.flush()
    m = mmap.mmap(f.fileno(), 4096)
    m[0:5] = b"first"
    print("ready", flush=True)
    sys.stdin.readline()
    m[0:5] = b"after"
    print("done", flush=True)
    sys.stdin.readline()
`,
    );
    const child = new Deno.Command("python3", {
      args: [`${dir}/map.py`, `${tree}/f`],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines = child.stdout.getReader();
    const writer = child.stdin.getWriter();
    // A line may come in pieces: with PYTHONUNBUFFERED its newline is a write of its own.
    const next = async () => {
      let line = "";
      for (let part = await lines.read(); !part.done; part = await lines.read()) {
        line += new TextDecoder().decode(part.value);
        if (line.endsWith("\n")) break;
      }
      return line;
    };
    try {
      assert.match(await next(), /ready/);
      const made = await twoPasses(`${dir}/x`, [workDir(tree)], async () => {
        await writer.write(new TextEncoder().encode("\n"));
        assert.match(await next(), /done/);
      });
      await extractArchive(made.path, { routes: [{ from: ".", to: `${dir}/ours` }] });
      assert.equal(Deno.readTextFileSync(`${dir}/ours/f`).slice(0, 5), "after");
    } finally {
      await writer.close();
      await lines.cancel();
      await child.status;
    }
  }),
);

Deno.test(
  "what cannot be read, or vanishes for good, in the first pass is told of only by the second",
  withTempDir(async (dir) => {
    const tree = `${dir}/t`;
    await sh(`mkdir -p "$0/gone"; echo a > "$0/gone/a"; echo b > "$0/b"`, tree);
    await sh(
      `python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$0/s"`,
      tree,
    );
    const made = await twoPasses(`${dir}/x`, [workDir(tree)], () => sh(`rm -r "$0/gone"`, tree));
    assert.deepEqual(made.summary.warnings.map(({ code, path }) => [code, path]), [
      ["SOCKET_SKIPPED", "s"],
    ]);
    posix.rename(`${tree}/s`, `${dir}/s`);
    posix.lutimes(tree, ...mtimeOf(made, "."));
    await assertRestores(made, dir, tree, "gzip");
  }),
);
