import assert from "node:assert/strict";
import { BoundedText } from "../../../lib/core/bounded_text.ts";

Deno.test("BoundedText keeps all of a short text, and of a long one beginning, end and how much is missing", () => {
  const text = new BoundedText(5, 5);
  for (const piece of ["abc", "defg", "hij"]) text.append(piece);
  assert.equal(String(text), "abcdefghij");
  for (const piece of ["k".repeat(30), "l", "mnop"]) text.append(piece);
  assert.equal(String(text), "abcde\n[... 35 characters left out ...]\nlmnop");
  assert.equal(String(text), "abcde\n[... 35 characters left out ...]\nlmnop", "twice the same");
});
