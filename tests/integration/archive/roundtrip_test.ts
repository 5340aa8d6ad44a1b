/** A tree of everything goes into an archive and comes out again, by duckback and by GNU tar. */
import assert from "node:assert/strict";
import type { ManifestEntry } from "../../../lib/core/model.ts";
import {
  extractArchive,
  list,
  measure,
  readSelf,
  verifyArchive,
} from "../../../lib/archive/mod.ts";
import { assertSameTree, describeTree, makeRichTree, run, sh } from "../../fixtures/tree.ts";
import { withTempDir } from "../../fixtures/tree.ts";
import { COMPRESSIONS, gnuTar, make, pathIn, SIGNAL, volume, workDir } from "./support.ts";

for (const [compression, level] of COMPRESSIONS) {
  Deno.test(
    `case 17: createArchive() with ${compression} keeps a tree of everything, for us and for GNU tar`,
    withTempDir(async (dir) => {
      await makeRichTree(`${dir}/tree`);
      const archive = `${dir}/a.tar`;
      const { summary, manifest } = await make(archive, [workDir(`${dir}/tree`)], {
        compression,
        level,
      });
      assert.deepEqual(summary.warnings, []);
      const sum = (await run("sha256sum", archive)).split(" ")[0];
      assert.equal(summary.sha256, sum);
      assert.equal(summary.archive_bytes, Deno.statSync(archive).size);

      await extractArchive(archive, {
        routes: [{ from: ".", to: `${dir}/ours` }],
        allow_devices: true,
      }).then((report) => {
        assert.deepEqual(report.warnings, []);
        assert.equal(report.entries, summary.entry_count);
        assert.equal(report.files, summary.file_count);
        assert.equal(report.bytes, summary.source_bytes);
      });
      await assertSameTree(`${dir}/ours`, `${dir}/tree`);

      Deno.mkdirSync(`${dir}/gnu`);
      await run("tar", ...gnuTar(archive, `${dir}/gnu`, compression));
      assert.equal(await sh(`cat "$0/.duckback/backup.json"`, `${dir}/gnu`), `{"archive":"test"}`);
      await run("rm", "-r", `${dir}/gnu/.duckback`);
      const times = await describeTree(`${dir}/tree`);
      // Taking .duckback out again changed the time of the top; everything else must be equal.
      await sh(`touch -d "@$1" "$0"`, `${dir}/gnu`, seconds(times[0].mtime_ns));
      await assertSameTree(`${dir}/gnu`, `${dir}/tree`);

      assertManifest(manifest, times);
      const listed: ManifestEntry[] = [];
      for await (const entry of list(archive)) listed.push(entry);
      const shown = manifest.map(({ seen: _, ...entry }) => ({ ...entry, sha256: null }));
      assert.deepEqual(listed, shown);

      const report = await verifyArchive(archive, {
        sha256: sum,
        manifest: [manifest],
      });
      assert.deepEqual(report, {
        recipes: [],
        entries: summary.entry_count,
        files: summary.file_count,
        bytes: summary.source_bytes,
        sha256: sum,
      });
      const self = await readSelf(archive);
      assert.deepEqual(self.first, { archive: "test" });
      assert.deepEqual(self.last, {
        file_count: summary.file_count,
        entry_count: summary.entry_count,
        source_bytes: summary.source_bytes,
        warnings: [],
      });
    }),
  );
}

function seconds(ns: string): string {
  return `${ns.slice(0, -9)}.${ns.slice(-9)}`;
}

/** The manifest says of every entry what the tree's description says. */
function assertManifest(manifest: ManifestEntry[], tree: Awaited<ReturnType<typeof describeTree>>) {
  const letters: Record<string, string> = {
    file: "-",
    directory: "d",
    symlink: "l",
    fifo: "p",
    char: "c",
    block: "b",
  };
  const byPath = new Map(manifest.map((entry) => [entry.path, entry]));
  assert.equal(byPath.size, tree.length);
  let inOrder = 0;
  for (const described of tree) {
    const entry = byPath.get(described.path === "" ? "." : described.path)!;
    assert.ok(entry, described.path);
    const first = described.same_as !== described.path;
    if (entry.type === "hardlink") {
      assert.notEqual(entry.link, entry.path);
      assert.ok(first || tree.some((other) => other.same_as === described.path));
      assert.equal(entry.sha256, null);
    } else {
      assert.equal(letters[entry.type], described.type);
      assert.equal(entry.link, described.link);
      assert.equal(entry.sha256, described.sha256);
      assert.equal(entry.size, described.size);
    }
    const time = BigInt(entry.mtime_s) * 1_000_000_000n + BigInt(entry.mtime_ns);
    assert.equal(String(time), described.mtime_ns);
    assert.equal(entry.mode, parseInt(described.mode, 8));
    assert.deepEqual([entry.uid, entry.gid], [described.uid, described.gid]);
    inOrder++;
  }
  assert.equal(inOrder, tree.length);
  const places = manifest.map((entry) => [entry.block_offset, entry.block_inner]);
  assert.deepEqual(places, places.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]));
}

