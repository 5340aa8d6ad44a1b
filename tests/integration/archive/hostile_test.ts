/** Archives made to do harm: nothing outside the target, a clear error, an end. */
import assert from "node:assert/strict";
import type { DuckbackError } from "../../../lib/core/errors.ts";
import { extractArchive, readSelf, verifyArchive } from "../../../lib/archive/mod.ts";
import { compressBlock } from "../../../lib/archive/codec.ts";
import { readThrough } from "../../../lib/archive/read_through.ts";
import { useOpenat2 } from "../../../lib/posix/beneath.ts";
import { readdirNames, removeTree } from "../../../lib/posix/mod.ts";
import {
  assertSameEntries,
  type Described,
  describeTree,
  seededRandom,
  sh,
  withTempDir,
} from "../../fixtures/tree.ts";
import { Watchdog } from "../../fixtures/watchdog.ts";
import { concat, fixChecksum, rawArchive, type RawEntry, rawTar } from "../../fixtures/raw_tar.ts";

/** What one archive may take. */
const MOST_MS = 20_000;

/** A place with a target to be and things around it that must stay as they are. */
async function surroundings(dir: string): Promise<string> {
  await sh(
    `mkdir -p "$0/place/outside/dir"; cd "$0/place"; echo secret > outside/secret
     echo victim > victim; ln -s outside link-out; chmod 600 victim outside/secret`,
    dir,
  );
  return `${dir}/place`;
}

/** Restores hand-made entries into PLACE/target; returns the error, if any. */
async function restore(
  dir: string,
  place: string,
  bytes: Uint8Array,
  devices = false,
  signal?: AbortSignal,
) {
  Deno.writeFileSync(`${dir}/a.tar`, bytes);
  await removeTree(`${place}/target`);
  let error: DuckbackError | null = null;
  try {
    await extractArchive(`${dir}/a.tar`, {
      routes: [{ from: ".", to: `${place}/target` }],
      allow_devices: devices,
      workers: 0,
      signal,
    });
  } catch (thrown) {
    error = thrown as DuckbackError;
  }
  // A quick look each time; the tests compare everything once, at their end.
  assert.equal(Deno.readTextFileSync(`${place}/victim`), "victim\n");
  assert.equal(Deno.readTextFileSync(`${place}/outside/secret`), "secret\n");
  const names = [...readdirNames(place).filter((name) => name !== "target")];
  assert.deepEqual(names, ["link-out", "outside", "victim"]);
  assert.deepEqual(readdirNames(`${place}/outside`), ["dir", "secret"]);
  return error;
}

/** All that lies around the target. */
async function around(place: string): Promise<Described[]> {
  const all = await describeTree(place);
  // Making the target changes the time of the place itself; nothing else may.
  return all.filter(({ path }) => path !== "" && path !== "target" && !path.startsWith("target/"));
}

