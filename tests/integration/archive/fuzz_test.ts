/** Case 31: 2,000 archives with damage of every kind: an error or a result, nothing outside, no hang. */
import assert from "node:assert/strict";
import zlib from "node:zlib";
import type { DuckbackError } from "../../../lib/core/errors.ts";
import { compressBlock } from "../../../lib/archive/codec.ts";
import { extractArchive, list, readSelf, verifyArchive } from "../../../lib/archive/mod.ts";
import { useLibraries } from "../../../lib/archive/carried_library.ts";
import { isOurs, readThrough } from "../../../lib/archive/read_through.ts";
import { readdirNames, removeTree } from "../../../lib/posix/mod.ts";
import {
  assertSameEntries,
  describeTree,
  run,
  seededRandom,
  sh,
  withTempDir,
} from "../../fixtures/tree.ts";
import { fixChecksum } from "../../fixtures/raw_tar.ts";
import { Watchdog } from "../../fixtures/watchdog.ts";
import { COMPRESSIONS, make, workDir } from "./support.ts";

/** Archives in all, the first one's seed (each has the next), and what one of them may take at most. */
const ARCHIVES = 2000;
const SEED = Number(Deno.env.get("DUCKBACK_FUZZ_SEED") ?? 20240229);
const MOST_MS = 5000;
/** What the process may need; what Deno and the tests before this one took comes on top. */
const MOST_RSS = 300e6;
/** What each archive ends in: an error that says why, or a result. */
const CLEAR = ["ARCHIVE_CORRUPT", "ARCHIVE_MISSING", "RESTORE_FAILED", "IO", "DISK_FULL"];

/** Small archives of ours and of other tars, uncompressed and compressed. */
async function corpus(dir: string): Promise<Uint8Array[]> {
  await sh(
    `mkdir -p "$0/t/d/e" "$0/t/attr"; cd "$0/t"; echo hello > d/f; ln -s d/f l; ln d/f h; ln -s /etc abs
     mkfifo p; seq 2000 > numbers; mkdir $(printf 'n%.0s' $(seq 120)); echo x > "$(printf 'é')"
     setfattr -n user.a -v b attr; setfacl -m u:1:rwx attr; setfacl -d -m u:1:rwx attr
     truncate -s 300K sparse; echo data | dd of=sparse bs=1 seek=100000 conv=notrunc status=none
     for i in $(seq 9); do echo $i | dd of=sparse bs=1 seek=$((i * 30000)) conv=notrunc status=none; done
     mknod null c 1 3; cd ..
     for f in gnu pax ustar v7 oldgnu; do
       x='--exclude=sparse'; [ $f = gnu -o $f = pax ] && x='-S'; [ $f = v7 ] && x="$x --exclude=p --exclude=null --exclude=nn*"
       tar --format=$f $x --ignore-failed-read -cf $f.tar -C t . 2> /dev/null || :
     done
     tar --format=pax --sparse-version=0.0 -cSf pax00.tar -C t sparse; tar --format=pax --sparse-version=0.1 -cSf pax01.tar -C t sparse
     tar --format=gnu -g snar -cf full.tar -C t d; tar --format=gnu -g snar -cf incremental.tar -C t d
     tar --format=pax --xattrs --acls -cf xattrs.tar -C t attr d
     bsdtar --format pax --xattrs --acls -cf bsd.tar -C t .`,
    dir,
  );
  const found: Uint8Array[] = [];
  for (
    const name of [
      "gnu",
      "pax",
      "ustar",
      "v7",
      "oldgnu",
      "pax00",
      "pax01",
      "incremental",
      "xattrs",
      "bsd",
    ]
  ) {
    const bytes = Deno.readFileSync(`${dir}/${name}.tar`);
    found.push(bytes);
    if (found.length % 2 === 0) found.push(zlib.gzipSync(bytes), zlib.zstdCompressSync(bytes));
  }
  for (const [compression, level] of COMPRESSIONS) {
    const { path } = await make(`${dir}/ours`, [workDir(`${dir}/t`)], { compression, level });
    const bytes = Deno.readFileSync(path);
    // Ours are what is restored most: three times as often.
    found.push(bytes, bytes, bytes);
  }
  return found;
}

/** What damages an archive: bits, bytes, headers made valid again, pieces lost, doubled or swapped. */
function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const at = (length: number) => Math.floor(random() * length);
  let out: Uint8Array = bytes.slice();
  for (let rounds = 1 + at(3); rounds > 0 && out.length > 0; rounds--) {
    const header = at(Math.max(1, out.length >> 9)) << 9;
    switch (at(9)) {
      case 0:
        out[at(out.length)] ^= 1 << at(8);
        break;
      case 1:
        for (let n = at(20); n >= 0; n--) out[at(out.length)] = at(256);
        break;
      case 2: // a field of a header, the checksum made right again
      case 3:
      case 4: {
        if (header + 512 > out.length) break;
        const text = INTERESTING[at(INTERESTING.length)];
        const field = FIELDS[at(FIELDS.length)];
        out.set(new TextEncoder().encode(text).subarray(0, 512 - field), header + field);
        fixChecksum(out, header);
        break;
      }
      case 5:
        out = out.slice(0, at(out.length));
        break;
      case 6: { // a block twice, or lost
        const cut = header + (random() < 0.5 ? 0 : 1024);
        out = joined(out.subarray(0, cut), out.subarray(header));
        break;
      }
      case 7: { // a pax record or a map changed as text
        const digit = out.findIndex((byte, i) => i > header && byte >= 0x30 && byte <= 0x39);
        if (digit >= 0) out[digit] = 0x30 + at(10);
        break;
      }
      default:
        out = joined(out, out.subarray(header, header + 512 * at(8)));
    }
  }
  return out;
}

