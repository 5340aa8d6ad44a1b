/** Extended attributes of files, directories, symlinks and nodes, whatever their names and values. */
import assert from "node:assert/strict";
import { close, O_RDONLY, open, readXattrs, symlink, writeXattrs } from "../../../lib/posix/mod.ts";
import { O_NOFOLLOW, O_PATH } from "../../../lib/posix/libc.ts";
import {
  hasDefaultAcl,
  removeAcls,
  setXattr,
  setXattrOfPath,
  xattrsOf,
} from "../../../lib/posix/xattr.ts";
import { sh, withTempDir } from "../../fixtures/tree.ts";

Deno.test(
  "xattrsOf() gives all attributes by name, and what has none shares one empty list",
  withTempDir((dir) => {
    Deno.writeTextFileSync(`${dir}/f`, "x");
    const fd = open(`${dir}/f`, O_RDONLY);
    assert.equal(xattrsOf(fd), xattrsOf(fd));
    assert.deepEqual(xattrsOf(fd), []);
    const value = Uint8Array.from({ length: 500 }, (_, i) => i);
    for (const name of ["user.z", "user.a", "user.\xff=%", "trusted.t"]) {
      assert.ok(setXattr(fd, name, value), name);
    }
    assert.ok(setXattr(fd, "user.empty", new Uint8Array(0)));
    assert.equal(setXattr(fd, "nowhere.x", value), false);
    const found = xattrsOf(fd)!;
    assert.deepEqual(found.map(({ name }) => name), [
      ...["trusted.t", "user.a", "user.empty", "user.z", "user.\xff=%"],
    ]);
    assert.deepEqual(found[0].value, value);
    assert.equal(found[2].value.length, 0);
    close(fd);
  }),
);

Deno.test(
  "setXattrOfPath() sets a symlink's own attribute, never its target's",
  withTempDir((dir) => {
    Deno.writeTextFileSync(`${dir}/f`, "x");
    symlink("f", `${dir}/l`);
    const fd = open(`${dir}/l`, O_PATH | O_NOFOLLOW);
    assert.ok(setXattrOfPath(fd, "trusted.x", Uint8Array.of(1, 2)));
    close(fd);
    assert.deepEqual(readXattrs(`${dir}/l`), { "trusted.x": "0102" });
    assert.deepEqual(readXattrs(`${dir}/f`), {});
  }),
);

Deno.test(
  "writeXattrs() leaves exactly what it is given, removeAcls() takes inherited ACLs away",
  withTempDir(async (dir) => {
    await sh(`cd "$0"; setfacl -d -m u:1:rwx .; mkdir made; setfattr -n user.old -v x made`, dir);
    const top = open(dir, O_RDONLY);
    assert.ok(hasDefaultAcl(top));
    const made = open(`${dir}/made`, O_RDONLY);
    assert.equal(Object.keys(readXattrs(`${dir}/made`)).length, 3);
    removeAcls(made, false, true);
    assert.deepEqual(readXattrs(`${dir}/made`), { "user.old": "78" });
    writeXattrs(`${dir}/made`, { "user.new": "00ff" });
    assert.deepEqual(readXattrs(`${dir}/made`), { "user.new": "00ff" });
    assert.equal(hasDefaultAcl(made), false);
    close(top);
    close(made);
    assert.deepEqual(readXattrs(`${dir}/not-there`), {});
  }),
);
