/** The layout of the binary, what stays out of it, and when it is made again. */
import assert from "node:assert/strict";
import { cut } from "../../../scripts/compile/denort.ts";
import { belongs, isKept, reachedPackages } from "../../../scripts/compile/left_out.ts";
import {
  elfImage,
  encodeIndex,
  indexOffset,
  layOut,
  readIndex,
} from "../../../scripts/compile/payload.ts";
import { arMember } from "../../../scripts/compile/debian_library.ts";
import { packageKey, packageOf, type PackagesIndex } from "../../../scripts/compile/package_key.ts";
import { scriptsOf } from "../../../scripts/compile/packages.ts";
import { TARGETS } from "../../../scripts/compile/targets.ts";
import { isStale } from "../../../scripts/test.ts";

/** An ELF file of nothing but a header and two section headers, with `tail` behind it. */
function elf(machine: number, tail = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64 + 2 * 64 + tail);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x7f454c46);
  view.setUint16(4, 0x0201);
  view.setUint16(0x12, machine, true);
  view.setBigUint64(0x28, 64n, true);
  view.setUint16(0x3a, 64, true);
  view.setUint16(0x3c, 2, true);
  return bytes;
}

Deno.test("elfImage() finds the machine and the end of the image", () => {
  assert.deepEqual(elfImage(elf(62, 1000)), { machine: 62, end: 192 });
  assert.throws(() => elfImage(new TextEncoder().encode("#!/bin/sh".padEnd(64))), /not a 64-bit/);
  assert.throws(() => elfImage(elf(62).subarray(0, 40)), /not a 64-bit/);
});

Deno.test("cut() takes the image and refuses another architecture's or a short one", () => {
  assert.equal(cut(elf(62, 500), TARGETS.x86_64).length, 192);
  assert.throws(
    () => cut(elf(62), TARGETS.aarch64),
    /not an executable for aarch64: its ELF machine is 62/,
  );
  assert.throws(() => cut(elf(62).subarray(0, 100), TARGETS.x86_64), /cut short/);
});

