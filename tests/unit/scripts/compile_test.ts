/** The layout of the binary, what stays out of it, and when it is made again. */
import assert from "node:assert/strict";
import { Script } from "node:vm";
import { cut } from "../../../scripts/compile/denort.ts";
import { asFunction, belongs } from "../../../scripts/compile/bundle.ts";
import { loadedPart } from "../../../scripts/compile/elf.ts";
import { reachedPackages } from "../../../scripts/compile/licenses.ts";
import {
  elfImage,
  encodeIndex,
  indexOffset,
  layOut,
  readCarried,
  readIndex,
} from "../../../scripts/compile/payload.ts";
import { arMember } from "../../../scripts/compile/debian_library.ts";
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
    assert.deepEqual(readCarried(path, "a.so"), bytes.slice(8192, 13192));
    assert.equal(readCarried(path, "c"), null);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("asFunction() makes a strict function of ASCII out of a CommonJS script", () => {
  const script = asFunction(
    'module.exports={own:this===undefined,text:"5 µs \u{1f986}",path:require("x")};',
  );
  assert.match(script, /^[\0-\x7f]*$/);
  const module = { exports: {} };
  new Script(script).runInThisContext()((name: string) => `found ${name}`, module, module.exports);
  assert.deepEqual(module.exports, { own: true, text: "5 µs \u{1f986}", path: "found x" });
  assert.throws(() => asFunction('const a=await import("node:fs")'), /cannot import/);
});

Deno.test("belongs() knows what is to be in the binary", () => {
  for (
    const path of [
      "preload.js",
      "licenses.txt",
      "migrations/0001_first.sql",
      "lib/bundle/main.js",
      "lib/bundle/codec_worker.ts",
    ]
  ) assert.ok(belongs(path), path);
  for (
    const path of [
      "main.ts",
      "lib/archive/pack.ts",
      "migrations/README",
      "tests/unit/a.ts",
      ".deno_compile_node_modules/localhost/ms/2.1.3/index.js",
      "lib/bundle/duckdb.node",
      "lib/bundle/chunk-ABC123.js",
    ]
  ) assert.ok(!belongs(path), path);
});

Deno.test("loadedPart() cuts off what lies behind the last loaded segment", () => {
  const bytes = new Uint8Array(1000);
  bytes.set(elf(62));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0x20, 192n, true);
  view.setUint16(0x36, 56, true);
  view.setUint16(0x38, 2, true);
  for (const [i, [type, offset, size]] of [[1, 300, 400], [4, 900, 50]].entries()) {
    view.setUint32(192 + i * 56, type, true);
    view.setBigUint64(192 + i * 56 + 8, BigInt(offset), true);
    view.setBigUint64(192 + i * 56 + 0x20, BigInt(size), true);
  }
  const part = loadedPart(bytes);
  assert.equal(part.length, 700);
  assert.equal(elfImage(part).end, 0, "no section headers");
  assert.equal(bytes[0x3c], 2, "what was given is left alone");
  assert.throws(() => loadedPart(elf(62)), /nothing to load/);
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