Deno.test(
  "case 17: createArchive() and extractArchive() go deeper than PATH_MAX",
  withTempDir(async (dir) => {
    await makeRichTree(`${dir}/tree`, { deep: true });
    const { summary } = await make(`${dir}/a.tar.gz`, [workDir(`${dir}/tree`)]);
    assert.deepEqual(summary.warnings, []);
    await extractArchive(`${dir}/a.tar.gz`, {
      routes: [{ from: "", to: `${dir}/out` }],
      allow_devices: true,
    });
    await assertSameTree(`${dir}/out`, `${dir}/tree`);
  }),
);

Deno.test(
  "createArchive() and extractArchive() keep a gibibyte of holes small, everywhere",
  withTempDir(async (dir) => {
    await sh(
      `mkdir "$0/t"; cd "$0/t"; truncate -s 1G f
       yes a | head -c 4096 | dd of=f conv=notrunc status=none
       yes z | head -c 4096 | dd of=f bs=4096 seek=262143 conv=notrunc status=none`,
      dir,
    );
    const { summary, manifest, path } = await make(`${dir}/a`, [workDir(`${dir}/t`)], {
      compression: "none",
    });
    assert.ok(summary.archive_bytes < 30_000, `${summary.archive_bytes} bytes`);
    assert.equal(summary.source_bytes, 8192);
    assert.equal((await measure({ sources: [workDir(`${dir}/t`)] })).bytes, 8192);
    const sum = (await run("sha256sum", `${dir}/t/f`)).split(" ")[0];
    assert.deepEqual([manifest[1].size, manifest[1].sha256], [2 ** 30, sum]);
    const verified = await verifyArchive(path, { manifest: [manifest] });
    assert.equal(verified.bytes, 8192);
    await extractArchive(path, { routes: [{ from: ".", to: `${dir}/ours` }] });
    await sh(
      `mkdir "$0/gnu" "$0/bsd"; tar xf "$0/a" -C "$0/gnu"; bsdtar -x -S -f "$0/a" -C "$0/bsd"`,
      dir,
    );
    for (const to of ["ours", "gnu", "bsd"]) {
      if (to === "ours") await run("cmp", `${dir}/${to}/f`, `${dir}/t/f`);
      const ends = await sh(`stat -c %s "$0"; head -c 2 "$0"; tail -c 2 "$0"`, `${dir}/${to}/f`);
      assert.equal(ends, "1073741824\na\nz\n");
      const blocks = Number(await run("stat", "-c", "%b", `${dir}/${to}/f`));
      assert.ok(blocks <= 64, `${to}: ${blocks} blocks`);
    }
  }),
);

Deno.test(
  "case 17: createArchive() and extractArchive() take a directory of 100,000 entries",
  withTempDir(async (dir) => {
    await sh(`mkdir "$0/m"; mount -t tmpfs none "$0/m"`, dir); // a disk takes 20 s for it
    const top = `${dir}/m`;
    try {
      await run(
        "python3",
        "-c",
        `import os, sys
os.makedirs(sys.argv[1]); os.chdir(sys.argv[1])
for i in range(100000): os.close(os.open("entry-%06d" % i, os.O_CREAT | os.O_WRONLY))`,
        `${top}/t`,
      );
      const { summary, manifest, path } = await make(`${top}/a`, [workDir(`${top}/t`)]);
      assert.equal(summary.entry_count, 100_001);
      await verifyArchive(path, { manifest: [manifest] });
      const report = await extractArchive(path, { routes: [{ from: ".", to: `${top}/out` }] });
      assert.equal(report.entries, 100_001);
      const listing = `cd "$0"; find . -printf '%P %m %s %T@\\n' | LC_ALL=C sort | sha256sum`;
      assert.equal(await sh(listing, `${top}/out`), await sh(listing, `${top}/t`));
    } finally {
      await sh(`umount "$0/m"`, dir);
    }
  }),
);

