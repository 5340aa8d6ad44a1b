/** Blocks: what is compressed comes back, and nothing else is taken for it. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import zlib from "node:zlib";
import fc from "fast-check";
import {
  BlockError,
  type Codec,
  compressBlock,
  compressBlockAside,
  decompressBlock,
  GZIP_HEADER,
  gzipSizes,
  mostCompressed,
} from "../../../lib/archive/codec.ts";
import { useLibraries } from "../../../lib/archive/carried_library.ts";
import { libdeflate } from "../../../lib/archive/libdeflate.ts";
import { hasLibzstd } from "../../../lib/archive/libzstd.ts";
import { CodecPool } from "../../../lib/archive/codec_pool.ts";
import { lastFrame, readSeekTable, writeSeekTable } from "../../../lib/archive/seek_table.ts";
import { frameLength, LONGEST_HEADER, readFrameHeader } from "../../../lib/archive/zstd_frame.ts";

const content = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.tuple(fc.nat(255), fc.nat(400_000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
);

/** Runs a test of blocks with the libraries and, as where they are missing, without. */
function eachWay(name: string, test: () => void | Promise<void>): void {
  Deno.test(`${name}, by libraries`, async () => {
    assert.ok(libdeflate() !== null, "libdeflate.so.0 is installed: apt-get install libdeflate0");
    assert.ok(hasLibzstd(), "libzstd.so.1 is installed: apt-get install libzstd1");
    await test();
  });
  Deno.test(`${name}, by node:zlib`, async () => {
    useLibraries(false);
    try {
      await test();
    } finally {
      useLibraries(true);
    }
  });
}

for (const codec of ["gzip", "zstd"] as Codec[]) {
  eachWay(`decompressBlock() gives back what compressBlock() took, ${codec}`, () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 1, max: 9 }), (input, level) => {
        const block = compressBlock(codec, level, input);
        assert.ok(Buffer.compare(decompressBlock(codec, block, input.length), input) === 0);
      }),
      { numRuns: 60, seed: 3 },
    );
  });

  eachWay(
    `decompressBlock() refuses a ${codec} block with any bit flipped, cut or lengthened`,
    () => {
      const input = new TextEncoder().encode("some text that is compressed, ".repeat(30));
      const block = compressBlock(codec, 6, input);
      // Bytes of a header that say nothing of the content: time, flags, system; zstd's unused bit.
      const idle = (byte: number, bit: number) =>
        codec === "gzip" ? byte < GZIP_HEADER : byte === 4 && bit === 4;
      let harmless = 0;
      for (let byte = 0; byte < block.length; byte++) {
        for (let bit = 0; bit < 8; bit++) {
          if (idle(byte, bit)) continue;
          const damaged = block.slice();
          damaged[byte] ^= 1 << bit;
          let output: Uint8Array;
          try {
            output = decompressBlock(codec, damaged, input.length);
          } catch (error) {
            assert.ok(error instanceof BlockError);
            continue;
          }
          // The last byte of deflated data has bits that nobody reads, and a code may have no use.
          assert.equal(Buffer.compare(output, input), 0);
          harmless++;
        }
      }
      assert.ok(harmless < 12, `${harmless} bits could be anything`);
      for (let length = 0; length < block.length; length++) {
        const cut = block.slice(0, length);
        assert.throws(() => decompressBlock(codec, cut, input.length), BlockError, `cut ${length}`);
      }
      for (const size of [0, 1, input.length - 1, input.length + 1, 1 << 20]) {
        assert.throws(() => decompressBlock(codec, block, size), BlockError, `size ${size}`);
      }
    },
  );
}

eachWay("compressBlock() makes gzip members that any gunzip reads, one behind the other", () => {
  const parts = ["first ", "", "second"].map((text) => new TextEncoder().encode(text));
  const members = parts.map((part) => compressBlock("gzip", 9, part));
  assert.equal(zlib.gunzipSync(Buffer.concat(members)).toString(), "first second");
  for (const [i, member] of members.entries()) {
    assert.deepEqual(gzipSizes(member), { member: member.length, content: parts[i].length });
  }
  assert.equal(gzipSizes(zlib.gzipSync("no extra field")), null);
});

