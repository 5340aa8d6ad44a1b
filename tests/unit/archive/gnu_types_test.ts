/** Entries that GNU tar alone writes. */
import assert from "node:assert/strict";
import { Dumpdir } from "../../../lib/archive/gnu_types.ts";
import { type TarEntry, TarParser } from "../../../lib/archive/tar_parser.ts";
import { type RawEntry, rawTar } from "../../fixtures/raw_tar.ts";

const LISTING = "Yin the archive\0Nnot in it\0Dsub\0NN\0\0";

Deno.test("Dumpdir counts the names that are left out, however it is cut", () => {
  const bytes = new TextEncoder().encode(LISTING);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const listing = new Dumpdir();
    listing.take(bytes.subarray(0, cut));
    listing.take(bytes.subarray(cut));
    assert.equal(listing.leftOut, 2, `cut at ${cut}`);
  }
});

/** What a handler is told of hand-made entries. */
function told(entries: RawEntry[]): string[] {
  const said: string[] = [];
  const parser = new TarParser("x.tar", {
    entry: ({ type, path, size }: TarEntry) => void said.push(`${type} ${path} ${size}`),
    leftOut: (names) => void said.push(`left out ${names}`),
    data: (bytes) => void said.push(`data ${new TextDecoder().decode(bytes)}`),
    hole: () => {},
    end: () => void said.push("end"),
  });
  parser.feed(rawTar(entries), 0, 0);
  parser.finish(0);
  return said;
}

Deno.test("TarParser takes a directory with a listing, and tells how many names it lacks", () => {
  const file = { name: "f", content: "x" };
  const after = ["file f 1", "data x", "end"];
  assert.deepEqual(told([{ name: "d", type: "D", content: LISTING }, file]), [
    "directory d 0",
    "left out 2",
    ...after,
  ]);
  assert.deepEqual(told([{ name: "d", type: "D", content: "Ya\0\0" }, file]), [
    "directory d 0",
    ...after,
  ]);
  assert.deepEqual(told([{ name: "d", type: "5", pax: { "GNU.dumpdir": LISTING } }, file]), [
    "directory d 0",
    "left out 2",
    ...after,
  ]);
});

Deno.test("TarParser does not take a file's content for a listing", () => {
  assert.deepEqual(told([{ name: "f", content: "Na\0", pax: { "GNU.dumpdir": LISTING } }]), [
    "file f 3",
    "data Na\0",
    "end",
  ]);
});