Deno.test(
  "createArchive() keeps sparse files over 8 GiB",
  withTempDir(async (dir) => {
    await sh(
      `mkdir "$0/t"; cd "$0/t"; truncate -s 9G f; echo end | dd of=f bs=1 seek=9663676000 conv=notrunc status=none`,
      dir,
    );
    const { manifest, path } = await make(`${dir}/a`, [workDir(`${dir}/t`)]);
    assert.equal(manifest[1].size, 9 * 2 ** 30);
    await extractArchive(path, { routes: [{ from: ".", to: `${dir}/ours` }] });
    await sh(`mkdir "$0/gnu"; tar xzf "$0/a" -C "$0/gnu"`, dir);
    for (const to of ["ours", "gnu"]) {
      assert.equal(Deno.statSync(`${dir}/${to}/f`).size, 9 * 2 ** 30);
      assert.equal(await sh(`tail -c 416 "$0" | head -c 3`, `${dir}/${to}/f`), "end");
    }
  }),
);

Deno.test(
  "createArchive() names a socket among the warnings and stays complete",
  withTempDir(async (dir) => {
    await makeRichTree(`${dir}/tree`, { socket: true });
    const { summary } = await make(`${dir}/a.tar.gz`, [workDir(`${dir}/tree`)]);
    assert.deepEqual(
      summary.warnings.map(({ code, path, incomplete }) => [code, path, incomplete]),
      [
        ["SOCKET_SKIPPED", "special/socket", false],
      ],
    );
    await extractArchive(`${dir}/a.tar.gz`, {
      routes: [{ from: ".", to: `${dir}/out` }],
      allow_devices: true,
    });
    await assertSameTree(`${dir}/out`, `${dir}/tree`, (entry) => entry.type === "s");
  }),
);

Deno.test(
  "createArchive() makes the same bytes of the same tree, with one worker or three",
  withTempDir(async (dir) => {
    await makeRichTree(`${dir}/tree`);
    const one = await make(`${dir}/1.tar.gz`, [workDir(`${dir}/tree`)], { workers: 1 });
    const three = await make(`${dir}/3.tar.gz`, [workDir(`${dir}/tree`)], { workers: 3 });
    assert.equal(one.summary.sha256, three.summary.sha256);
  }),
);

Deno.test(
  "createArchive() archives can be read by Python's tarfile and listed by gzip and zstd",
  withTempDir(async (dir) => {
    await makeRichTree(`${dir}/tree`);
    for (const [compression, level] of COMPRESSIONS) {
      const { manifest } = await make(`${dir}/a`, [workDir(`${dir}/tree`)], { compression, level });
      const plain = `${dir}/plain.tar`;
      const unpack = { gzip: "gzip -dc", zstd: "zstd -qdc", none: "cat" }[compression];
      await sh(`${unpack} < "$0" > "$1"`, `${dir}/a`, plain);
      const names = JSON.parse(
        await run(
          "python3",
          "-c",
          `import json, sys, tarfile
print(json.dumps([[m.name, m.size, m.linkname, m.uid] for m in tarfile.open(sys.argv[1])]))`,
          plain,
        ),
      ) as [string, number, string, number][];
      assert.deepEqual(
        names.slice(1, -1),
        manifest.map((entry) => [entry.path, entry.size, entry.link ?? "", entry.uid]),
      );
    }
  }),
);