const FIELDS = [0, 0, 2, 100, 108, 124, 124, 136, 156, 156, 157, 257, 329, 345, 386, 482, 483];
const INTERESTING = [
  ...["../victim", "/etc/passwd", "..", "d/../../victim", "l", "abs/x", "d/f", "h", ".", "\0", "0"],
  ...["1", "2", "3", "5", "6", "x", "g", "L", "K", "S", "V", "7", "77777777777\0", "00000001000\0"],
  ...["\x80\0\0\0\0\0\0\0\x01", "\xff\xff\xff\xff", "00000000000\0", "9", " ", "ustar\x0000"],
];

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

Deno.test(
  "case 31: 2,000 damaged archives are restored or refused, and harm nothing",
  withTempDir(async (dir) => {
    const sources = await corpus(dir);
    await sh(
      `mkdir "$0/place"; mount -t tmpfs none "$0/place"; mkdir "$0/place/outside"; cd "$0/place"; echo victim > victim; echo secret > outside/secret
       ln -s outside link`,
      dir,
    );
    const place = `${dir}/place`; // in memory: each restore ends in a sync
    try {
      const before = (await describeTree(place)).slice(1);
      await using watchdog = new Watchdog(MOST_MS);
      const codes = new Map<string, number>();
      let slowest = 0;
      let rss = 0;
      const began = Deno.memoryUsage().rss;
      for (let i = 0; i < ARCHIVES; i++) {
        const random = seededRandom(SEED + i);
        const name = `archive ${i} (DUCKBACK_FUZZ_SEED=${SEED + i})`;
        const source = sources[Math.floor(random() * sources.length)];
        let bytes = mutate(source, random);
        // Damage before the compression gets past every checksum of a block.
        if (source[0] !== 0x1f && source[0] !== 0x28 && random() < 0.5) {
          bytes = random() < 0.5
            ? compressBlock("gzip", 1, bytes)
            : compressBlock("zstd", 1, bytes);
        }
        Deno.writeFileSync(`${dir}/a`, bytes);
        const start = performance.now();
        useLibraries(i % 4 !== 0); // hosts without it too
        const code = await watchdog.run(
          name,
          (signal) => restored(`${dir}/a`, `${place}/target`, i, signal),
        );
        slowest = Math.max(slowest, performance.now() - start);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        if (i % 50 === 0) rss = Math.max(rss, Deno.memoryUsage().rss);
        assert.ok(CLEAR.includes(code) || code === "restored", `${name}: ${code}`);
        const names = readdirNames(place).filter((name) => name !== "target");
        assert.deepEqual(names, ["link", "outside", "victim"], name);
        assert.equal(Deno.readTextFileSync(`${place}/victim`), "victim\n", name);
        await removeTree(`${place}/target`);
      }
      assertSameEntries((await describeTree(place)).slice(1), before);
      // Both ends must have been seen, or this proved nothing.
      assert.ok((codes.get("restored") ?? 0) > ARCHIVES / 20, JSON.stringify([...codes]));
      assert.ok((codes.get("ARCHIVE_CORRUPT") ?? 0) > ARCHIVES / 4, JSON.stringify([...codes]));
      assert.ok(slowest < MOST_MS, `one took ${Math.round(slowest)} ms`);
      assert.ok(rss - began < MOST_RSS, `${Math.round((rss - began) / 1e6)} MB`);
    } finally {
      useLibraries(true);
      await sh(`umount "$0/place"`, dir);
    }
  }),
);

/** Restores, and looks at the archive in the other ways too; gives the code of what it ended in. */
async function restored(
  path: string,
  to: string,
  i: number,
  signal: AbortSignal,
): Promise<string> {
  const options = { workers: 0, max_bytes: 50e6, signal };
  const verified = await codeOf(verifyArchive(path, options));
  await codeOf(i % 2 === 0 ? readSelf(path) : listed(path, signal));
  await codeOf(isOurs(path, options));
  const refused = await readThrough(path, options).then(() => null, (error) => error as Error);
  const code = await codeOf(
    extractArchive(path, { ...options, routes: [{ from: ".", to }], allow_devices: i % 3 === 0 }),
  );
  // What is proven sound can be restored; that it was altered all the same its SHA-256 would tell.
  if (verified === "restored") {
    assert.ok(["restored", "RESTORE_FAILED", "IO", "ARCHIVE_CORRUPT"].includes(code));
  }
  // What is restored was readable, or duckback's with its beginning altered.
  if (code === "restored" && refused !== null) {
    assert.match(refused.message, /its beginning is missing/);
  }
  return code;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "restored";
  } catch (error) {
    const { code, message } = error as DuckbackError;
    if (code === "ARCHIVE_CORRUPT") assert.match(message, /^Cannot read "/);
    return code ?? (error as Error).stack!;
  }
}

async function listed(path: string, signal: AbortSignal) {
  for await (const _ of list(path, { workers: 0, signal })) { /* to the end */ }
}

Deno.test(
  "the undamaged archives of the fuzz run are all restored",
  withTempDir(async (dir) => {
    const sources = await corpus(dir);
    for (const [i, bytes] of sources.entries()) {
      Deno.writeFileSync(`${dir}/a`, bytes);
      const to = `${dir}/out${i}`;
      await extractArchive(`${dir}/a`, {
        routes: [{ from: ".", to }],
        allow_devices: true,
        workers: 0,
      });
      if (readdirNames(to).includes("sparse")) {
        // GNU's formats before 1.0 too.
        const compared = await run("cmp", `${dir}/t/sparse`, `${to}/sparse`);
        assert.equal(compared, "");
      }
    }
  }),
);