eachWay("compressBlock() with gzip level 0 stores", () => {
  const input = new Uint8Array(100_000);
  assert.ok(compressBlock("gzip", 0, input).length > 100_000);
});

Deno.test("gzip blocks of libdeflate and of node:zlib can each be read by the other, at every level", () => {
  const text = new TextEncoder().encode(
    Array.from({ length: 20_000 }, (_, i) => `line ${i * 7919 % 1000} of a log\n`).join(""),
  );
  const inputs = [text, randomBytes(100_000), new Uint8Array(1 << 20), new Uint8Array(1)];
  try {
    for (const input of inputs) {
      for (let level = 0; level <= 9; level++) {
        for (const library of [true, false]) {
          useLibraries(library);
          const block = compressBlock("gzip", level, input);
          useLibraries(!library);
          const back = decompressBlock("gzip", block, input.length);
          assert.equal(Buffer.compare(back, input), 0, `level ${level}`);
        }
      }
    }
  } finally {
    useLibraries(true);
  }
});

eachWay("compressBlock() takes no more than 2 % more room than gzip -6 or zstd -3", () => {
  const root = new URL("../../../lib/", import.meta.url);
  const modules = [...Deno.readDirSync(root)].flatMap(({ name }) =>
    [...Deno.readDirSync(new URL(`${name}/`, root))].filter((entry) => entry.isFile)
      .map((entry) => Deno.readFileSync(new URL(`${name}/${entry.name}`, root)))
  );
  const input = Buffer.concat(modules);
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: 3 };
  const limits = {
    gzip: zlib.gzipSync(input, { level: 6 }).length * 1.02,
    zstd: zlib.zstdCompressSync(input, { chunkSize: input.length, params }).length * 1.02,
  };
  const gzip = compressBlock("gzip", 6, input).length;
  assert.ok(gzip <= limits.gzip, `${gzip} bytes, not ${limits.gzip}`);
  const zstd = compressBlock("zstd", 3, input).length;
  assert.ok(zstd <= limits.zstd, `${zstd} bytes, not ${limits.zstd}`);
});

eachWay("decompressBlock() takes no more memory for a bomb than its declared size", () => {
  const bomb = compressBlock("gzip", 9, new Uint8Array(16 << 20));
  const before = Deno.memoryUsage().rss;
  for (let i = 0; i < 200; i++) {
    assert.throws(() => decompressBlock("gzip", bomb, 1000), BlockError);
  }
  assert.ok(Deno.memoryUsage().rss - before < 60e6);
});

Deno.test("frameLength() finds the end of zstd frames of every kind", () => {
  const inputs = [
    new Uint8Array(0),
    new Uint8Array(1_000_000),
    new Uint8Array(300_000).map((_, i) => (i * 7919) >> 3),
    crypto.getRandomValues(new Uint8Array(60_000)),
  ];
  for (const input of inputs) {
    for (const checksum of [0, 1]) {
      const frame = zlib.zstdCompressSync(input, {
        // With a smaller one Deno's node:zlib adds an empty frame behind the real one.
        chunkSize: 1 << 20,
        params: { [zlib.constants.ZSTD_c_checksumFlag]: checksum },
      });
      const bytes = Buffer.concat([frame, Buffer.from("rest that is not of the frame")]);
      const header = readFrameHeader(bytes.subarray(0, LONGEST_HEADER))!;
      assert.equal(header.checksum, checksum === 1);
      const readAt = (into: Uint8Array, at: number) => {
        into.set(bytes.subarray(at, at + into.length));
        return Math.min(into.length, bytes.length - at);
      };
      assert.equal(frameLength(header, bytes.length, readAt), frame.length);
      assert.equal(frameLength(header, 3, readAt), null);
    }
  }
});

Deno.test("readSeekTable() reads what writeSeekTable() wrote and nothing else", () => {
  const frames = [{ compressed: 1000, content: 8 << 20 }, { compressed: 17, content: 3 }];
  const table = writeSeekTable(frames);
  assert.deepEqual(readSeekTable(table), frames);
  const file = Buffer.concat([new Uint8Array(1017), table]);
  const readAt = (into: Uint8Array, at: number) => file.copy(into, 0, at, at + into.length);
  assert.deepEqual(lastFrame(file.length, readAt), { compressed: 17, content: 3, offset: 1000 });
  for (const at of [0, 4, table.length - 1, table.length - 5, table.length - 9]) {
    const damaged = table.slice();
    damaged[at] ^= 0xff;
    assert.equal(readSeekTable(damaged), null);
  }
  assert.equal(readSeekTable(new Uint8Array(3)), null);
});

