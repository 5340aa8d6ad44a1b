import assert from "node:assert/strict";
import { containersIn } from "../../../lib/operations/lost_journal.ts";

const ID = "0123456789abcdef".repeat(4);

Deno.test("containersIn() names the containers in a journal that is cut off", () => {
  const text = JSON.stringify(
    {
      id: "1-2-backup",
      plan: { items: [{ id: ID, name: "shop_web_1" }, { id: ID, name: "shop_db_1" }] },
      users: { items: [{ id: ID, name: "shop_web_1" }] },
      swaps: [{ name: "data" }],
    },
    null,
    1,
  );
  assert.deepEqual(containersIn(text), ["shop_web_1", "shop_db_1"]);
  assert.deepEqual(containersIn(text.slice(0, text.indexOf("shop_db_1") + 4)), ["shop_web_1"]);
  assert.deepEqual(containersIn(text.replace(/\s/g, "")), ["shop_web_1", "shop_db_1"]);
});

Deno.test("containersIn() finds nothing in what is no journal", () => {
  for (const text of ["", "{}", "\0".repeat(4096), '{"name": "data"}']) {
    assert.deepEqual(containersIn(text), []);
  }
});
