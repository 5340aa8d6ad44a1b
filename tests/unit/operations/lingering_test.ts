/** A catalogue that is counted instead of opened. */
import assert from "node:assert/strict";
import type { Catalog } from "../../../lib/catalog/open_catalog.ts";
import { LingeringCatalog } from "../../../lib/operations/lingering.ts";

function counted() {
  const count = { opened: 0, closed: 0 };
  const lingering = new LingeringCatalog(() => {
    count.opened++;
    const close = () => Promise.resolve(void count.closed++);
    return Promise.resolve({ close } as unknown as Catalog);
  });
  return { count, lingering };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("LingeringCatalog.use() opens once for uses that follow one another", async () => {
  const { count, lingering } = counted();
  for (let i = 0; i < 3; i++) assert.equal(await lingering.use(() => Promise.resolve(i)), i);
  assert.deepEqual(count, { opened: 1, closed: 0 });
  await lingering[Symbol.asyncDispose]();
  assert.deepEqual(count, { opened: 1, closed: 1 });
});

Deno.test("LingeringCatalog closes when nobody uses it, and never while somebody does", async () => {
  const { count, lingering } = counted();
  await lingering.use(() => pause(250));
  assert.deepEqual(count, { opened: 1, closed: 0 });
  await pause(250);
  assert.deepEqual(count, { opened: 1, closed: 1 });
  await lingering.use(() => Promise.resolve());
  assert.deepEqual(count, { opened: 2, closed: 1 });
  await lingering[Symbol.asyncDispose]();
  assert.deepEqual(count, { opened: 2, closed: 2 });
});

Deno.test("LingeringCatalog.use() closes at once where the use fails, and opens anew", async () => {
  const { count, lingering } = counted();
  const bad = new Error("full");
  await assert.rejects(lingering.use(() => Promise.reject(bad)), (error) => error === bad);
  assert.deepEqual(count, { opened: 1, closed: 1 });
  await lingering.use(() => Promise.resolve());
  assert.deepEqual(count, { opened: 2, closed: 1 });
  await lingering[Symbol.asyncDispose]();
});

Deno.test("LingeringCatalog.use() passes on that it cannot be opened, and tries again", async () => {
  let tries = 0;
  const lingering = new LingeringCatalog(() => Promise.reject(new Error(`locked ${++tries}`)));
  await assert.rejects(lingering.use(() => Promise.resolve()), /locked 1/);
  await assert.rejects(lingering.use(() => Promise.resolve()), /locked 2/);
});
