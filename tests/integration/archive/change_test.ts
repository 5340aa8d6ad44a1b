/** Sources that change, vanish or cannot be read, full disks and aborts: the archive stays true. */
import assert from "node:assert/strict";
import type { Warning } from "../../../lib/core/model.ts";
import { extractArchive, measure, verifyArchive } from "../../../lib/archive/mod.ts";
import { close, O_WRONLY, open, PosixError, writeAll } from "../../../lib/posix/mod.ts";
import {
  assertSameTree,
  describeTree,
  makeRichTree,
  run,
  sh,
  withTempDir,
} from "../../fixtures/tree.ts";
import { make, pathIn, workDir } from "./support.ts";

const codes = (warnings: Warning[]) =>
  warnings.map(({ code, path, incomplete }) => [code, path, incomplete]);

/**
 * Makes an uncompressed archive of DIR/t, whose first file is so large that it is still being read
 * when the first block is written: then `change` runs. Returns the warnings; the archive is sound.
 */
async function changedMeanwhile(
  dir: string,
  change: () => void,
  always = false,
): Promise<Warning[]> {
  await sh(`mkdir -p "$0/t"; head -c 40000000 /dev/urandom > "$0/t/a-large"`, dir);
  let changed = false;
  const path = `${dir}/a.tar`;
  const fd = Deno.openSync(path, { write: true, create: true, truncate: true });
  const { summary, manifest } = await make(path, [workDir(`${dir}/t`)], {
    compression: "none",
    workers: 1,
    write(bytes) {
      if (!changed || always) change();
      changed = true;
      for (let done = 0; done < bytes.length;) done += fd.writeSync(bytes.subarray(done));
    },
  });
  fd.close();
  const { sha256 } = summary;
  const report = await verifyArchive(path, { sha256, manifest: [manifest] });
  assert.equal(report.entries, manifest.length);
  assert.equal(report.entries, summary.entry_count);
  assert.equal(report.bytes, summary.source_bytes);
  await sh(`rm -rf "$0/gnu"; mkdir "$0/gnu"; tar -xf "$0/a.tar" -C "$0/gnu"`, dir);
  return summary.warnings;
}

const AGAIN = [["FILE_CHANGED", "a-large", false]];
const UNSTABLE = [["FILE_CHANGED", "a-large", true]];

Deno.test(
  "case 15: createArchive() reads a file that grows, shrinks or is written to once more",
  withTempDir(async (dir) => {
    const file = `${dir}/t/a-large`;
    const changes: [RegExp, () => void][] = [
      [
        /from 40000000 to 40001000 bytes while it was read; it was read again, this time without/,
        () => Deno.writeFileSync(file, new Uint8Array(1000), { append: true }),
      ],
      [
        /from 40000000 to 5000 bytes while it was read; it was read again/,
        () => Deno.truncateSync(file, 5000),
      ],
      [/was written to while it was read; it was read again/, () => {
        using open = Deno.openSync(file, { write: true });
        open.writeSync(new Uint8Array(10));
      }],
      [/vanished while it was read; it was read again/, () => {
        Deno.writeTextFileSync(`${dir}/t/.new`, "replaced");
        Deno.renameSync(`${dir}/t/.new`, file);
      }],
    ];
    for (const [message, change] of changes) {
      const warnings = await changedMeanwhile(dir, change);
      assert.deepEqual(codes(warnings), AGAIN);
      assert.match(warnings[0].message, message);
      // The later entry wins, for GNU tar and for duckback.
      const others = ({ path }: { path: string }) => path !== "a-large";
      await assertSameTree(`${dir}/gnu`, `${dir}/t`, others);
      await run("rm", "-rf", `${dir}/ours`);
      const report = await extractArchive(`${dir}/a.tar`, {
        routes: [{ from: ".", to: `${dir}/ours` }],
      });
      assert.equal(report.entries, 2);
      await assertSameTree(`${dir}/ours`, `${dir}/t`, others);
    }
  }),
);

Deno.test(
  "case 15: createArchive() cuts or fills a file that does not keep still, and calls it incomplete",
  withTempDir(async (dir) => {
    const file = `${dir}/t/a-large`;
    const grown = await changedMeanwhile(dir, () => {
      Deno.writeFileSync(file, new Uint8Array(1000), { append: true });
    }, true);
    assert.deepEqual(codes(grown), UNSTABLE);
    assert.match(grown[0].message, /changed from \d+ to \d+ bytes while it was read, twice/);
    let size = 40_000_000;
    const shrunk = await changedMeanwhile(dir, () => Deno.truncateSync(file, size -= 1000), true);
    assert.deepEqual(codes(shrunk), UNSTABLE);
    assert.ok(Deno.statSync(`${dir}/gnu/a-large`).size > size);
    const written = await changedMeanwhile(dir, () => {
      using open = Deno.openSync(file, { write: true });
      open.writeSync(new Uint8Array(10));
    }, true);
    assert.deepEqual(codes(written), UNSTABLE);
  }),
);

