/** Names come in the archive's order, though another thread still writes what the names before are for. */
import assert from "node:assert/strict";
import { extractArchive } from "../../../lib/archive/mod.ts";
import { assertSameEntries, describeTree, sh, withTempDir } from "../../fixtures/tree.ts";

const FILES = 4000;

function place(i: number): string {
  return `d${i % 20}/f${i}`;
}

/** Makes every file; `later` makes some of them directories, symlinks and hard links. */
function fill(dir: string, later: boolean): void {
  for (let i = 0; i < 20; i++) Deno.mkdirSync(`${dir}/d${i}`, { recursive: true });
  for (let i = 0; i < FILES; i++) {
    const path = `${dir}/${place(i)}`;
    const kind = later ? i % 100 : 0;
    if (kind === 1) {
      Deno.mkdirSync(path);
      Deno.writeTextFileSync(`${path}/in`, `${i}`);
    } else if (kind === 2) Deno.symlinkSync(".", path);
    else if (kind === 3) Deno.linkSync(`${dir}/${place(i - 3)}`, path);
    else {
      Deno.writeFileSync(path, new Uint8Array(later ? i % 7 : i % 5000).fill(65 + i % 26));
      Deno.chmodSync(path, 0o600 + i % 0o200);
      Deno.utimeSync(path, i, later ? i : 2 * i);
    }
  }
}

Deno.test(
  "extractArchive() lets the last of several entries of a path win, as GNU tar does",
  withTempDir(async (dir) => {
    fill(`${dir}/one`, false);
    fill(`${dir}/two`, true);
    await sh('cd "$0"; tar -cf archive.tar -C one .; tar -rf archive.tar -C two .', dir);
    await sh('cd "$0"; mkdir tar; tar -xpf archive.tar -C tar', dir);
    await extractArchive(`${dir}/archive.tar`, { routes: [{ from: "", to: `${dir}/ours` }] });
    assertSameEntries(await describeTree(`${dir}/ours`), await describeTree(`${dir}/tar`));
  }),
);

Deno.test(
  "extractArchive() leaves no ACL on files that an existing directory passes one on to",
  withTempDir(async (dir) => {
    fill(`${dir}/one`, false);
    await sh('cd "$0"; tar --format=pax -cf archive.tar -C one .; mkdir -p ours/d1 ours/d2', dir);
    await sh('setfacl -d -m u:7:rwx "$0/ours/d2"', dir);
    await extractArchive(`${dir}/archive.tar`, { routes: [{ from: "", to: `${dir}/ours` }] });
    assertSameEntries(await describeTree(`${dir}/ours`), await describeTree(`${dir}/one`));
  }),
);

Deno.test(
  "extractArchive() with overwrite `older` keeps the newest of entries that get the same path",
  withTempDir(async (dir) => {
    for (const [top, mtime] of [["a", 300], ["b", 100], ["c", 500]] as const) {
      Deno.mkdirSync(`${dir}/${top}`);
      for (const file of ["one", "two"]) {
        Deno.writeTextFileSync(`${dir}/${top}/${file}`, top);
        Deno.utimeSync(`${dir}/${top}/${file}`, mtime, mtime);
      }
    }
    await sh('cd "$0"; tar -cf archive.tar a b c; mkdir tar', dir);
    await sh('cd "$0"; tar -xf archive.tar -C tar --strip-components=1 --keep-newer-files', dir);
    await extractArchive(`${dir}/archive.tar`, {
      overwrite: "older",
      routes: [{ from: "", to: `${dir}/ours`, strip: 1 }],
    });
    for (const file of ["one", "two"]) {
      assert.equal(Deno.readTextFileSync(`${dir}/tar/${file}`), "c");
      assert.equal(Deno.readTextFileSync(`${dir}/ours/${file}`), "c");
    }
  }),
);
