import assert from "node:assert/strict";
import zlib from "node:zlib";
import { compressBlock, decompressBlock } from "../../../lib/archive/codec.ts";
import { padBlock } from "../../../lib/archive/pad_block.ts";

const TEXT = new TextEncoder().encode("the quick brown fox ".repeat(500));

Deno.test("padBlock() makes a gzip member longer, and every reader takes it", () => {
  const member = compressBlock("gzip", 6, TEXT);
  const impossible: number[] = [];
  for (let pad = 0; pad < 60; pad++) {
    const padded = padBlock("gzip", member, member.length + pad);
    if (padded === null) {
      impossible.push(pad);
      continue;
    }
    assert.equal(padded.length, member.length + pad);
    assert.deepEqual(new Uint8Array(zlib.gunzipSync(padded)), TEXT);
    assert.deepEqual(new Uint8Array(decompressBlock("gzip", padded, TEXT.length)), TEXT);
  }
  assert.deepEqual(impossible, [1, 2, 3, 4, 7, 8, 9, 13, 14, 19]);
  const large = padBlock("gzip", member, 1_000_000)!;
  assert.deepEqual(new Uint8Array(zlib.gunzipSync(large)), TEXT);
});

Deno.test("padBlock() fills up a zstd frame, and every reader takes it", () => {
  const frame = compressBlock("zstd", 3, TEXT);
  const impossible: number[] = [];
  for (let pad = 0; pad < 40; pad++) {
    const padded = padBlock("zstd", frame, frame.length + pad);
    if (padded === null) {
      impossible.push(pad);
      continue;
    }
    assert.equal(padded.length, frame.length + pad);
    assert.deepEqual(new Uint8Array(decompressBlock("zstd", padded, TEXT.length)), TEXT);
    assert.deepEqual(zstdCli(padded), TEXT);
  }
  assert.deepEqual(impossible, [1, 2, 4, 5, 7]);
});

Deno.test("padBlock() pads a block of nothing, and refuses to make one shorter", () => {
  for (const codec of ["gzip", "zstd"] as const) {
    const empty = compressBlock(codec, 3, new Uint8Array(0));
    const padded = padBlock(codec, empty, 5000)!;
    assert.equal(decompressBlock(codec, padded, 0).length, 0);
    assert.equal(padBlock(codec, padded, 4999), null);
  }
});

function zstdCli(bytes: Uint8Array): Uint8Array {
  const file = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(file, bytes);
    const { success, stdout } = new Deno.Command("zstd", { args: ["-dqc", file] }).outputSync();
    assert.ok(success);
    return stdout;
  } finally {
    Deno.removeSync(file);
  }
}