Deno.test(
  "case 15: createArchive() keeps the other names of a file that is replaced while it is read",
  withTempDir(async (dir) => {
    await sh(
      `mkdir "$0/t"; head -c 40000000 /dev/urandom > "$0/t/a-large"; ln "$0/t/a-large" "$0/t/b"`,
      dir,
    );
    const before = await describeTree(`${dir}/t`);
    let changed = false;
    const made = await make(`${dir}/a`, [workDir(`${dir}/t`)], {
      compression: "none",
      write(bytes) {
        Deno.writeFileSync(`${dir}/a`, bytes, { append: true });
        if (changed) return;
        changed = true;
        Deno.writeTextFileSync(`${dir}/new`, "replaced");
        Deno.renameSync(`${dir}/new`, `${dir}/t/a-large`);
      },
    });
    assert.deepEqual(codes(made.summary.warnings), AGAIN);
    await verifyArchive(made.path, { manifest: [made.manifest] });
    await extractArchive(made.path, { routes: [{ from: ".", to: `${dir}/out` }] });
    const out = await describeTree(`${dir}/out`);
    assert.equal(Deno.readTextFileSync(`${dir}/out/a-large`), "replaced");
    assert.equal(out[2].sha256, before[2].sha256);
  }),
);

Deno.test(
  "case 15: createArchive() reads a sparse file that changes once more, map and all",
  withTempDir(async (dir) => {
    await sh(`mkdir "$0/t"; cd "$0/t"; head -c 20000000 /dev/urandom > a; truncate -s 60M a`, dir);
    let changed = false;
    const made = await make(`${dir}/a`, [workDir(`${dir}/t`)], {
      compression: "none",
      write(bytes) {
        Deno.writeFileSync(`${dir}/a`, bytes, { append: true });
        if (changed) return;
        changed = true;
        using open = Deno.openSync(`${dir}/t/a`, { write: true });
        open.seekSync(50_000_000, Deno.SeekMode.Start);
        open.writeSync(new Uint8Array(5000).fill(7));
      },
    });
    assert.deepEqual(codes(made.summary.warnings), [["FILE_CHANGED", "a", false]]);
    await verifyArchive(made.path, { manifest: [made.manifest] });
    await extractArchive(made.path, { routes: [{ from: ".", to: `${dir}/out` }] });
    await assertSameTree(`${dir}/out`, `${dir}/t`);
  }),
);

Deno.test(
  "case 15: createArchive() goes on when names vanish or change their type after they were listed",
  withTempDir(async (dir) => {
    await sh(
      `mkdir -p "$0/t/gone-dir/x" "$0/t/dir-to-file" "$0/t/dir-to-link" "$0/t/z"; cd "$0/t"
       echo x > gone; echo x > file-to-dir; echo x > file-to-link; echo x > file-to-fifo
       echo end > z/end; echo x > dir-to-link/f`,
      dir,
    );
    const t = `${dir}/t`;
    const warnings = await changedMeanwhile(dir, () => {
      for (const name of ["gone", "gone-dir", "file-to-dir", "file-to-link", "file-to-fifo"]) {
        Deno.removeSync(`${t}/${name}`, { recursive: true });
      }
      Deno.removeSync(`${t}/dir-to-file`);
      Deno.removeSync(`${t}/dir-to-link`, { recursive: true });
      Deno.removeSync(`${t}/a-large`);
      Deno.mkdirSync(`${t}/file-to-dir/inner`, { recursive: true });
      Deno.symlinkSync("/etc/passwd", `${t}/file-to-link`);
      Deno.symlinkSync("/etc", `${t}/dir-to-link`);
      Deno.writeTextFileSync(`${t}/dir-to-file`, "now a file");
      new Deno.Command("mkfifo", { args: [`${t}/file-to-fifo`] }).outputSync();
    });
    assert.deepEqual(codes(warnings), [
      ["FILE_VANISHED", "a-large", true],
      ["FILE_VANISHED", "gone", true],
      ["FILE_VANISHED", "gone-dir", true],
    ]);
    const restored = await describeTree(`${dir}/gnu`);
    const names = restored.filter(({ path }) => !path.startsWith(".duckback"));
    assert.deepEqual(names.map(({ path, type, link }) => `${type} ${path} ${link ?? ""}`.trim()), [
      ...["d", "- a-large", "- dir-to-file", "l dir-to-link /etc", "d file-to-dir"],
      ...["d file-to-dir/inner", "p file-to-fifo", "l file-to-link /etc/passwd", "d z", "- z/end"],
    ]);
  }),
);

