import assert from "node:assert/strict";
import { join } from "node:path";
import type { DuckbackError } from "../../../lib/core/errors.ts";
import { PendingArchive } from "../../../lib/repository/pending_archive.ts";
import { ensurePrivateDir, writeDurably } from "../../../lib/repository/durable.ts";
import { homeAt } from "../../../lib/repository/home.ts";
import {
  JournalFile,
  keepAside,
  listJournals,
  type NewJournal,
} from "../../../lib/repository/journal.ts";
import { TextFile } from "../../../lib/repository/text_file.ts";

function inTemp(use: (dir: string) => void) {
  const dir = Deno.makeTempDirSync();
  const umask = Deno.umask(0);
  try {
    use(dir);
  } finally {
    Deno.umask(umask);
    Deno.removeSync(dir, { recursive: true });
  }
}

const names = (dir: string) => [...Deno.readDirSync(dir)].map((entry) => entry.name).sort();

Deno.test("PendingArchive has its final name only once it is finished", () =>
  inTemp((dir) => {
    const path = join(dir, "x.tar.gz");
    using file = PendingArchive.create(path);
    file.write(new TextEncoder().encode("hello"));
    assert.deepEqual(names(dir), ["x.tar.gz.partial"]);
    assert.equal(Deno.statSync(file.partial).mode! & 0o777, 0o600);
    file.finish();
    assert.deepEqual(names(dir), ["x.tar.gz"]);
    assert.equal(Deno.readTextFileSync(path), "hello");
  }));

Deno.test("PendingArchive leaves nothing when it is dropped", () =>
  inTemp((dir) => {
    {
      using file = PendingArchive.create(join(dir, "x.tar"));
      file.write(new Uint8Array(10));
    }
    assert.deepEqual(names(dir), []);
  }));

Deno.test("PendingArchive never replaces an archive", () =>
  inTemp((dir) => {
    const path = join(dir, "x.tar");
    using file = PendingArchive.create(path);
    Deno.writeTextFileSync(path, "older");
    assert.throws(() => file.finish(), (error: DuckbackError) => error.code === "REFUSED");
    assert.equal(Deno.readTextFileSync(path), "older");
  }));

Deno.test("PendingArchive says what is wrong with a directory that is not there", () =>
  inTemp((dir) => {
    assert.throws(
      () => PendingArchive.create(join(dir, "none/x.tar")),
      (error: DuckbackError) => error.code === "IO" && error.message.includes("none/x.tar"),
    );
  }));

Deno.test("writeDurably() replaces a file and keeps it private", () =>
  inTemp((dir) => {
    const path = join(dir, "a.json");
    Deno.writeTextFileSync(path, "a longer text than the next");
    writeDurably(path, "new");
    assert.equal(Deno.readTextFileSync(path), "new");
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.deepEqual(names(dir), ["a.json"]);
  }));

Deno.test("ensurePrivateDir() makes 0700 directories", () =>
  inTemp((dir) => {
    ensurePrivateDir(join(dir, "a/b"));
    assert.equal(Deno.statSync(join(dir, "a")).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(join(dir, "a/b")).mode! & 0o777, 0o700);
  }));

function journal(): NewJournal {
  return {
    kind: "backup",
    operation: "backup create",
    stack: "shop",
    work_dir: "/srv/shop",
    pid: 1,
    started_at: "2026-11-22T06:00:00Z",
    backup_id: 1,
  };
}

Deno.test("JournalFile.finish() keeps a journal that still has services to start", () =>
  inTemp((dir) => {
    const home = homeAt(dir);
    const file = JournalFile.create(home, journal());
    const plan = { items: [{ id: "a", name: "web" }] };
    file.save({ plan });
    file.finish();
    assert.deepEqual(JournalFile.read(listJournals(home)[0]).data.plan, plan);
    file.save({ plan: null });
    file.finish();
    assert.deepEqual(listJournals(home), []);
  }));

Deno.test("keepAside() takes an unreadable journal out of the way but not away", () =>
  inTemp((dir) => {
    const home = homeAt(dir);
    const file = JournalFile.create(home, journal());
    Deno.writeTextFileSync(file.path, "{ not json");
    assert.throws(() => JournalFile.read(file.path), SyntaxError);
    const aside = keepAside(file.path);
    assert.deepEqual(listJournals(home), []);
    assert.equal(Deno.readTextFileSync(aside), "{ not json");
  }));

Deno.test("TextFile changes lines, longer than a buffer too, and goes away at the end", () =>
  inTemp((dir) => {
    const path = join(dir, "rows");
    {
      using file = TextFile.create(path);
      const lines = Array.from({ length: 50_000 }, (_, i) => `${i} ${"é".repeat(i % 90)}`);
      for (const line of lines) file.append(`${line}\n`);
      file.rewrite((line) => Number(line.split(" ")[0]) % 3 === 0 ? null : `longer ${line}`);
      file.append("behind\n");
      file.flush();
      const expected = lines.filter((_, i) => i % 3 !== 0).map((line) => `longer ${line}`);
      const found = Deno.readTextFileSync(path).split("\n");
      assert.deepEqual(found, [...expected, "behind", ""]);
      assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    }
    assert.deepEqual(names(dir), []);
  }));

Deno.test("PendingArchive can be read and changed until it is finished", () =>
  inTemp((dir) => {
    const path = join(dir, "x.tar");
    using file = PendingArchive.create(path);
    file.write(new TextEncoder().encode("0123456789"));
    const piece = new Uint8Array(3);
    file.readAt(piece, 4);
    assert.equal(new TextDecoder().decode(piece), "456");
    file.writeAt(new TextEncoder().encode("ab"), 2);
    file.truncate(7);
    file.write(new TextEncoder().encode("end"));
    assert.throws(() => file.readAt(piece, 9), (error: DuckbackError) => error.code === "IO");
    file.finish();
    assert.equal(Deno.readTextFileSync(path), "01ab456end");
  }));
