/** `restore FILE` of archives that duckback did not make: proven first, then restored, or not touched. */
import assert from "node:assert/strict";
import { fingerprint, names, Place, sh } from "./support.ts";
import { rawTar } from "../fixtures/raw_tar.ts";

async function tree(place: Place): Promise<string> {
  const dir = place.tree("t", { "a.txt": "alpha", "d/e/f": "deep", "d/empty": null });
  await sh(
    `ln -s a.txt link; ln a.txt d/hard; mkfifo d/fifo; chmod 2750 d/e; chown 12:34 d/e/f
     head -c 3000000 /dev/urandom > d/big; touch -d '2001-02-03 04:05:06' a.txt d/e .`,
    dir,
  );
  return dir;
}

Deno.test("restore FILE takes what GNU tar, gzip and zstd made, byte for byte", async () => {
  await using place = new Place();
  const dir = await tree(place);
  const wanted = (await fingerprint(dir)).replaceAll(/(\d)\.\d+/g, "$1");
  await sh(
    `tar -cf x.tar -C t .; gzip -k x.tar; zstd -q x.tar; tar --format=v7 -cf v7.tar -C t d/e`,
    place.dir,
  );
  for (const name of ["x.tar", "x.tar.gz", "x.tar.zst"]) {
    const to = place.path(`out-${name}`);
    const done = await place.ok(["restore", place.path(name), "--target", to, "--json"]);
    assert.equal(done.json.backup_id, null);
    assert.equal((await fingerprint(to)).replaceAll(/(\d)\.\d+/g, "$1"), wanted, name);
  }
  await place.ok(["restore", place.path("v7.tar"), "--target", place.path("v7")]);
  assert.equal(Deno.readTextFileSync(place.path("v7/d/e/f")), "deep");
  await place.ok(["restore", place.path("x.tar.gz"), "d/e", "--target", place.path("part")]);
  assert.deepEqual(names(place.path("part")), ["d"]);
  assert.deepEqual(names(place.path("part/d")), ["e"]);
});

Deno.test("restore FILE writes nothing where the archive is damaged anywhere, or cannot be taken", async () => {
  await using place = new Place();
  await tree(place);
  await sh(`tar -cf x.tar -C t .; gzip -k x.tar; zstd -qk x.tar; tar -cf y.tar -C t .`, place.dir);
  const write = (name: string, bytes: Uint8Array) => Deno.writeFileSync(place.path(name), bytes);
  const tries: [string, RegExp][] = [];
  for (const name of ["x.tar", "x.tar.gz", "x.tar.zst"]) {
    const bytes = Deno.readFileSync(place.path(name));
    write(`cut-${name}`, bytes.subarray(0, bytes.length - 12_000));
    tries.push([`cut-${name}`, /cut short|damaged/]);
    const flipped = bytes.slice();
    flipped[name === "x.tar" ? bytes.length - 10240 - 500 : bytes.length - 40] ^= 0xff;
    if (name !== "x.tar") write(`flipped-${name}`, flipped), tries.push([`flipped-${name}`, /./]);
  }
  const good = { name: "good", content: "x" };
  write("n.tar", rawTar([good, { name: "n", type: "N", content: "x" }]));
  write("m.tar", rawTar([good, { name: "m", type: "M", content: "x" }]));
  write("z.tar", rawTar([good, { name: "z", type: "Z" }]));
  write("up.tar", rawTar([good, { name: "../up", content: "x" }]));
  tries.push(
    ["n.tar", /a table of long names as GNU tar wrote it before 1993.*entry "n"/],
    ["m.tar", /later part, from an archive in several volumes.*entry "m"/],
    ["z.tar", /type "Z" are not supported/],
    ["up.tar", /a part "\.\."/],
  );
  for (const [name, message] of tries) {
    const args = ["restore", place.path(name), "--target", place.path("out"), "--json"];
    const refused = await place.run(args);
    assert.equal(refused.code, 12, `${name}: ${refused.stdout}`);
    assert.equal(refused.json.error.code, "ARCHIVE_CORRUPT");
    assert.match(refused.json.error.message, message, name);
    assert.ok(!names(place.dir).includes("out"), name);
  }
});

