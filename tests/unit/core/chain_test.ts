import assert from "node:assert/strict";
import { ancestorsOf, dependantsOf } from "../../../lib/core/chain.ts";

const link = (id: number, parent_id: number | null = null) => ({ id, parent_id });
/** 1 <- 2 <- 3, 2 <- 4, and 5 alone. */
const records = [link(5), link(4, 2), link(3, 2), link(2, 1), link(1)];
const ids = (found: { id: number }[]) => found.map(({ id }) => id);

Deno.test("ancestorsOf() goes from the nearest to the base", () => {
  const { ancestors, missing } = ancestorsOf(records, 3);
  assert.deepEqual(ids(ancestors), [2, 1]);
  assert.equal(missing, null);
  assert.deepEqual(ancestorsOf(records, 5), { ancestors: [], missing: null });
});

Deno.test("ancestorsOf() names the link that no record has", () => {
  const { ancestors, missing } = ancestorsOf([link(3, 2), link(2, 1)], 3);
  assert.deepEqual(ids(ancestors), [2]);
  assert.equal(missing, 1);
});

Deno.test("ancestorsOf() ends in a circle", () => {
  const { ancestors, missing } = ancestorsOf([link(1, 2), link(2, 1)], 1);
  assert.deepEqual(ids(ancestors), [2]);
  assert.equal(missing, 1);
});

Deno.test("dependantsOf() finds all that need a backup, nearest first", () => {
  assert.deepEqual(ids(dependantsOf(records, 1)), [2, 4, 3]);
  assert.deepEqual(ids(dependantsOf(records, 2)), [4, 3]);
  assert.deepEqual(dependantsOf(records, 3), []);
  assert.deepEqual(ids(dependantsOf([link(1, 2), link(2, 1)], 1)), [2]);
});