Deno.test(
  "case 14: createArchive() stores zeros for what a disk cannot read, and names the file",
  withTempDir(async (dir) => {
    // A file system in a file that is cut behind its back: the blocks beyond are EIO.
    await sh(
      `cd "$0"; truncate -s 64M disk; mkfs.ext4 -q -O ^has_journal disk; mkdir t; mount -o loop disk t
       rm -rf t/lost+found; echo good > t/a-good; head -c 40000000 /dev/urandom > t/bad; echo good > t/good
       sync; umount t; truncate -s 20M disk; truncate -s 64M disk; truncate -s 30M disk; mount -o loop disk t 2>/dev/null ||
       { truncate -s 64M disk; mount -o loop disk t; truncate -s 30M disk; }`,
      dir,
    );
    try {
      await sh("echo 3 > /proc/sys/vm/drop_caches");
      const { summary, manifest, path } = await make(`${dir}/a`, [workDir(`${dir}/t`)]);
      const bad = summary.warnings.filter(({ path }) => path === "bad");
      assert.deepEqual(codes(bad), [["UNREADABLE", "bad", true]]);
      assert.match(bad[0].message, /cannot be read beyond byte \d+: input\/output error \(EIO\)/);
      await verifyArchive(path, { manifest: [manifest] });
      assert.equal(manifest.find((entry) => entry.path === "bad")!.size, 40_000_000);
    } finally {
      await sh(`umount "$0/t"`, dir);
    }
  }),
);

Deno.test(
  "createArchive() names what this user may not read and stores the rest",
  withTempDir(async (dir) => {
    await sh(
      `chmod 755 "$0"; mkdir -p "$0/t/shut/x" "$0/t/noexec"; cd "$0/t"; echo x > secret; echo y > public
       echo z > noexec/f; chmod 600 secret; chmod 700 shut; chmod 744 noexec; chmod 755 .`,
      dir,
    );
    const { summary, manifest } = await asUser(
      65534,
      () => make(`${dir}/a`, [workDir(`${dir}/t`)]),
      dir,
    );
    assert.deepEqual(codes(summary.warnings), [
      ["UNREADABLE", "noexec/f", true],
      ["UNREADABLE", "secret", true],
      ["UNREADABLE", "shut", true],
    ]);
    assert.match(summary.warnings[1].message, /permission denied \(EACCES\)/);
    assert.deepEqual(manifest.map(({ path }) => path), [".", "noexec", "public", "shut"]);
    await asUser(65534, async () => {
      await assert.rejects(measure({ sources: [pathIn(dir, "t/shut")] }), {
        code: "SOURCE_UNREADABLE",
      });
      await assert.rejects(measure({ sources: [pathIn(dir, "t/secret")] }), {
        code: "SOURCE_UNREADABLE",
      });
    }, dir);
  }),
);

/** Runs `body` with another effective user id, which may write to `dir`. */
async function asUser<T>(uid: number, body: () => Promise<T>, dir: string): Promise<T> {
  const libc = Deno.dlopen("libc.so.6", { seteuid: { parameters: ["u32"], result: "i32" } });
  Deno.chmodSync(dir, 0o777);
  assert.equal(libc.symbols.seteuid(uid), 0);
  try {
    return await body();
  } finally {
    assert.equal(libc.symbols.seteuid(0), 0);
    libc.close();
  }
}

Deno.test(
  "case 32: extractArchive() as an ordinary user restores content and counts the owners it may not set",
  withTempDir(async (dir) => {
    await sh(
      `mkdir "$0/t"; cd "$0/t"; echo a > mine; echo b > other; cp other suid; chmod 4755 suid
       chown -R 65534:0 .; chown 1:1 other suid; chmod 4755 suid; mknod dev c 1 3`,
      dir,
    );
    await make(`${dir}/a`, [workDir(`${dir}/t`)]);
    Deno.chmodSync(`${dir}/a`, 0o644);
    const report = await asUser(65534, () =>
      extractArchive(`${dir}/a`, {
        routes: [{ from: ".", to: `${dir}/out` }],
        allow_devices: true,
      }), dir);
    const restored = (await describeTree(`${dir}/out`)).map((
      { path, mode, uid },
    ) => [path, mode, uid]);
    assert.deepEqual(restored, [
      ["", "0755", 65534],
      ["mine", "0644", 65534],
      ["other", "0644", 65534],
      ["suid", "0755", 65534],
    ]);
    assert.deepEqual(
      report.warnings.map(({ code, path, incomplete }) => [code, path, incomplete]),
      [
        ["NOT_RESTORED", "dev", true],
        ["NOT_RESTORED", "other", true],
      ].concat(),
    );
    assert.match(
      report.warnings.find(({ path }) => path === "other")!.message,
      /owner of \d entries/,
    );
  }),
);

