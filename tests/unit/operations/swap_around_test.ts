import assert from "node:assert/strict";
import { parseMountPoints } from "../../../lib/operations/mounts.ts";
import { directoriesBetween } from "../../../lib/operations/swap_around.ts";

Deno.test("directoriesBetween() gives what lies between, outermost first, each once", () => {
  assert.deepEqual(directoriesBetween("/a", ["/a/b/c/home", "/a/b/d/backups", "/x/y/z"]), [
    "/a/b",
    "/a/b/c",
    "/a/b/d",
  ]);
  assert.deepEqual(directoriesBetween("/a", ["/a/home", "/a", "/ab/c/d"]), []);
  assert.deepEqual(directoriesBetween("/a", ["/a/b/home", "/a/b/home/backups"]), ["/a/b"]);
  assert.deepEqual(directoriesBetween("/a", ["/a/home/backups", "/a/home"]), []);
});

Deno.test("parseMountPoints() reads blanks and backslashes in mount points", () => {
  const text =
    "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:5 / /mnt/my\\040disk\\134x rw - tmpfs t rw\n";
  assert.deepEqual(parseMountPoints(text), ["/", "/mnt/my disk\\x"]);
});