Deno.test(
  "createArchive() stores several sources, the directories between, and links across them",
  withTempDir(async (dir) => {
    const app = `${dir}/app`;
    await sh(
      `mkdir -p "$0/data/db/x" "$0/data/other" "$0/unused" "$1/vol/_data" "$1/ext"; cd "$0"
       echo one > data/db/x/f; echo not > data/other/f; echo compose > compose.yaml
       chmod 1750 data; chown 5:6 data; touch -d @1000.5 data
       ln data/db/x/f "$1/vol/_data/linked"; echo own > "$1/vol/_data/own"
       ln data/db/x/f "$1/ext/linked"`,
      app,
      dir,
    );
    const sources = [
      pathIn(app, "compose.yaml"),
      pathIn(app, "data/db"),
      pathIn(app, "data/other"),
      volume("v", `${dir}/vol/_data`),
      { ...pathIn(app, "x"), path: `${dir}/ext`, archive_path: "external/ext" },
    ];
    const { manifest, summary } = await make(`${dir}/a.tar.gz`, sources);
    assert.deepEqual(
      manifest.map((entry) => [entry.path, entry.type, entry.link]),
      [
        ["compose.yaml", "file", null],
        ["data", "directory", null],
        ["data/db", "directory", null],
        ["data/db/x", "directory", null],
        ["data/db/x/f", "file", null],
        ["data/other", "directory", null],
        ["data/other/f", "file", null],
        ["volumes/v", "directory", null],
        ["volumes/v/linked", "hardlink", "data/db/x/f"],
        ["volumes/v/own", "file", null],
        ["external/ext", "directory", null],
        ["external/ext/linked", "hardlink", "data/db/x/f"],
      ],
    );
    const data = manifest[1];
    assert.deepEqual([data.mode, data.uid, data.gid, data.mtime_s, data.mtime_ns], [
      ...[0o1750, 5, 6, 1000, 500_000_000],
    ]);
    const counted = await measure({ sources });
    assert.deepEqual(counted, { files: 4, bytes: 4 + 4 + 8 + 4, entries: 11 });
    assert.equal(summary.source_bytes, counted.bytes);

    // A route that leaves the link's target out gets the content all the same.
    const report = await extractArchive(`${dir}/a.tar.gz`, {
      routes: [
        { from: "volumes/v", to: `${dir}/restored` },
        { from: "compose.yaml", to: `${dir}/restored.yaml` },
        { from: "external/ext/linked", to: `${dir}/linked` },
      ],
      signal: SIGNAL,
    });
    await assertSameTree(`${dir}/restored`, `${dir}/vol/_data`, (entry) => entry.path === "linked");
    assert.equal(Deno.readTextFileSync(`${dir}/restored/linked`), "one\n");
    assert.equal(Deno.readTextFileSync(`${dir}/linked`), "one\n");
    assert.equal(Deno.readTextFileSync(`${dir}/restored.yaml`), "compose\n");
    assert.equal(report.entries, 5);
    assert.ok(!report.warnings.length);
  }),
);

Deno.test(
  "createArchive() leaves out what is excluded, what is skipped and what is duckback's own",
  withTempDir(async (dir) => {
    const app = `${dir}/app`;
    await sh(
      `mkdir -p "$0/.duckback" "$0/sub/.duckback" "$0/.duckback-undo-1" "$0/data/.duckback-undo" \
         "$0/backups" "$0/cache" "$0/data/cache" "$0/home/inner"
       cd "$0"; ln -s home link-home
       for d in .duckback sub/.duckback .duckback-undo-1 data/.duckback-undo backups cache data/cache home; do
         echo x > $d/f; done
       echo x > a.log; echo x > data/b.log; echo x > keep.log; echo x > archive.partial; echo x > "é.log"`,
      app,
    );
    const skip_paths = [`${app}/backups/`, `${app}/link-home`, `${app}/archive.partial`];
    const exclude = ["*.log", "!keep.log", "/cache/"];
    const choice = { exclude, skip_paths };
    const { manifest } = await make(`${dir}/a.tar.gz`, [workDir(app)], choice);
    assert.deepEqual(manifest.map((entry) => entry.path), [
      ...[".", "data", "data/cache", "data/cache/f", "keep.log", "link-home"],
      ...["sub", "sub/.duckback", "sub/.duckback/f"],
    ]);
    assert.equal((await measure({ sources: [workDir(app)], ...choice })).entries, manifest.length);
    // Patterns count from the source too, and a whole source can be excluded.
    const again = await make(
      `${dir}/b.tar.gz`,
      [pathIn(app, "data"), volume("v", `${app}/cache`)],
      {
        exclude: ["/b.log", ".duckback-undo", "volumes/v"],
      },
    );
    assert.deepEqual(again.manifest.map((entry) => entry.path), [
      ...["data", "data/cache", "data/cache/f"],
    ]);
  }),
);