/** Bytes no compressor makes shorter; the same each time. */
function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += 32) {
    out.set(createHash("sha256").update(String(at)).digest().subarray(0, length - at), at);
  }
  return out;
}

eachWay("compressBlock() stores what cannot be compressed, and nothing else", () => {
  const size = 1 << 20;
  const stored = (input: Uint8Array) => compressBlock("gzip", 6, input).length;
  const random = randomBytes(size);
  assert.ok(stored(random) < size + 200, "stored with five bytes for each 64 KiB");
  const back = decompressBlock("gzip", compressBlock("gzip", 6, random), size);
  assert.equal(Buffer.compare(back, random), 0);

  const text = new TextEncoder().encode("a twentieth of the block is text. ".repeat(1542));
  const mixed = random.slice();
  mixed.set(text, 300_000);
  assert.ok(stored(mixed) < size - text.length * 0.9, "some text among it");

  const repeated = random.slice();
  for (let at = 10_000; at < size; at += 10_000) repeated.copyWithin(at, 0, 10_000);
  assert.ok(stored(repeated) < 60_000, "evenly spread bytes that repeat");

  const almost = random.map((byte) => byte % 224);
  assert.ok(stored(almost) < size * 0.985, "seven eighths of all bytes");
});

Deno.test("compressBlockAside() makes the same blocks as compressBlock()", async () => {
  const text = new TextEncoder().encode("a line of a log, and another one\n".repeat(30_000));
  const inputs = [new Uint8Array(0), randomBytes(1000), text, randomBytes(1 << 20)];
  for (const codec of ["gzip", "zstd"] as const) {
    for (const input of inputs) {
      const room = new Uint8Array(mostCompressed(input.length));
      const block = await compressBlockAside(codec, 6, input, room);
      assert.deepEqual(block, compressBlock(codec, 6, input), `${codec}, ${input.length} bytes`);
    }
    const narrow = new Uint8Array(100);
    assert.equal(await compressBlockAside(codec, 6, randomBytes(1000), narrow), null, codec);
  }
});

Deno.test("CodecPool.run() answers every task, also more than it has workers", async () => {
  using pool = new CodecPool(2);
  const answers = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => {
      const input = new Uint8Array(1000 * i).fill(i);
      const packed = await pool.run({
        ...{ act: "compress", codec: "zstd", level: 1 },
        ...{ input: input.buffer, length: input.length },
      });
      assert.ok(packed.ok);
      const { output } = packed;
      const copy = output.slice();
      const unpacked = await pool.run({
        ...{ act: "decompress", codec: "zstd", size: 1000 * i },
        ...{ input: copy.buffer, length: copy.length },
      });
      return unpacked.ok && unpacked.output.length === 1000 * i &&
        unpacked.output.every((byte) => byte === i);
    }),
  );
  assert.deepEqual(answers, new Array(10).fill(true));
  const wrong = await pool.run({
    ...{ act: "decompress", codec: "gzip", size: 5 },
    ...{ input: new ArrayBuffer(100), length: 100 },
  });
  assert.ok(!wrong.ok && wrong.error.includes("damaged"));
});

eachWay("CodecPool rejects what is unanswered once it is closed", async () => {
  const pool = new CodecPool(1);
  const task = (room = new ArrayBuffer(2 << 20)) => ({
    ...{ act: "compress" as const, codec: "gzip" as const, level: 9 },
    ...{ input: new ArrayBuffer(1 << 20), length: 1 << 20, room },
  });
  const first = new ArrayBuffer(2 << 20);
  const block = new Uint8Array(first);
  const waiting = [pool.run(task(first)), pool.run(task())];
  const settled = Promise.allSettled(waiting);
  pool[Symbol.dispose]();
  assert.deepEqual((await settled).map(({ status }) => status), ["rejected", "rejected"]);
  await assert.rejects(pool.run(task()));
  // A library's call goes on to its end, and holds its buffers until then; a worker took them with it.
  while (block[0] === 0) await new Promise((resolve) => setTimeout(resolve, 5));
});