Deno.test("restore FILE takes no archive of duckback's whose beginning is lost for another program's", async () => {
  await using place = new Place();
  const dir = await tree(place);
  for (const kind of ["tar", "tar.gz", "tar.zst"]) {
    const file = place.path(`whole-${kind.replace(".", "-")}.${kind}`);
    await place.ok(["backup", "create", "--output", file, "--work-dir", dir]);
    const bytes = Deno.readFileSync(file);
    const first = kind === "tar"
      ? 512 + Math.ceil(parseInt(new TextDecoder().decode(bytes.subarray(124, 135)), 8) / 512) * 512
      : bytes.findIndex((_, i) => i > 0 && isBlock(bytes, i, kind));
    assert.ok(first > 0, kind);
    Deno.writeFileSync(place.path(`late.${kind}`), bytes.subarray(first));
    const to = place.path("out");
    const refused = await place.run(["restore", place.path(`late.${kind}`), "--target", to]);
    assert.equal(refused.code, 12, `${kind}: ${refused.stdout}${refused.stderr}`);
    assert.ok(!names(place.dir).includes("out"), kind);
  }
});

/** Whether a gzip member of duckback's, or a zstd frame, begins at `at`. */
function isBlock(bytes: Uint8Array, at: number, kind: string): boolean {
  const wanted = kind === "tar.gz" ? [0x1f, 0x8b, 8, 4, 0] : [0x28, 0xb5, 0x2f, 0xfd];
  return wanted.every((byte, i) => bytes[at + i] === byte);
}

Deno.test("restore FILE says what an incremental archive of GNU tar does not hold", async () => {
  await using place = new Place();
  const dir = await tree(place);
  for (const format of ["gnu", "pax"]) {
    await sh(
      `rm -f snar; tar --format=${format} -g snar -cf 0.tar -C t .; sleep 0.01; echo new > t/d/new
       tar --format=${format} -g snar -cf 1.tar -C t .; rm t/d/new`,
      place.dir,
    );
    const whole = place.path(`whole-${format}`);
    await place.ok(["restore", place.path("0.tar"), "--target", whole]);
    assert.equal(
      (await fingerprint(whole)).split("\n").length,
      (await fingerprint(dir)).split("\n").length,
    );
    const to = place.path(`part-${format}`);
    const partly = await place.run(["restore", place.path("1.tar"), "--target", to, "--json"]);
    assert.equal(partly.code, 3, partly.stdout + partly.stderr);
    assert.match(
      partly.json.warnings[0].message,
      /unchanged files of .* could not be restored: GNU tar left them out of this incremental archive/,
    );
    assert.equal(Deno.readTextFileSync(`${to}/d/new`), "new\n");
  }
});

Deno.test("restore FILE refuses a later volume of several, and the first one alone", async () => {
  await using place = new Place();
  await tree(place);
  await sh(`tar -cM -L 1000 -f v1.tar -f v2.tar -f v3.tar -f v4.tar -C t .`, place.dir);
  for (
    const [name, message] of [["v1.tar", /cut short/], ["v2.tar", /in several volumes/]] as const
  ) {
    const to = place.path("out");
    const refused = await place.run(["restore", place.path(name), "--target", to, "--json"]);
    assert.equal(refused.code, 12);
    assert.match(refused.json.error.message, message);
    assert.ok(!names(place.dir).includes("out"), name);
  }
});

Deno.test("restore FILE refuses what the disk has no room for before it writes anything", async () => {
  await using place = new Place();
  await sh(
    `mkdir small t; head -c 40000000 /dev/zero > t/a; cp t/a t/b; cp t/a t/c; tar -czf x.tar.gz -C t .`,
    place.dir,
  );
  await sh(`mount -t tmpfs -o size=100m none small`, place.dir);
  try {
    const args = ["restore", place.path("x.tar.gz"), "--target", place.path("small/out"), "--json"];
    const refused = await place.run(args);
    assert.equal(refused.code, 1);
    assert.equal(refused.json.error.code, "DISK_FULL");
    assert.match(refused.json.error.message, /it takes 114\.4 MiB, .* are free/);
    assert.deepEqual(names(place.path("small")), []);
  } finally {
    await sh(`umount small`, place.dir);
  }
});
