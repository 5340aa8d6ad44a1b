import assert from "node:assert/strict";
import { entryJson, entryLine, modeText } from "../../../lib/cli/ls_view.ts";
import type { ManifestEntry } from "../../../lib/core/model.ts";

const entry: ManifestEntry = {
  ...{ path: "d/a\x1b[31m\u202e", type: "file", size: 5_000_000_000, mode: 0o4755 },
  ...{ uid: 1000, gid: 4_294_967_294, mtime_s: -1, mtime_ns: 999_999_999, link: null },
  ...{ sha256: "ab".repeat(32), block_offset: 0, block_inner: 512 },
};

Deno.test("modeText() writes permissions as ls does", () => {
  const cases: [number, string][] = [
    [0o755, "rwxr-xr-x"],
    [0o4755, "rwsr-xr-x"],
    [0o4644, "rwSr--r--"],
    [0o2750, "rwxr-s---"],
    [0o1777, "rwxrwxrwt"],
    [0o1776, "rwxrwxrwT"],
    [0, "---------"],
  ];
  for (const [mode, text] of cases) assert.equal(modeText(mode), text);
});

Deno.test("entryLine() shows no character that could drive a terminal", () => {
  const short = { long: false, recursive: false };
  assert.equal(entryLine(entry, short), "a\\x1b[31m\\u202e");
  assert.equal(entryLine(entry, { ...short, recursive: true }), "d/a\\x1b[31m\\u202e");
  const long = entryLine({ ...entry, type: "symlink", link: "\x07/x" }, { ...short, long: true });
  assert.match(long, /^lrwsr-xr-x {2}1000:4294967294 .* -> \\x07\/x$/);
  assert.equal(entryLine({ path: "volumes", type: "directory", implied: true }, short), "volumes/");
});

Deno.test("entryJson() has the manifest's columns, null for a directory that has no entry", () => {
  const text = entryJson(entry);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\x00-\x1f\x7f-\x9f\u202e]/);
  assert.deepEqual(JSON.parse(text), { ...entry, path_raw: null, link_raw: null });
  const implied = JSON.parse(entryJson({ path: "volumes", type: "directory", implied: true }));
  assert.deepEqual(Object.keys(implied), Object.keys(JSON.parse(text)));
  assert.deepEqual([implied.path, implied.type, implied.mode], ["volumes", "directory", null]);
});