Deno.test(
  "measure() and createArchive() refuse a source that is not there",
  withTempDir(async (dir) => {
    const missing = {
      code: "SOURCE_MISSING",
      message: `Cannot back up "${dir}/none": no such file or directory (ENOENT)`,
    };
    await assert.rejects(measure({ sources: [pathIn(dir, "none")] }), missing);
    await assert.rejects(make(`${dir}/a`, [pathIn(dir, "none")]), missing);
  }),
);

Deno.test(
  "createArchive() throws what `write` throws: a full disk",
  withTempDir(async (dir) => {
    await sh(
      `mkdir "$0/t" "$0/small"; head -c 20000000 /dev/urandom > "$0/t/f"
      mount -t tmpfs -o size=3m none "$0/small"`,
      dir,
    );
    try {
      await Deno.writeFile(`${dir}/small/a`, new Uint8Array(0));
      const fd = open(`${dir}/small/a`, O_WRONLY);
      await assert.rejects(
        make(`${dir}/unused`, [workDir(`${dir}/t`)], {
          write: (bytes) => writeAll(fd, bytes, `${dir}/small/a`),
        }),
        (error) => error instanceof PosixError && error.code === "ENOSPC",
      );
      close(fd);
      const options = { routes: [{ from: ".", to: `${dir}/small/out` }] };
      await make(`${dir}/a`, [workDir(`${dir}/t`)]);
      await assert.rejects(extractArchive(`${dir}/a`, options), { code: "DISK_FULL" });
      await assert.rejects(
        make(`${dir}/unused`, [workDir(`${dir}/t`)], {
          write: () => Promise.reject(new Error("connection lost")),
        }),
        /connection lost/,
      );
    } finally {
      await sh(`umount "$0/small"`, dir);
    }
  }),
);

Deno.test(
  "createArchive() ends within a second of an abort, even when `write` hangs",
  withTempDir(async (dir) => {
    await sh(`mkdir "$0/t"; head -c 150000000 /dev/urandom > "$0/t/f"`, dir);
    for (const hang of [false, true]) {
      const abort = new AbortController();
      let aborted = 0;
      setTimeout(() => {
        aborted = performance.now();
        abort.abort();
      }, 150);
      await assert.rejects(
        make(`${dir}/a`, [workDir(`${dir}/t`)], {
          level: 9,
          signal: abort.signal,
          write: () => hang ? new Promise(() => {}) : undefined,
        }),
        { code: "INTERRUPTED" },
      );
      assert.ok(aborted > 0 && performance.now() - aborted < 1000);
    }
    const abort = new AbortController();
    abort.abort();
    await assert.rejects(
      make(`${dir}/a`, [workDir(`${dir}/t`)], { signal: abort.signal }),
      { code: "INTERRUPTED" },
    );
  }),
);

Deno.test(
  "createArchive() reads no further ahead than its buffers when `write` is slow",
  withTempDir(async (dir) => {
    await sh(`mkdir "$0/t"; head -c 100000000 /dev/zero > "$0/t/f"`, dir);
    for (const compression of ["gzip", "none"] as const) {
      const abort = new AbortController();
      let most = 0;
      setTimeout(() => abort.abort(), 800);
      await assert.rejects(
        make(`${dir}/a`, [workDir(`${dir}/t`)], {
          compression,
          workers: 2,
          signal: abort.signal,
          write: () => new Promise(() => {}),
          progress: (event) => {
            if (event.type === "progress") most = Math.max(most, event.bytes);
          },
        }),
        { code: "INTERRUPTED" },
      );
      assert.ok(most <= 8 << 20, `${compression}: ${most} bytes were read`);
    }
  }),
);

Deno.test(
  "createArchive() and extractArchive() give the event loop turns",
  withTempDir(async (dir) => {
    await makeRichTree(`${dir}/t`);
    await sh(`cd "$0/t"; for i in $(seq 20); do cp -r many many$i; done`, dir);
    let last = performance.now();
    const gaps: number[] = [];
    const timer = setInterval(() => {
      gaps.push(performance.now() - last);
      last = performance.now();
    }, 1);
    try {
      await make(`${dir}/a`, [workDir(`${dir}/t`)], { compression: "zstd", level: 1 });
      await measure({ sources: [workDir(`${dir}/t`)] });
      await verifyArchive(`${dir}/a`);
      await extractArchive(`${dir}/a`, {
        routes: [{ from: "", to: `${dir}/out` }],
        allow_devices: true,
      });
    } finally {
      clearInterval(timer);
    }
    // 20 ms are the aim; a busy machine may take its own pauses, so look at all but the worst.
    gaps.sort((a, b) => b - a);
    // Ctrl-C must be seen within a second, on a busy machine too.
    assert.ok(gaps[3] < 500, `gaps of ${gaps.slice(0, 5).map(Math.round)} ms`);
    await assertSameTree(`${dir}/out`, `${dir}/t`);
  }),
);
