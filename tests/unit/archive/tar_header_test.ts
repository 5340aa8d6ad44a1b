/** Headers and pax records survive a round trip and agree with another implementation. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Header, Pax } from "tar";
import type { EntryType } from "../../../lib/core/model.ts";
import { decodePath, encodePath } from "../../../lib/core/paths.ts";
import { type EntryHead, HeaderBuilder } from "../../../lib/archive/entry_header.ts";
import { formatTime, parseTime, PaxBuilder, readPax } from "../../../lib/archive/pax.ts";
import { HeaderError, HeaderWriter, readHeader } from "../../../lib/archive/tar_header.ts";
import { type TarEntry, TarParser } from "../../../lib/archive/tar_parser.ts";
import { fixChecksum } from "../../fixtures/raw_tar.ts";

const NONE = new Uint8Array(0);

function head(fields: Partial<EntryHead>): EntryHead {
  return {
    ...{ path: encodePath("a"), type: "file", mode: 0o644, uid: 0, gid: 0, size: 0 },
    ...{ mtime_s: 0, mtime_ns: 0, link: NONE, uname: NONE, gname: NONE },
    ...{ rdev_major: 0, rdev_minor: 0, xattrs: [], real_size: null },
    ...fields,
  };
}

/** The entry that our reader makes of header bytes. */
function parsed(bytes: Uint8Array): TarEntry {
  let found: TarEntry | undefined;
  const parser = new TarParser("test", {
    entry: (entry) => found = entry,
    data() {},
    hole() {},
    end() {},
  });
  // In pieces, so that headers lie across their borders.
  for (let at = 0; at < bytes.length; at += 300) parser.feed(bytes.subarray(at, at + 300), 0, at);
  return found!;
}

/** Bytes of any name Linux allows: no NUL, no slash, not "." or "..". */
const name = fc.uint8Array({ minLength: 1, maxLength: 255 }).map((bytes) =>
  bytes.map((byte) => byte === 0 || byte === 0x2f ? 0x61 : byte)
).filter((bytes) => ![".", ".."].includes(String.fromCharCode(...bytes)));
const path = fc.array(name, { minLength: 1, maxLength: 12 }).map((names) =>
  encodePath(names.map((bytes) => decodePath(bytes)).join("/"))
);
const anyHead = fc.record({
  path,
  type: fc.constantFrom<EntryType>(
    "file",
    "directory",
    "symlink",
    "hardlink",
    "fifo",
    "char",
    "block",
  ),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xfffffffe }),
  gid: fc.integer({ min: 0, max: 0xfffffffe }),
  size: fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 2 ** 45 })),
  mtime_s: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
  mtime_ns: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
  link: path,
  uname: fc.uint8Array({ maxLength: 60 }).map((bytes) => bytes.map((byte) => byte || 0x62)),
  gname: fc.constant(NONE),
  rdev_major: fc.integer({ min: 0, max: 4095 }),
  rdev_minor: fc.integer({ min: 0, max: 0xfffff }),
});

Deno.test("HeaderBuilder.build() is read back the same, whatever the names and numbers", () => {
  const builder = new HeaderBuilder();
  fc.assert(
    fc.property(anyHead, (fields) => {
      const isLink = fields.type === "symlink" || fields.type === "hardlink";
      const isDevice = fields.type === "char" || fields.type === "block";
      const given: EntryHead = {
        ...fields,
        ...{ xattrs: [], real_size: null },
        link: isLink ? fields.link : NONE,
        size: fields.type === "file" ? fields.size : 0,
        ...(isDevice ? {} : { rdev_major: 0, rdev_minor: 0 }),
      };
      const bytes = builder.build(given);
      assert.equal(bytes.length % 512, 0);
      const entry = parsed(bytes);
      assert.deepEqual(encodePath(entry.path), given.path);
      assert.deepEqual(entry.link === null ? NONE : encodePath(entry.link), given.link);
      for (const key of ["type", "mode", "uid", "gid", "size", "mtime_s", "mtime_ns"] as const) {
        assert.equal(entry[key], given[key], key);
      }
      assert.deepEqual([entry.rdev_major, entry.rdev_minor], [given.rdev_major, given.rdev_minor]);
    }),
    { numRuns: 500, seed: 1 },
  );
});

Deno.test("HeaderBuilder.build() makes the same bytes whatever it made before", () => {
  const builder = new HeaderBuilder();
  // Some in a row differ in size and time alone, as the files of a directory do.
  const alike = fc.tuple(
    anyHead,
    fc.array(fc.record({ size: fc.nat(2 ** 33), mtime_s: fc.nat() })),
  );
  fc.assert(
    fc.property(alike, ([first, others]) => {
      for (const fields of [{}, ...others, {}]) {
        const one = head({ ...first, ...fields });
        assert.deepEqual(builder.build(one), new HeaderBuilder().build(one));
      }
    }),
    { numRuns: 200, seed: 5 },
  );
});

Deno.test("HeaderBuilder.build() needs no pax header for an ordinary entry", () => {
  const bytes = new HeaderBuilder().build(
    head({ path: encodePath("a/b"), mtime_s: 1_700_000_000 }),
  );
  assert.equal(bytes.length, 512);
  assert.equal(new HeaderBuilder().build(head({ mtime_ns: 1 })).length, 3 * 512);
});

Deno.test("HeaderBuilder.build() marks names that are not UTF-8 as such, before them", () => {
  const bytes = new HeaderBuilder().build(head({ path: Uint8Array.of(0x61, 0xff) }));
  const body = new TextDecoder("latin1").decode(bytes.subarray(512, 600));
  assert.match(body, /^21 hdrcharset=BINARY\n11 path=a\xff\n/);
});

