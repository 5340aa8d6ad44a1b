/** Archives go to other programs and come from them: bsdtar, GNU tar, `docker export`. */
import assert from "node:assert/strict";
import { extractArchive } from "../../../lib/archive/mod.ts";
import { assertSameEntries, type Described } from "../../fixtures/tree.ts";
import { describeTree, makeRichTree, run, sh, withTempDir } from "../../fixtures/tree.ts";
import { COMPRESSIONS, make, workDir } from "./support.ts";

Deno.test(
  "bsdtar restores what createArchive() made: owners, links, times, xattrs, ACLs, holes",
  withTempDir(async (dir) => {
    await makeRichTree(`${dir}/t`);
    for (const [compression, level] of COMPRESSIONS) {
      await make(`${dir}/a`, [workDir(`${dir}/t`)], { compression, level });
      const to = `${dir}/${compression}`;
      Deno.mkdirSync(to);
      const all = ["-p", "-S", "--same-owner", "--xattrs", "--acls", "--numeric-owner"];
      await run("bsdtar", "-x", ...all, "--exclude", ".duckback", "-f", `${dir}/a`, "-C", to);
      const wanted = (await describeTree(`${dir}/t`)).map(asBsdtar);
      assertSameEntries(forgiving((await describeTree(to)).map(asBsdtar), wanted), wanted);
    }
  }),
);

/** What bsdtar 3.6 itself cannot keep is left out of the comparison: the time of its target too. */
function asBsdtar(described: Described): Described {
  const entry = withoutOldTime(described);
  if (entry.path === "") entry.mtime_ns = "";
  // Attributes of symlinks, and names with "%" or "=", which it writes as they are in the key.
  const xattrs = Object.fromEntries(
    Object.entries(entry.xattrs).filter(([name]) => entry.type !== "l" && !/[%=]/.test(name)),
  );
  return { ...entry, xattrs };
}

Deno.test(
  "extractArchive() takes what bsdtar and GNU tar made, with xattrs, ACLs and holes",
  withTempDir(async (dir) => {
    await makeRichTree(`${dir}/t`);
    await sh(
      `bsdtar --format pax --xattrs --acls -cf "$0/bsd.tar" -C "$0/t" .
       bsdtar --format pax --xattrs --acls -czf "$0/bsd.tar.gz" -C "$0/t" .
       tar --format=pax --xattrs --xattrs-include='*' --acls -S -cf "$0/gnu.tar" -C "$0/t" .
       tar --format=pax --xattrs --xattrs-include='*' --acls -S --zstd -cf "$0/gnu.tar.zst" -C "$0/t" .`,
      dir,
    );
    const original = (await describeTree(`${dir}/t`)).map(withoutOwn);
    for (const name of ["bsd.tar", "bsd.tar.gz", "gnu.tar", "gnu.tar.zst"]) {
      const to = `${dir}/out-${name}`;
      const report = await extractArchive(`${dir}/${name}`, {
        routes: [{ from: ".", to }],
        allow_devices: true,
      });
      assert.deepEqual(report.warnings, [], name);
      assertSameEntries(forgiving((await describeTree(to)).map(withoutOwn), original), original);
    }
  }),
);

/** Takes the times of `actual` away that `wanted` does not ask for. */
function forgiving(actual: Described[], wanted: Described[]): Described[] {
  const untimed = new Set(wanted.filter(({ mtime_ns }) => mtime_ns === "").map(({ path }) => path));
  return actual.map((entry) => untimed.has(entry.path) ? { ...entry, mtime_ns: "" } : entry);
}

/** bsdtar reads and writes fractions of seconds before 1970 another way than GNU tar does. */
function withoutOldTime(entry: Described): Described {
  const wrong = entry.mtime_ns.startsWith("-") && !entry.mtime_ns.endsWith("000000000");
  return wrong ? { ...entry, mtime_ns: "" } : { ...entry };
}

/** bsdtar stores no attributes of what it cannot open; GNU tar no links between fifos. */
function withoutOwn(described: Described): Described {
  const entry = withoutOldTime(described);
  return "lpcb".includes(entry.type) ? { ...entry, xattrs: {}, same_as: "" } : entry;
}

Deno.test(
  "extractArchive() takes what `docker export` gives",
  withTempDir(async (dir) => {
    const image = `duckback-test-export-${Deno.pid}`;
    await sh(
      `mkdir -p "$0/root/bin" "$0/root/etc/deep"; cd "$0/root"; cp /bin/busybox bin/; ln -s busybox bin/sh
       ln bin/busybox bin/ls; echo conf > etc/deep/app.conf; chmod 640 etc/deep/app.conf; chown 7:8 etc/deep
       printf 'x%.0s' $(seq 150) > name; mv name "$(cat name)"
       tar c . | docker import -c 'LABEL duckback.test=1' - "$1" > /dev/null
       docker create --label duckback.test=1 --name "$1" "$1" /bin/sh > /dev/null`,
      dir,
      image,
    );
    try {
      await sh(
        `docker export "$1" > "$0/e.tar"; gzip -k "$0/e.tar"; zstd -q "$0/e.tar"; mkdir "$0/gnu"`,
        dir,
        image,
      );
      await sh(`tar xpf "$0/e.tar" -C "$0/gnu" --numeric-owner`, dir);
    } finally {
      await sh(`docker rm -f "$0" > /dev/null; docker rmi -f "$0" > /dev/null`, image);
    }
    for (const name of ["e.tar", "e.tar.gz", "e.tar.zst"]) {
      const to = `${dir}/out-${name}`;
      const options = { routes: [{ from: ".", to }], allow_devices: true };
      await extractArchive(`${dir}/${name}`, options);
      // The top has no entry in such an archive.
      const below = (tree: Described[]) => tree.filter(({ path }) => path !== "");
      assertSameEntries(below(await describeTree(to)), below(await describeTree(`${dir}/gnu`)));
      assert.equal(Deno.readTextFileSync(`${to}/etc/deep/app.conf`), "conf\n");
    }
  }),
);
