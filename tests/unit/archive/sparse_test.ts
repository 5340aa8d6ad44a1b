/** Sparse files: every map that is in order is read, all else is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { SparseError, SparseReader } from "../../../lib/archive/sparse_reader.ts";
import { TarParser } from "../../../lib/archive/tar_parser.ts";
import { type RawEntry, rawTar } from "../../fixtures/raw_tar.ts";

/** What a parser hands on of the archive's only file: "h" and a length, or "d" and the bytes. */
function events(bytes: Uint8Array, step: number): string[] {
  const out: string[] = [];
  const add = (kind: string, length: number) => {
    const last = out[out.length - 1];
    if (last?.[0] === kind) out[out.length - 1] = kind + (Number(last.slice(1)) + length);
    else if (length > 0) out.push(kind + length);
  };
  const parser = new TarParser("test", {
    entry: ({ size, stored }) => out.push(`${size}/${stored}`),
    data: (part) => add("d", part.length),
    hole: (length) => add("h", length),
    end: () => out.push("end"),
  });
  for (let at = 0; at < bytes.length; at += step) parser.feed(bytes.subarray(at, at + step), 0, at);
  parser.finish(0);
  return out;
}

/** A file in format 1.0 with this map, and as many bytes of content as `data` says. */
function sparse(size: number, map: number[], data: number, lines?: string): Uint8Array {
  const text = lines ?? [map.length / 2, ...map, ""].join("\n");
  const content = new Uint8Array(Math.ceil(text.length / 512) * 512 + data);
  content.set(new TextEncoder().encode(text));
  const pax = {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": "real",
    "GNU.sparse.realsize": String(size),
  };
  return rawTar([{ name: "GNUSparseFile.0/real", content, pax }]);
}

Deno.test("TarParser hands on holes and data of any map in the order of the file", () => {
  const pieces = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 3000 })),
    {
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(pieces, fc.nat(5000), fc.integer({ min: 1, max: 2000 }), (pieces, tail, step) => {
      const map: number[] = [];
      const wanted: string[] = [];
      let at = 0;
      let data = 0;
      for (const [hole, length] of pieces) {
        map.push(at + hole, length);
        wanted.push(`h${hole}`, `d${length}`);
        at += hole + length;
        data += length;
      }
      const size = at + tail;
      if (tail > 0) {
        map.push(size, 0);
        wanted.push(`h${tail}`);
      }
      const found = events(sparse(size, map, data), step);
      assert.equal(found[0].split("/")[0], String(size));
      assert.deepEqual(found.slice(1), [...wanted, "end"]);
    }),
    { numRuns: 200, seed: 3 },
  );
});

Deno.test("TarParser tells of a petabyte's hole at once, or in steps to those who ask for them", () => {
  assert.deepEqual(events(sparse(2 ** 50, [2 ** 50, 0], 0), 512), [
    "1125899906842624/512",
    `h${2 ** 50}`,
    "end",
  ]);
  let calls = 0;
  const parser = new TarParser("test", {
    ...{ holeStep: 100, entry() {}, data() {}, end() {} },
    hole: (length) => {
      calls++;
      assert.ok(length <= 100);
    },
  });
  parser.feed(sparse(1050, [1050, 0], 0), 0, 0);
  assert.equal(calls, 11);
});

Deno.test("TarParser refuses maps that are wrong", () => {
  const wrong: [string, Uint8Array, RegExp][] = [
    ["out of order", sparse(9000, [5000, 10, 100, 10], 20), /not in order/],
    ["overlapping", sparse(9000, [100, 10, 105, 10], 20), /not in order/],
    ["behind the end", sparse(100, [90, 20], 20), /not in order/],
    ["more than stored", sparse(9000, [0, 600], 20), /names 600 bytes where 20 are stored/],
    ["less than stored", sparse(9000, [0, 5], 20), /names 5 bytes where 20 are stored/],
    ["no numbers", sparse(9000, [], 0, "one\n0\n5\n"), /no number/],
    ["negative", sparse(9000, [], 0, "1\n-5\n5\n"), /no number/],
    ["no end", sparse(9000, [], 0, "99999999\n"), /has no end/],
    ["cut", sparse(9000, [], 0, "3\n0\n5\n"), /no number|not complete/],
    ["a size that is none", sparse(NaN, [], 0), /no number/],
  ];
  for (const [name, bytes, message] of wrong) {
    assert.throws(() => events(bytes, 700), { code: "ARCHIVE_CORRUPT", message }, name);
  }
  const records: RawEntry["pax"][] = [
    { "GNU.sparse.size": "100", "GNU.sparse.map": "0,5,7" },
    { "GNU.sparse.size": "100", "GNU.sparse.offset": "5" },
    { "GNU.sparse.size": "100", "GNU.sparse.map": "0,x" },
  ];
  for (const pax of records) {
    assert.throws(() => events(rawTar([{ name: "f", content: "12345", pax }]), 512), {
      code: "ARCHIVE_CORRUPT",
    });
  }
  assert.throws(() => new SparseReader(10, 5, [0, 5, 5]), SparseError);
});
