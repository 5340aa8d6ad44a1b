import assert from "node:assert/strict";
import { Amendments, BlockTable, mergeSpans, spanBytes } from "../../../lib/archive/block_table.ts";

function table(...blocks: [number, number, number][]): BlockTable {
  const made = new BlockTable();
  for (const [content, offset, length] of blocks) made.add(content, offset, length);
  return made;
}

Deno.test("mergeSpans() sorts spans and joins those that touch", () => {
  const merged = mergeSpans([
    { start: 50, end: 60 },
    { start: 0, end: 10 },
    { start: 10, end: 20 },
    { start: 55, end: 70 },
  ]);
  assert.deepEqual(merged, [{ start: 0, end: 20 }, { start: 50, end: 70 }]);
  assert.equal(spanBytes(merged), 40);
});

Deno.test("BlockTable tells where contents begin in the tar stream", () => {
  const blocks = [...table([100, 0, 30], [100, 30, 40], [7, 70, 5])];
  assert.deepEqual(blocks.map((block) => block.start), [0, 100, 200]);
});

Deno.test("Amendments move rows within their block and with it, and drop what was cut out", () => {
  const before = table([100, 0, 30], [100, 30, 40], [100, 70, 40]);
  const after = table([90, 0, 30], [60, 30, 44], [95, 74, 40]);
  const spans = [{ start: 10, end: 20 }, { start: 130, end: 170 }, { start: 198, end: 205 }];
  const amended = new Amendments(before, after, spans, null);
  const rows: [number, number, { offset: number; inner: number } | null][] = [
    [0, 0, { offset: 0, inner: 0 }],
    [0, 10, null],
    [0, 19, null],
    [0, 20, { offset: 0, inner: 10 }],
    [30, 0, { offset: 30, inner: 0 }],
    [30, 30, null],
    [30, 70, { offset: 30, inner: 30 }],
    [30, 98, null],
    [70, 0, null],
    [70, 5, { offset: 74, inner: 0 }],
    [70, 50, { offset: 74, inner: 45 }],
  ];
  for (const [offset, inner, place] of rows) {
    assert.deepEqual(amended.place(offset, inner), place, `${offset} ${inner}`);
  }
  assert.throws(() => amended.place(1000, 0), /No block begins at 1000/);
});

Deno.test("Amendments of an archive that is not compressed count in the whole stream", () => {
  const before = table([100, 0, 100], [100, 100, 100], [50, 200, 50]);
  const spans = [{ start: 90, end: 120 }, { start: 210, end: 220 }];
  const amended = new Amendments(before, table(), spans, 100);
  assert.deepEqual(amended.place(0, 50), { offset: 0, inner: 50 });
  assert.equal(amended.place(100, 10), null);
  assert.deepEqual(amended.place(100, 30), { offset: 100, inner: 0 });
  assert.deepEqual(amended.place(200, 30), { offset: 100, inner: 90 });
});
