import assert from "node:assert/strict";
import fc from "fast-check";
import { decodePath, encodePath, printable } from "../../../lib/core/paths.ts";

Deno.test("decodePath() and encodePath() give any bytes back", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.deepEqual(encodePath(decodePath(bytes)), bytes);
  }));
});

Deno.test("decodePath() keeps what is UTF-8 readable beside what is not", () => {
  const bytes = Uint8Array.from([0x66, 0xc3, 0xbc, 0xff, 0x72]);
  assert.equal(decodePath(bytes), "fü\udcffr");
});

Deno.test("decodePath() survives JSON", () => {
  const name = decodePath(Uint8Array.from([0x80, 0x41, 0xfe]));
  assert.equal(JSON.parse(JSON.stringify(name)), name);
});

Deno.test("printable() lets no name drive a terminal", () => {
  assert.equal(printable("a\x1b[31mb\nc\u202e\udcff"), "a\\x1b[31mb\\nc\\u202e\\xff");
  assert.equal(printable("Grüße 🦆"), "Grüße 🦆");
});
