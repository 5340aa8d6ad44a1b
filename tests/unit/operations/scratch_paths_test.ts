/** Tests of where the parts of a stack lie in a scratch copy. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Source } from "../../../lib/core/model.ts";
import { ScratchPaths } from "../../../lib/operations/scratch_paths.ts";

function source(kind: Source["kind"], path: string, archive_path: string): Source {
  return { kind, role: "data", name: archive_path, path, archive_path, origin: "" };
}

Deno.test("ScratchPaths.find() gives copies, and never a path of the live stack", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    const at = (path: string) => join(dir, path);
    for (const path of ["live", "scratch/tree/data", "scratch/tree/external/mnt/big", "volume"]) {
      await Deno.mkdir(at(path), { recursive: true });
    }
    await Deno.writeTextFile(at("scratch/tree/data/file"), "");
    await Deno.writeTextFile(at("volume/x"), "");
    await Deno.symlink(at("live/secret"), at("scratch/tree/data/out"));
    await Deno.symlink("/mnt/big", at("scratch/tree/big"));
    await Deno.symlink("../../../../etc/passwd", at("scratch/tree/data/up"));
    await Deno.symlink("loop", at("scratch/tree/data/loop"));
    await Deno.symlink(at("live"), at("alias"));
    const paths = new ScratchPaths(
      at("scratch/tree"),
      at("live"),
      [
        source("path", at("live/data"), "data"),
        source("path", at("live/big"), "big"),
        source("path", "/mnt/big", "external/mnt/big"),
        source("volume", "/var/lib/docker/volumes/v/_data", "volumes/v"),
      ],
      new Map([["volumes/v", at("volume")]]),
    );
    const found = (path: string) => paths.find(path);
    assert.deepEqual(found(at("scratch/tree/data")), {
      path: at("scratch/tree/data"),
      type: "directory",
    });
    assert.equal(found(at("live/data/file"))?.path, at("scratch/tree/data/file"));
    assert.equal(found(at("alias/data/file"))?.path, at("scratch/tree/data/file"));
    assert.equal(found(at("live/data/../data/file"))?.type, "file");
    // A link that leads to another source leads to its copy.
    assert.equal(found(at("scratch/tree/big"))?.path, at("scratch/tree/external/mnt/big"));
    assert.equal(found("/var/lib/docker/volumes/v/_data/x")?.path, at("volume/x"));
    for (
      const outside of [
        at("live"),
        at("live/secret"),
        at("scratch/tree/data/out"),
        at("scratch/tree/data/up"),
        at("scratch/tree/data/loop"),
        at("scratch/tree/missing"),
        at("live/data/missing"),
        at("live/database"),
        "/etc/passwd",
        "/",
      ]
    ) assert.equal(found(outside), null, outside);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("ScratchPaths.find() follows a source that is the working directory itself", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.mkdir(join(dir, "tree/conf"), { recursive: true });
    const paths = new ScratchPaths(
      join(dir, "tree"),
      "/srv/shop",
      [source("path", "/srv/shop", ".")],
      new Map(),
    );
    assert.equal(paths.find("/srv/shop")?.path, join(dir, "tree"));
    assert.equal(paths.find("/srv/shop/conf")?.path, join(dir, "tree/conf"));
    assert.equal(paths.find(join(dir, "tree/conf"))?.path, join(dir, "tree/conf"));
    assert.equal(paths.find("/srv/shopping"), null);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
