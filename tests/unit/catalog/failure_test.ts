import assert from "node:assert/strict";
import {
  type FailureKind,
  failureKind,
  firstLine,
  holderFromMessage,
  lockedError,
  openError,
  readError,
  writeError,
} from "../../../lib/catalog/failure.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";

// As DuckDB 1.5.5 words them.
const MESSAGES: [FailureKind, string][] = [
  ["locked", 'IO Error: Could not set lock on file "/h/catalog.duckdb": Conflicting lock is held'],
  ["corrupt", 'IO Error: The file "/h/x" exists, but it is not a valid DuckDB database file!'],
  [
    "corrupt",
    "IO Error: Corrupt database file: computed checksum 1 does not match stored checksum 2 in " +
    "block at location 0",
  ],
  [
    "corrupt",
    'IO Error: Failure while replaying WAL file "/h/x.wal": Corrupt WAL file: entry at byte ' +
    "position 4205 computed checksum 1 does not match stored checksum 2",
  ],
  ["corrupt", 'IO Error: Could not read enough bytes from file "/h/x": attempted to read 3192'],
  [
    "newer",
    "IO Error: Trying to read a database file with version number 99, but we can only read versions between 64 and 67. The database file was created with a newer version of DuckDB.",
  ],
  ["full", 'IO Error: Could not write file "/h/x.wal": No space left on device'],
  ["denied", 'IO Error: Cannot open file "/h/x": Permission denied'],
  ["denied", 'IO Error: Cannot open file "/h/x.wal": Read-only file system'],
  ["constraint", 'Constraint Error: Duplicate key "backup_name: a" violates unique constraint.'],
  ["other", "Catalog Error: Table with name nope does not exist!\nDid you mean ..."],
];

Deno.test("failureKind() tells DuckDB's messages apart", () => {
  for (const [kind, message] of MESSAGES) {
    assert.equal(failureKind(new Error(message)), kind, message);
  }
});

Deno.test("openError() gives each kind its code and keeps the cause", () => {
  const codes = {
    corrupt: "CATALOG_CORRUPT",
    newer: "CATALOG_NEWER",
    full: "DISK_FULL",
    denied: "NOT_WRITABLE",
    constraint: "IO",
    other: "IO",
    locked: "IO",
  };
  for (const [kind, message] of MESSAGES) {
    const cause = new Error(message);
    const error = openError("/h/catalog.duckdb", cause);
    assert.equal(error.code, codes[kind]);
    assert.equal(error.cause, cause);
    assert.match(error.message, /^Cannot (open|read) the catalogue "\/h\/catalog\.duckdb": /);
    assert.ok(!error.message.includes("\n"));
  }
});

Deno.test("writeError() and readError() pass on errors that are already for people", () => {
  const known = new DuckbackError("NO_SUCH_BACKUP", "x");
  assert.equal(writeError("/h", "x", known), known);
  assert.equal(readError("/h", known), known);
  const full = writeError("/h", "update backup 3", new Error("IO Error: No space left on device"));
  assert.equal(full.code, "CATALOG_WRITE");
  assert.equal(
    full.message,
    'Cannot update backup 3 in the catalogue "/h": no space left on its disk',
  );
});

Deno.test("holderFromMessage() reads program and process out of DuckDB's message", () => {
  const message = 'IO Error: Could not set lock on file "/h/x": Conflicting lock is held in ' +
    "/usr/bin/duck db (PID 5824) by user root. See also https://duckdb.org/docs/connect/concurrency";
  assert.deepEqual(holderFromMessage(new Error(message)), { pid: 5824, command: "duck db" });
  assert.deepEqual(holderFromMessage(new Error("x")), { pid: null, command: null });
});

Deno.test("lockedError() names whoever is known", () => {
  const message = (holder: Parameters<typeof lockedError>[1]) =>
    lockedError("/h/catalog.duckdb", holder, 1500).message;
  assert.match(message({ pid: 7, command: "duckback backup" }), /process 7 \(duckback backup\)/);
  assert.match(message({ pid: 7, command: null }), /process 7 has .*waited 1\.5 s/);
  assert.match(message(null), /another process/);
});

Deno.test("firstLine() has neither DuckDB's advice nor its echo of the query", () => {
  assert.equal(firstLine(new Error("A: b!\nDid you mean\n\nLINE 1: x")), "A: b!");
  assert.equal(firstLine("plain"), "plain");
});