const HOSTILE: Record<string, { entries: RawEntry[]; code?: string; message: RegExp }> = {
  "a path with ..": {
    entries: [{ name: "../victim", content: "x" }],
    message: /a path has a part "\.\."/,
  },
  "a path with .. in the middle": {
    entries: [{ name: "a/../../victim", content: "x" }],
    message: /a path has a part "\.\."/,
  },
  "a pax path with ..": {
    entries: [{ name: "fine", content: "x", pax: { path: "a/../../victim" } }],
    message: /a path has a part "\.\."/,
  },
  "an absolute path": {
    entries: [{ name: "/tmp/duckback-absolute", content: "x" }],
    message: /a path is absolute/,
  },
  "an empty part": { entries: [{ name: "a//b", content: "x" }], message: /empty part/ },
  "an empty name": { entries: [{ name: "", content: "x" }], message: /empty part/ },
  "a NUL in a pax path": {
    entries: [{ name: "f", content: "x", pax: { path: "victim\0.txt" } }],
    message: /NUL/,
  },
  "writing through a symlink to a directory": {
    entries: [{ name: "d", type: "2", link: "../outside" }, { name: "d/secret", content: "x" }],
    message: /a file or symlink stands where a directory must be \(entry "d\/secret", offset/,
  },
  "writing through an absolute symlink": {
    entries: [{ name: "d", type: "2", link: "/tmp" }, { name: "d/duckback-abs", content: "x" }],
    message: /a file or symlink stands/,
  },
  "writing through two symlinks": {
    entries: [
      { name: "a", type: "2", link: "b" },
      { name: "b", type: "2", link: ".." },
      { name: "a/victim", content: "x" },
    ],
    message: /a file or symlink stands/,
  },
  "a directory entry over a symlink is a directory, not what it led to": {
    entries: [
      { name: "d", type: "2", link: "../outside" },
      { name: "d", type: "5", mode: 0o777 },
      { name: "d/secret", content: "x" },
    ],
    code: "",
    message: /^$/,
  },
  "a directory replaced by a symlink half-way": {
    entries: [
      { name: "d", type: "5" },
      { name: "d/first", content: "x" },
      { name: "d", type: "2", link: "../outside" },
      { name: "d/secret", content: "x" },
    ],
    message: /a symlink replaces a directory that is not empty \(entry "d"/,
  },
  "an empty directory replaced by a symlink": {
    entries: [
      { name: "d", type: "5" },
      { name: "d", type: "2", link: "../outside" },
      { name: "d/secret", content: "x" },
    ],
    message: /a file or symlink stands/,
  },
  "a file over a symlink replaces it": {
    entries: [{ name: "f", type: "2", link: "../victim" }, { name: "f", content: "x" }],
    code: "",
    message: /^$/,
  },
  "a hard link to the outside": {
    entries: [{ name: "h", type: "1", link: "../victim" }],
    message: /a path has a part "\.\."/,
  },
  "a hard link to an absolute path": {
    entries: [{ name: "h", type: "1", link: "/etc/passwd" }],
    message: /a path is absolute/,
  },
  "a hard link through a symlink": {
    entries: [
      { name: "d", type: "2", link: ".." },
      { name: "h", type: "1", link: "d/victim" },
      { name: "h", content: "x" },
    ],
    message: /a file or symlink stands/,
  },
  "a hard link to a symlink that leads out, written to": {
    entries: [
      { name: "l", type: "2", link: "../victim" },
      { name: "h", type: "1", link: "l" },
      { name: "h", content: "x" },
    ],
    code: "",
    message: /^$/,
  },
  "a hard link to nothing": {
    entries: [{ name: "h", type: "1", link: "none" }],
    message: /hard link to "none", which is not there/,
  },
  "a hard link to itself": {
    entries: [{ name: "h", content: "x" }, { name: "h", type: "1", link: "h" }],
    message: /points to itself/,
  },
  "a hard link to a directory": {
    entries: [{ name: "d", type: "5" }, { name: "h", type: "1", link: "d" }],
    message: /hard link points to it/,
  },
  "a file in place of a directory": {
    entries: [{ name: "f", content: "x" }, { name: "f/g", content: "x" }],
    message: /a file or symlink stands/,
  },
  "a wrong checksum": {
    entries: [{ name: "f", content: "x", badChecksum: true }],
    message: /checksum is wrong \(offset 0 \+ 1024 in its block\)/,
  },
  "a size that is no number": {
    entries: [{ name: "f", tamper: (h) => h.set([0x39, 0x39], 124) }],
    message: /size is not a number/,
  },
  "a size beyond all measure": {
    entries: [{ name: "f", tamper: (h) => h.fill(0xff, 125, 136).fill(0x80, 124, 125) }],
    message: /size is absurd/,
  },
  "a negative size": {
    entries: [{ name: "f", tamper: (h) => h.fill(0xff, 124, 136) }],
    message: /size is absurd/,
  },
  "a size larger than the archive": {
    entries: [{ name: "f", size: 8 ** 11 - 1, content: "x" }],
    message: /cut short: its end is missing \(entry "f", offset/,
  },
  "a size smaller than the content": {
    entries: [{ name: "f", size: 1, content: "x".repeat(2000) }],
    message: /checksum/,
  },
  "a pax size that lies": {
    entries: [{ name: "f", content: "x", pax: { size: "99999999999999999999" } }],
    message: /pax record size is not a number/,
  },
  "a pax header that is too long": {
    entries: [{ name: "x", type: "x", size: 2 ** 30 }],
    message: /an extended header claims to hold 1073741824 bytes/,
  },
  "a pax record with a wrong length": {
    entries: [{ name: "x", type: "x", content: "99 path=a\n" }, { name: "f" }],
    message: /a pax record has a wrong length/,
  },
  "a pax record without an end": {
    entries: [{ name: "x", type: "x", content: "9 path=ab" }, { name: "f" }],
    message: /does not end in a newline/,
  },
  "a pax record without a value": {
    entries: [{ name: "x", type: "x", content: "9 pathab\n" }, { name: "f" }],
    message: /has no value/,
  },
  "a pax time that is none": {
    entries: [{ name: "f", pax: { mtime: "yesterday" } }],
    message: /mtime is not a time/,
  },
  "a uid that means no change": {
    entries: [{ name: "f", pax: { uid: "4294967295" } }],
    message: /the uid is absurd/,
  },
  "a directory with content": {
    entries: [{ name: "d", type: "5", content: "x" }],
    message: /a directory claims to have content/,
  },
  "a file with a directory's listing keeps its content": {
    entries: [{ name: "f", content: "x", pax: { "GNU.dumpdir": "Nf\0" } }],
    code: "",
    message: /^$/,
  },
  "a listing that is larger than the archive": {
    entries: [{ name: "d", type: "D", size: 8 ** 11 - 1, content: "Na\0" }],
    message: /cut short: its end is missing \(entry "d"/,
  },
  "a later part of a file on several volumes": {
    entries: [{ name: "f", type: "M", content: "x" }],
    message: /later part, from an archive in several volumes/,
  },
  "a table of long names": {
    entries: [{ name: "f", type: "N", content: "x" }],
    message: /a table of long names as GNU tar wrote it before 1993/,
  },
  "an unknown type": { entries: [{ name: "f", type: "Z" }], message: /type "Z"/ },
  "a symlink to nothing": { entries: [{ name: "l", type: "2" }], message: /link is empty/ },
  "a name that is too long": {
    entries: [{ name: "f", content: "x", pax: { path: "n".repeat(256) } }],
    code: "IO",
    message: /file name too long/,
  },
  "entries below .duckback": {
    entries: [{ name: ".duckback/../../victim", content: "x" }],
    message: /a path has a part "\.\."/,
  },
};

for (const way of ["openat2", "component by component"]) {
  Deno.test(
    `case 31: extractArchive() survives every hostile archive, ${way}`,
    withTempDir(async (dir) => {
      const place = await surroundings(dir);
      const before = await around(place);
      await using watchdog = new Watchdog(MOST_MS);
      useOpenat2(way === "openat2" ? undefined : false);
      try {
        for (const [name, { entries, code, message }] of Object.entries(HOSTILE)) {
          const error = await watchdog.run(
            name,
            (signal) => restore(dir, place, rawArchive(entries), false, signal),
          );
          assert.equal(error?.code ?? "", code ?? "ARCHIVE_CORRUPT", `${name}: ${error?.message}`);
          assert.match(error?.message ?? "", message, name);
        }
      } finally {
        useOpenat2(undefined);
      }
      assertSameEntries(await around(place), before);
      assert.equal(await sh("ls /tmp/duckback-a* 2>/dev/null | wc -l"), "0\n");
    }),
  );
}

Deno.test(
  "extractArchive() lets a later entry of the same path win",
  withTempDir(async (dir) => {
    const place = await surroundings(dir);
    const error = await restore(
      dir,
      place,
      rawArchive([
        { name: "f", content: "first" },
        { name: "h", type: "1", link: "f" },
        { name: "f", content: "second", mode: 0o600 },
        { name: "l", content: "file first" },
        { name: "l", type: "2", link: "f" },
        { name: "d", type: "5", mode: 0o700 },
        { name: "d", type: "5", mode: 0o711 },
        { name: "e", type: "5" },
        { name: "e", content: "file now" },
        { name: "g", type: "5", mode: 0o700 },
        { name: "g", content: "for a while" },
        { name: "g", type: "5", mode: 0o750 },
        { name: "g/h", type: "5", mode: 0o501 },
      ]),
    );
    assert.equal(error, null);
    const tree = await describeTree(`${place}/target`);
    assert.deepEqual(tree.map(({ path, type, mode, size }) => [path, type, mode, size]), [
      ["", "d", "0755", 0],
      ["d", "d", "0711", 0],
      ["e", "-", "0644", 8],
      ["f", "-", "0600", 6],
      ["g", "d", "0750", 0],
      ["g/h", "d", "0501", 0],
      ["h", "-", "0644", 5],
      ["l", "l", "0777", 0],
    ]);
  }),
);

Deno.test(
  "extractArchive() makes device nodes only where that is allowed",
  withTempDir(async (dir) => {
    const place = await surroundings(dir);
    const bytes = rawArchive([
      { name: "null", type: "3", device: [1, 3] },
      { name: "null2", type: "1", link: "null" },
    ]);
    Deno.writeFileSync(`${dir}/b.tar`, bytes);
    const routes = [{ from: ".", to: `${place}/target` }];
    const { warnings } = await extractArchive(`${dir}/b.tar`, { routes });
    assert.deepEqual(warnings.map(({ code, path, incomplete }) => [code, path, incomplete]), [
      ["NOT_RESTORED", "null", true],
    ]);
    assert.match(warnings[0].message, /the device node 2 entries/);
    assert.deepEqual(readdirNames(place).includes("target"), false);
    assert.equal(await restore(dir, place, bytes, true), null);
    const nodes = (await describeTree(`${place}/target`)).slice(1);
    assert.deepEqual(nodes.map(({ type, rdev }) => [type, rdev]), [["c", "1:3"], ["c", "1:3"]]);
  }),
);

Deno.test(
  "case 31: extractArchive() does not write through a symlink that was in the target before",
  withTempDir(async (dir) => {
    const place = await surroundings(dir);
    await sh(
      `mkdir -p "$0/existing/full"; ln -s ../outside "$0/existing/d"; echo > "$0/existing/full/f"`,
      place,
    );
    const tries: [RawEntry[], RegExp][] = [
      [[{ name: "d/secret", content: "x" }], /a file or symlink stands where a directory must be/],
      [[{ name: "full", content: "x" }], /a directory that is not empty is in its place/],
    ];
    for (const [entries, message] of tries) {
      Deno.writeFileSync(`${dir}/a.tar`, rawArchive(entries));
      const options = { routes: [{ from: "", to: `${place}/existing` }] };
      await assert.rejects(extractArchive(`${dir}/a.tar`, options), {
        code: "RESTORE_FAILED",
        message,
      });
    }
    assert.equal(Deno.readTextFileSync(`${place}/outside/secret`), "secret\n");
  }),
);

Deno.test(
  "case 31: verifyArchive() and extractArchive() end bombs at their declared size",
  withTempDir(async (dir) => {
    const zeros = new Uint8Array(15 << 20);
    const tries: Record<string, Uint8Array> = {
      // A member that says it holds 1 MiB and inflates to 15.
      "gzip lies low": patch(compressBlock("gzip", 9, zeros), 20, 1 << 20),
      "gzip lies high": patch(compressBlock("gzip", 9, zeros.subarray(0, 1000)), 20, 1 << 20),
      "gzip claims more than a block may hold": patch(
        compressBlock("gzip", 9, zeros),
        20,
        0xffffffff,
      ),
      "gzip claims to be longer than the file": patch(compressBlock("gzip", 9, zeros), 16, 1 << 24),
      "zstd lies low": patch(compressBlock("zstd", 3, zeros), 5, 1 << 20),
    };
    await using watchdog = new Watchdog(MOST_MS);
    for (const [name, bytes] of Object.entries(tries)) {
      Deno.writeFileSync(`${dir}/bomb`, bytes);
      const before = Deno.memoryUsage().rss;
      await watchdog.run(name, async (signal) => {
        await assert.rejects(verifyArchive(`${dir}/bomb`, { workers: 0, signal }), {
          code: "ARCHIVE_CORRUPT",
        }, name);
        await assert.rejects(readSelf(`${dir}/bomb`), { code: "ARCHIVE_CORRUPT" }, name);
        const options = { routes: [{ from: ".", to: `${dir}/out` }], workers: 0, signal };
        await assert.rejects(
          extractArchive(`${dir}/bomb`, options),
          { code: "ARCHIVE_CORRUPT" },
          name,
        );
      });
      assert.ok(Deno.memoryUsage().rss - before < 200 << 20, name);
    }
    // Half a gigabyte of zeros as one foreign gzip stream and zstd frame: streamed, never held.
    const header = rawTar([{ name: "f", size: 2 ** 29 }], 0); // the zeros behind it end the archive
    for (const stream of ["gzip -1", "zstd -q"]) {
      Deno.writeFileSync(`${dir}/header`, header);
      await sh(`{ cat "$0/header"; head -c 536871936 /dev/zero; } | ${stream} > "$0/bomb"`, dir);
      const before = Deno.memoryUsage().rss;
      await watchdog.run(stream, async (signal) => {
        await assert.rejects(verifyArchive(`${dir}/bomb`, { signal }), {
          code: "ARCHIVE_CORRUPT",
          message: /does not begin with/,
        });
        const { bytes } = await readThrough(`${dir}/bomb`, { signal });
        assert.equal(bytes, 2 ** 29);
      });
      assert.ok(Deno.memoryUsage().rss - before < 200 << 20);
    }
  }),
);

Deno.test(
  "case 31: extractArchive() stops at what the record says, and before the disk is full",
  withTempDir(async (dir) => {
    const entries = [{ name: "a", content: "x".repeat(3000) }, {
      name: "b",
      content: "y".repeat(3000),
    }];
    Deno.writeFileSync(`${dir}/a.tar`, rawArchive(entries));
    const routes = [{ from: ".", to: `${dir}/out` }];
    await assert.rejects(extractArchive(`${dir}/a.tar`, { routes, max_bytes: 5999 }), {
      code: "ARCHIVE_CORRUPT",
      message: /it holds more than the 5999 bytes of its record \(entry "b", offset/,
    });
    await extractArchive(`${dir}/a.tar`, { routes, max_bytes: 6000 });
    // Of two entries of one path the later counts; a route that takes nothing changes nothing.
    Deno.writeFileSync(`${dir}/a.tar`, rawArchive([entries[0], entries[0], entries[1]]));
    const report = await extractArchive(`${dir}/a.tar`, { routes, max_bytes: 6000 });
    assert.deepEqual([report.entries, report.files, report.bytes], [2, 2, 6000]);
    await assert.rejects(
      extractArchive(`${dir}/a.tar`, {
        routes: [{ from: "no", to: `${dir}/no` }],
        max_bytes: 5999,
      }),
      { code: "ARCHIVE_CORRUPT" },
    );
    // 200 MB in a few bytes, for a disk of 100 MB: refused by its header, before a byte is written.
    await sh(
      `cd "$0"; mkdir small t; mount -t tmpfs -o size=100m none small; echo keep > small/keep
       head -c 200000000 /dev/zero > t/zeros; tar -cf - -C t . | zstd -q > bomb.tar.zst`,
      dir,
    );
    try {
      const bomb = { routes: [{ from: ".", to: `${dir}/small/out` }] };
      await assert.rejects(extractArchive(`${dir}/bomb.tar.zst`, bomb), {
        code: "DISK_FULL",
        message: /small\/out\/zeros": it takes 190\.7 MiB, \d.* are free/,
      });
      assert.equal(await sh(`find "$0/small" -type f`, dir), `${dir}/small/keep\n`);
    } finally {
      await sh(`umount "$0/small"`, dir);
    }
  }),
);

function patch(bytes: Uint8Array, at: number, value: number): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value, true);
  return bytes;
}

Deno.test(
  "case 31: extractArchive() of archives with random changes writes nothing outside the target",
  withTempDir(async (dir) => {
    const place = await surroundings(dir);
    await using watchdog = new Watchdog(MOST_MS);
    const names = [
      "a",
      "b",
      "a/b",
      "a/b/c",
      "l",
      "l/x",
      "../victim",
      "/etc/x",
      "b/../../victim",
      ".",
    ];
    const types = ["0", "0", "5", "5", "1", "2", "2", "6", "x", "g", "L", "K"];
    const links = ["a", "b", "..", "../victim", "/tmp", "l", ".", "../outside"];
    let fine = 0;
    const before = await around(place);
    for (let i = 0; i < 400; i++) {
      const random = seededRandom(i);
      const pick = <T>(list: T[]): T => list[Math.floor(random() * list.length)];
      const name = `archive of seed ${i}`;
      const entries = Array.from({ length: 2 + Math.floor(random() * 6) }, (): RawEntry => {
        const type = pick(types);
        const size = type === "0" ? Math.floor(random() * 3) * 300 : 0;
        const pax = random() < 0.2
          ? { [pick(["path", "linkpath", "size", "mtime"])]: pick(names) }
          : undefined;
        const content = "xgLK".includes(type)
          ? pick(["12 path=a/b\n", "b\0", "17 path=../victim\n", ""])
          : "y".repeat(size);
        return { name: pick(names), type, content, link: pick(links), pax };
      });
      let bytes = rawArchive(entries);
      for (let flips = Math.floor(random() * 3); flips > 0; flips--) {
        const header = Math.floor(random() * (bytes.length / 512)) * 512;
        bytes[header + Math.floor(random() * 345)] = Math.floor(random() * 256);
        if (random() < 0.8) fixChecksum(bytes, header);
      }
      if (random() < 0.1) bytes = bytes.subarray(0, Math.floor(random() * bytes.length));
      if (random() < 0.3) bytes = concat([compressBlock("gzip", 1, bytes)]);
      const made = bytes;
      const error = await watchdog.run(
        name,
        (signal) => restore(dir, place, made, false, signal),
      );
      if (error === null) fine++;
      else {
        const { code, message } = error;
        const clear = ["ARCHIVE_CORRUPT", "RESTORE_FAILED", "IO"].includes(code);
        assert.ok(clear, `${name}: ${code} ${message}`);
      }
    }
    assertSameEntries(await around(place), before);
    assert.ok(fine > 5, `${fine} were harmless`);
  }),
);

Deno.test(
  "extractArchive() takes what tar, gzip and zstd made",
  withTempDir(async (dir) => {
    await sh(
      `mkdir -p "$0/t/d"; cd "$0/t"; echo x > d/f; ln -s f d/l; ln d/f d/h; mkfifo p
       head -c 3000000 /dev/urandom > big; n=$(printf 'n%.0s' $(seq 150)); mkdir $n; echo y > $n/$n
       for format in gnu pax ustar v7 oldgnu; do
         x=; [ $format = v7 ] && x='--exclude=p --exclude=nnn*'; [ $format = ustar ] && x='--exclude=nnn*'
         tar --format=$format $x -cf ../$format.tar .; done; cd ..
       for f in gnu pax; do gzip -k $f.tar; zstd -qk $f.tar; done
       head -c 1000000 gnu.tar | gzip > multi.tar.gz; tail -c +1000001 gnu.tar | gzip >> multi.tar.gz
       head -c 1000000 gnu.tar | zstd -q > multi.tar.zst; tail -c +1000001 gnu.tar | zstd -q >> multi.tar.zst`,
      dir,
    );
    const original = await describeTree(`${dir}/t`);
    const full = ["gnu.tar", "pax.tar", "oldgnu.tar", "gnu.tar.gz", "gnu.tar.zst", "pax.tar.gz"];
    for (
      const name of [...full, "pax.tar.zst", "multi.tar.gz", "multi.tar.zst", "ustar.tar", "v7.tar"]
    ) {
      const to = `${dir}/out-${name}`;
      await extractArchive(`${dir}/${name}`, { routes: [{ from: ".", to }] });
      const left = (path: string) =>
        (name === "v7.tar" && path === "p") ||
        (["v7.tar", "ustar.tar"].includes(name) && path.startsWith("nnn"));
      const cut = (list: Described[]) =>
        list.filter((entry) => !left(entry.path)).map((entry) => ({
          ...entry,
          // All but pax hold whole seconds only.
          mtime_ns: entry.mtime_ns.slice(0, -9),
        }));
      assertSameEntries(cut(await describeTree(to)), cut(original));
    }
    for (const name of ["gnu.tar.gz", "gnu.tar.zst"]) {
      const bytes = Deno.readFileSync(`${dir}/${name}`);
      Deno.writeFileSync(`${dir}/cut`, bytes.subarray(0, bytes.length - 1000));
      const options = { routes: [{ from: ".", to: `${dir}/cut-out-${name}` }] };
      await assert.rejects(extractArchive(`${dir}/cut`, options), { code: "ARCHIVE_CORRUPT" });
    }
  }),
);
