/** ACLs go into text and back, whoever wrote the text. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { aclFromText, aclToText, type IdOf } from "../../../lib/archive/acl.ts";

const nobody: IdOf = () => undefined;
const daemon: IdOf = (kind, name) => name === "daemon" ? (kind === "user" ? 1 : 2) : undefined;

const FULL = "user::rwx,user:0:r--,user:4294967294:-w-,group::r-x,group:7:--x,mask::rw-,other::---";

Deno.test("aclFromText() reads what aclToText() writes", () => {
  assert.equal(aclToText(aclFromText(FULL, nobody)!), FULL);
  const id = fc.integer({ min: 0, max: 0xfffffffe });
  const bits = fc.integer({ min: 0, max: 7 }).map((n) =>
    (n & 4 ? "r" : "-") + (n & 2 ? "w" : "-") + (n & 1 ? "x" : "-")
  );
  const entry = fc.tuple(fc.constantFrom("user", "group"), id, bits);
  fc.assert(fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
    const text = ["user::rwx", ...entries.map((parts) => parts.join(":")), "other::r--"].join(",");
    const bytes = aclFromText(text, nobody)!;
    assert.deepEqual(aclFromText(aclToText(bytes)!, nobody), bytes);
    assert.equal(bytes.length, 4 + 8 * (entries.length + 2));
  }));
});

Deno.test("aclFromText() takes GNU tar's lines, star's and bsdtar's numbers, and any order", () => {
  const wanted = "user::rw-,user:1:rwx,group::r--,group:2:r-x,mask::rwx,other::r--";
  const texts = [
    "user::rw-\nuser:daemon:rwx\ngroup::r--\ngroup:daemon:r-x\t#effective:r-x\nmask::rwx\nother::r--\n",
    "user::rw-,group::r--,other::r--,user:unknown:rwx:1,group:daemon:r-x:2,mask::rwx",
    "# file: x\nuser::rw,user:1:rwx,group::r,group:2:rx,mask::rwx,other::r",
  ];
  for (const text of texts) assert.equal(aclToText(aclFromText(text, daemon)!), wanted, text);
});

Deno.test("aclFromText() and aclToText() give null for what is no ACL", () => {
  const wrong = ["", "\n", "user::rwz", "user", "who:1:rwx", "mask:1:rwx", "user:nobody-here:rwx"];
  for (const text of [...wrong, "user:4294967295:rwx", "user:99999999999:rwx", "user:-1:r--"]) {
    assert.equal(aclFromText(text, nobody), null, text);
  }
  assert.equal(aclFromText("user:1:rwx,".repeat(9000), nobody), null);
  const good = aclFromText(FULL, nobody)!;
  const patched = (at: number, value: number) => good.with(at, value);
  for (
    const bytes of [
      good.slice(0, 4),
      good.slice(0, 13),
      patched(0, 3),
      patched(4, 3),
      patched(6, 9),
    ]
  ) {
    assert.equal(aclToText(bytes), null);
  }
});
