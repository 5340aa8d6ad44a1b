import assert from "node:assert/strict";
import { join } from "node:path";
import { homeAt } from "../../../lib/repository/home.ts";
import {
  JournalFile,
  keepAside,
  listAside,
  listJournals,
} from "../../../lib/repository/journal.ts";

const RUN = {
  kind: "backup",
  operation: "backup create",
  stack: "shop",
  work_dir: "/srv/shop",
  pid: 1,
  started_at: "2026-01-01T00:00:00.000Z",
  backup_id: 1,
} as const;

Deno.test("JournalFile.read() refuses what recovery could not follow", () => {
  const dir = Deno.makeTempDirSync();
  try {
    const file = JournalFile.create(homeAt(dir), { ...RUN, plan: { items: [] } });
    const good = Deno.readTextFileSync(file.path);
    assert.deepEqual(JournalFile.read(file.path).data, file.data);
    const data = JSON.parse(good);
    const bad = [
      "",
      "null",
      "[]",
      good.slice(0, -2),
      "\0".repeat(good.length),
      ...[
        { version: 2 },
        { id: 1 },
        { operation: null },
        { swaps: null },
        { hooks: {} },
        { plan: 1 },
        { plan: {} },
        { plan: { items: [null] } },
        { plan: { items: [{ id: "a" }] } },
        { users: { items: [{ name: "a" }] } },
      ].map((change) => JSON.stringify({ ...data, ...change })),
    ];
    for (const text of bad) {
      Deno.writeTextFileSync(file.path, text);
      assert.throws(() => JournalFile.read(file.path), text);
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("listAside() finds what keepAside() put away, listJournals() does not", () => {
  const dir = Deno.makeTempDirSync();
  try {
    const home = homeAt(dir);
    assert.deepEqual(listAside(home), []);
    const { path } = JournalFile.create(home, RUN);
    assert.equal(keepAside(path), `${path}.unreadable`);
    assert.deepEqual(listJournals(home), []);
    assert.deepEqual(listAside(home), [
      join(home.journal, "1767225600000-1-backup.json.unreadable"),
    ]);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