Deno.test(
  "createArchive() leaves out caches by choice, but for their tag",
  withTempDir(async (dir) => {
    await sh(
      `mkdir -p "$0/t/cache/deep" "$0/t/no-cache" "$0/t/link" "$0/t/z"; cd "$0/t"
       printf 'Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n' > cache/CACHEDIR.TAG
       echo x > cache/deep/f; echo x > cache/A; echo x > cache/Z
       echo something else > no-cache/CACHEDIR.TAG; echo x > no-cache/f
       ln -s ../cache/CACHEDIR.TAG link/CACHEDIR.TAG; echo x > link/f; echo x > z/f`,
      dir,
    );
    const choice = { exclude_caches: true };
    const { manifest } = await make(`${dir}/a`, [workDir(`${dir}/t`)], choice);
    assert.deepEqual(manifest.map(({ path }) => path), [
      ...[".", "cache", "cache/CACHEDIR.TAG", "link", "link/CACHEDIR.TAG", "link/f"],
      ...["no-cache", "no-cache/CACHEDIR.TAG", "no-cache/f", "z", "z/f"],
    ]);
    const counted = await measure({ sources: [workDir(`${dir}/t`)], ...choice });
    assert.equal(counted.entries, manifest.length);
    assert.equal((await make(`${dir}/a`, [workDir(`${dir}/t`)])).manifest.length, 15);
  }),
);

Deno.test(
  "createArchive() crosses mount points, or not by choice",
  withTempDir(async (dir) => {
    await sh(`mkdir -p "$0/t/m"; mount -t tmpfs none "$0/t/m"; echo x > "$0/t/m/f"`, dir);
    try {
      const crossed = await make(`${dir}/a`, [workDir(`${dir}/t`)]);
      assert.deepEqual(crossed.manifest.map((entry) => entry.path), [".", "m", "m/f"]);
      const stayed = await make(`${dir}/a`, [workDir(`${dir}/t`)], { one_file_system: true });
      assert.deepEqual(stayed.manifest.map((entry) => entry.path), [".", "m"]);
    } finally {
      await sh(`umount "$0/t/m"`, dir);
    }
  }),
);

Deno.test(
  "createArchive() follows a link to a directory at the top of a source, and stores other links",
  withTempDir(async (dir) => {
    await sh(`mkdir "$0/real"; echo x > "$0/real/f"; ln -s real "$0/l"; ln -s real/f "$0/c"`, dir);
    const sources = [pathIn(dir, "l"), pathIn(dir, "c")];
    const { manifest, summary } = await make(`${dir}/a`, sources);
    assert.deepEqual(manifest.map((entry) => [entry.path, entry.type]), [
      ["l", "directory"],
      ["l/f", "file"],
      ["c", "symlink"],
    ]);
    assert.deepEqual(summary.warnings.map(({ code, path }) => [code, path]), [
      ["SYMLINK_FOLLOWED", "l"],
      ["SYMLINK_STORED", "c"],
    ]);
  }),
);

Deno.test(
  "createArchive() of nothing but the working directory's top restores that alone",
  withTempDir(async (dir) => {
    Deno.mkdirSync(`${dir}/empty`);
    for (const [compression, level] of COMPRESSIONS) {
      await make(`${dir}/a`, [workDir(`${dir}/empty`)], { compression, level });
      const report = await verifyArchive(`${dir}/a`);
      assert.equal(report.entries, 1);
      await extractArchive(`${dir}/a`, { routes: [{ from: ".", to: `${dir}/${compression}` }] });
      await assertSameTree(`${dir}/${compression}`, `${dir}/empty`);
    }
  }),
);

Deno.test(
  "createArchive() keeps a file's own entries whole where result.json is large",
  withTempDir(async (dir) => {
    await sh(`mkdir "$0/t"; head -c 3000000 /dev/urandom > "$0/t/f"`, dir);
    const text = "x".repeat(700_000);
    for (const [compression, level] of COMPRESSIONS) {
      await make(`${dir}/a`, [workDir(`${dir}/t`)], {
        compression,
        level,
        first: new TextEncoder().encode(JSON.stringify({ text: text + text })),
        last: () => new TextEncoder().encode(JSON.stringify({ text })),
      });
      await verifyArchive(`${dir}/a`);
      const self = await readSelf(`${dir}/a`);
      assert.deepEqual([self.first, self.last], [{ text: text + text }, { text }]);
    }
  }),
);