Deno.test("HeaderBuilder.build() agrees with npm:tar's Header and Pax", () => {
  const builder = new HeaderBuilder();
  const text = fc.stringMatching(/^[a-zA-Zäö0-9 ._-]{1,60}$/).filter((name) => !/^\.+$/.test(name));
  const time = fc.integer({ min: 1, max: 4_000_000_000 });
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 1, maxLength: 5 }),
      time,
      fc.nat(999),
      (names, s, ms) => {
        const bytes = builder.build(head({
          ...{ path: encodePath(names.join("/")), mtime_s: s, mtime_ns: ms * 1_000_000 + 1 },
          ...{ size: 2 ** 40 + 7, uid: 4_000_000, gid: 12, mode: 0o4711 },
        }));
        const buffer = Buffer.from(bytes);
        const first = new Header(buffer, 0);
        assert.equal(first.type, "ExtendedHeader");
        assert.ok(first.cksumValid);
        const body = buffer.subarray(512, 512 + first.size!).toString("utf8");
        const pax = Pax.parse(body);
        const main = new Header(buffer, bytes.length - 512, pax);
        assert.ok(main.cksumValid);
        assert.equal(main.path, names.join("/"));
        assert.deepEqual([main.size, main.uid, main.gid, main.mode], [
          ...[2 ** 40 + 7, 4_000_000, 12, 0o4711],
        ]);
        assert.equal(main.mtime!.getTime(), s * 1000 + ms);
      },
    ),
    { numRuns: 200, seed: 2 },
  );
});

Deno.test("readHeader() reads what npm:tar's Header writes, base-256 numbers too", () => {
  const buffer = Buffer.alloc(512);
  const written = new Header({
    ...{ path: "dir/" + "x".repeat(60) + "/" + "y".repeat(90), mode: 0o755, uid: 5, gid: 6 },
    ...{ size: 9 * 2 ** 30, mtime: new Date(1e12), type: "File", uname: "root", gname: "wheel" },
  });
  written.encode(buffer);
  const header = readHeader(buffer, 0);
  assert.equal(decodePath(header.name), written.path);
  assert.equal(header.size, 9 * 2 ** 30);
  assert.equal(header.mtime, 1e9);
  assert.equal(header.typeflag, "0");
});

Deno.test("readHeader() takes negative times and signed checksums, and refuses nonsense", () => {
  const bytes = new Uint8Array(512);
  const raw = {
    ...{ name: encodePath("é"), mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, typeflag: "0" },
    ...{ link: NONE, uname: NONE, gname: NONE, devmajor: 0, devminor: 0 },
  };
  new HeaderWriter().write(bytes, 0, raw);
  bytes.fill(0xff, 136, 148);
  fixChecksum(bytes, 0);
  assert.equal(readHeader(bytes, 0).mtime, -1);
  let signed = 0;
  for (let i = 0; i < 512; i++) {
    signed += i >= 148 && i < 156 ? 32 : (bytes[i] << 24) >> 24;
  }
  bytes.set(new TextEncoder().encode(signed.toString(8).padStart(6, "0") + "\0 "), 148);
  assert.equal(readHeader(bytes, 0).mtime, -1);
  bytes[0] ^= 1;
  assert.throws(() => readHeader(bytes, 0), HeaderError);
  assert.throws(() => readHeader(new Uint8Array(512).fill(0x39), 0), HeaderError);
});

Deno.test("formatTime() and parseTime() keep nanoseconds before and after 1970", () => {
  const table: [number, number, string][] = [
    [0, 0, "0"],
    [0, 1, "0.000000001"],
    [1, 500_000_000, "1.500000000"],
    [-1, 500_000_000, "-0.500000000"],
    [-2, 500_000_000, "-1.500000000"],
    [-1, 0, "-1"],
    [-1, 999_999_999, "-0.000000001"],
    [8_589_934_592, 7, "8589934592.000000007"],
  ];
  for (const [s, ns, text] of table) {
    assert.equal(formatTime(s, ns), text);
    assert.deepEqual(parseTime(text), { s, ns });
  }
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 45), max: 2 ** 45 }), fc.nat(999_999_999), (s, ns) => {
      assert.deepEqual(parseTime(formatTime(s, ns)), { s, ns });
    }),
  );
  assert.deepEqual(parseTime("12.5"), { s: 12, ns: 500_000_000 });
  assert.deepEqual(parseTime("12.1234567899"), { s: 12, ns: 123_456_789 });
  for (const wrong of ["", "x", "1e5", "1.2.3", " 1", "--1", "1".repeat(20)]) {
    assert.equal(parseTime(wrong), null, wrong);
  }
});

Deno.test("readPax() reads what PaxBuilder wrote, any bytes as values", () => {
  const key = fc.stringMatching(/^[A-Za-z.]{1,30}$/);
  const value = fc.uint8Array({ minLength: 1, maxLength: 1200 });
  const builder = new PaxBuilder();
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([key]) => key }), (records) => {
      builder.clear();
      for (const [key, value] of records) builder.raw(key, value);
      const read = new Map<string, Uint8Array>();
      readPax(builder.bytes(), read);
      assert.deepEqual([...read], records.map(([key, value]) => [key, Uint8Array.from(value)]));
    }),
  );
  const into = new Map([["path", Uint8Array.of(1)]]);
  readPax(new TextEncoder().encode("8 path=\n"), into);
  assert.equal(into.size, 0);
});
