import assert from "node:assert/strict";
import { amendManifestLine, manifestLine } from "../../../lib/catalog/manifest.ts";
import type { ManifestEntry } from "../../../lib/core/model.ts";

const entry: ManifestEntry = {
  path: 'a "b"\n\\',
  type: "file",
  size: 5_000_000_000,
  mode: 0o644,
  uid: 0,
  gid: 4_294_967_294,
  mtime_s: -1,
  mtime_ns: 999_999_999,
  link: null,
  sha256: "ab".repeat(32),
  block_offset: 0,
  block_inner: 512,
};

Deno.test("manifestLine() is the entry as one line of JSON", () => {
  const line = manifestLine(entry);
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(JSON.parse(line), { ...entry, path_raw: null, link_raw: null });
});

Deno.test("manifestLine() keeps the bytes of names that are not UTF-8 and makes them printable", () => {
  const line = manifestLine({ ...entry, path: "caf\udce9", type: "symlink", link: "\udcffx" });
  const { path, path_raw, link, link_raw } = JSON.parse(line);
  assert.deepEqual([path, path_raw], ["caf\\xe9", "636166e9"]);
  assert.deepEqual([link, link_raw], ["\\xffx", "ff78"]);
});

Deno.test("amendManifestLine() gives an entry its new place, or takes its line away", () => {
  const line = manifestLine({ ...entry, path: 'a "block_offset":7,"block_inner":8}' }).trimEnd();
  const asked: number[][] = [];
  const moved = amendManifestLine(line, (...place) => {
    asked.push(place);
    return { offset: 1_000_000, inner: 3 };
  })!;
  assert.deepEqual(asked, [[0, 512]]);
  const { block_offset, block_inner, path } = JSON.parse(moved);
  assert.deepEqual([block_offset, block_inner], [1_000_000, 3]);
  assert.equal(path, 'a "block_offset":7,"block_inner":8}');
  assert.equal(amendManifestLine(line, () => null), null);
});
