import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeJson, decodeText, encodeJson, encodeText } from "../../../lib/catalog/text.ts";

/** Any string of code units, with those that need care made frequent. */
const anyText = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 0xffff }),
    fc.constantFrom(0, 0xfdd0, 0x30, 0x64, 0xd83d, 0xde00, 0xdc80, 0xdcff),
  ),
  { maxLength: 30 },
).map((units) => String.fromCharCode(...units));

Deno.test("encodeText() makes every string well-formed without NUL, and decodeText() undoes it", () => {
  fc.assert(fc.property(anyText, (text) => {
    const encoded = encodeText(text);
    assert.ok(encoded.isWellFormed() && !encoded.includes("\0"));
    assert.equal(decodeText(encoded), text);
  }));
});

Deno.test("encodeText() leaves ordinary text as it is", () => {
  for (const text of ["", "plain", "Grüße 😀", "dce9", "a\nb\x1b"]) {
    assert.equal(encodeText(text), text);
  }
  assert.equal(encodeText("caf\udce9"), "caf\ufdd0dce9");
});

Deno.test("encodeJson() keeps any value, keys included, and gives JSON without lone surrogates", () => {
  const key = anyText.filter((text) => text !== "__proto__");
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      anyText,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(key, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(fc.property(tree, (value) => {
    const text = encodeJson(value);
    assert.ok(text.isWellFormed());
    assert.doesNotMatch(text, /(?<!\\)(\\\\)*\\u(d[89a-f]|0000)/);
    assert.deepEqual(decodeJson(text), value);
  }));
});