Deno.test("layOut() puts libraries on pages of their own behind the index", async () => {
  const image = elf(62);
  const files = layOut(image.length, [{ name: "a.so", length: 5000 }, { name: "b", length: 1 }]);
  assert.deepEqual(files, [
    { name: "a.so", offset: 8192, length: 5000 },
    { name: "b", offset: 16384, length: 1 },
  ]);
  const path = await Deno.makeTempFile();
  try {
    const bytes = new Uint8Array(20000);
    bytes.set(image);
    bytes.set(encodeIndex(files), indexOffset(image.length));
    await Deno.writeFile(path, bytes);
    assert.deepEqual(readIndex(path), files);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("isKept() keeps code, data and licences and nothing else", () => {
  for (
    const path of [
      "lib/a.js",
      "a.cjs",
      "package.json",
      "a.js.map",
      "LICENSE",
      "a/b.proto",
      "dist/doc/a.js",
    ]
  ) {
    assert.ok(isKept("dockerode", path), path);
  }
  for (
    const path of ["a.d.ts", "a.d.cts", "a.d.ts.map", "src/a.ts", "README.md", "test/a.js", "a.cc"]
  ) {
    assert.ok(!isKept("dockerode", path), path);
  }
  assert.ok(!isKept("@types/node", "index.js"));
  assert.ok(!isKept("@duckdb/node-bindings-linux-x64-musl", "libduckdb.so"));
});

Deno.test("belongs() reads the paths inside the binary", () => {
  const packages = ".deno_compile_node_modules/localhost";
  assert.ok(belongs("lib/archive/pack.ts"));
  assert.ok(belongs(`${packages}/@logtape/logtape/2.4.2/dist/mod.js`));
  assert.ok(belongs(`${packages}/ms/2.1.3/index.js`));
  assert.ok(!belongs(`${packages}/ms/2.1.3/index.d.ts`));
  assert.ok(!belongs(`${packages}/@types/node/24.0.0/index.js`));
  assert.ok(!belongs("tests/unit/a.ts"));
  assert.ok(!belongs("lib/archive/pack_test.ts"));
});

Deno.test("reachedPackages() leaves out what only tests import, and what is loaded for nothing", () => {
  const entry = (name: string, dependencies: string[] = []) => ({
    name,
    version: "1.0.0",
    dependencies,
  });
  const graph = {
    modules: [{}, { npmPackage: "a@1.0.0" }],
    npmPackages: {
      "a@1.0.0": entry("a", ["b@1.0.0", "gone@1.0.0", "ssh2@1.0.0"]),
      "ssh2@1.0.0": entry("ssh2", ["asn1@1.0.0"]),
      "asn1@1.0.0": entry("asn1"),
      "b@1.0.0": entry("b", ["a@1.0.0"]),
      "fast-check@1.0.0": entry("fast-check", ["b@1.0.0"]),
    },
  };
  assert.deepEqual([...reachedPackages(graph)].sort(), ["a@1.0.0", "b@1.0.0"]);
});

Deno.test("arMember() finds a file in an ar archive, however long those before it are", () => {
  const text = new TextEncoder();
  const member = (name: string, content: string) =>
    `${name.padEnd(16)}${"0".padEnd(32)}${String(content.length).padEnd(10)}\`\n${content}` +
    (content.length % 2 === 1 ? "\n" : "");
  const bytes = text.encode(
    "!<arch>\n" + member("debian-binary/", "2.0") + member("data.tar.xz", "the data"),
  );
  assert.equal(new TextDecoder().decode(arMember(bytes, "data.tar.xz")), "the data");
  assert.equal(new TextDecoder().decode(arMember(bytes, "debian-binary")), "2.0");
  assert.throws(() => arMember(bytes, "control.tar.xz"), /has no control/);
});

Deno.test("scriptsOf() makes one script of each package of many files, which give what they gave", () => {
  const sources = Object.fromEntries(
    ["a", "b", "c", "d"].map((name) => [`@x/y/1.0.0/lib/${name}.js`, `exports.v = "${name}€";`]),
  );
  const bytes = scriptsOf({ ...sources, "few/1.0.0/index.js": "// one file" });
  const end = bytes.indexOf(0x0a);
  const index: PackagesIndex = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  assert.deepEqual(Object.keys(index), ["@x/y/1.0.0"]);
  const [at, length] = index["@x/y/1.0.0"];
  const script = new TextDecoder().decode(bytes.subarray(end + 1 + at, end + 1 + at + length));
  const functions = (0, eval)(script);
  assert.deepEqual(Object.keys(functions), Object.keys(sources));
  const exports: { v?: string } = {};
  functions["@x/y/1.0.0/lib/b.js"](exports);
  assert.equal(exports.v, "b€");
  assert.throws(() => scriptsOf({ ...sources, "@x/y/1.0.0/e.js": "return }" }), SyntaxError);
});

Deno.test("packageKey() names a package's file alike in the cache and in a binary", () => {
  const key = "@duckdb/node-api/1.5.5-r.5/lib/index.js";
  assert.equal(packageKey(`/root/.cache/deno/npm/registry.npmjs.org/${key}`), key);
  assert.equal(packageKey(`/tmp/deno-compile-x/.deno_compile_node_modules/localhost/${key}`), key);
  assert.equal(packageKey("/srv/project/lib/a.js"), null);
  assert.equal(packageOf(key), "@duckdb/node-api/1.5.5-r.5");
  assert.equal(packageOf("yaml/2.9.1/dist/index.js"), "yaml/2.9.1");
});

Deno.test("isStale() sees a missing executable and a changed source, in any depth", async () => {
  const directory = await Deno.makeTempDir();
  const [made, changed] = [new Date("2026-01-02T00:00:00Z"), new Date("2026-01-03T00:00:00Z")];
  try {
    const [executable, source] = [`${directory}/duckback`, `${directory}/lib/core/a.ts`];
    await Deno.mkdir(`${directory}/lib/core`, { recursive: true });
    await Deno.writeTextFile(source, "");
    assert.ok(await isStale(executable, [`${directory}/lib`]));
    await Deno.writeTextFile(executable, "");
    for (const path of [source, `${directory}/lib/core`, `${directory}/lib`, executable]) {
      await Deno.utime(path, made, made);
    }
    assert.ok(!await isStale(executable, [`${directory}/lib`, `${directory}/gone`]));
    await Deno.utime(source, changed, changed);
    assert.ok(await isStale(executable, [`${directory}/lib`]));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
