import assert from "node:assert/strict";
import { Database } from "../../../lib/catalog/duckdb.ts";
import { GuardedQuery } from "../../../lib/catalog/guarded_query.ts";
import type { ManifestSet } from "../../../lib/catalog/manifest_set.ts";
import type { ActionRecord } from "../../../lib/catalog/types.ts";
import { makeViews, VIEWS } from "../../../lib/catalog/views.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";
import type { BackupRecord } from "../../../lib/core/model.ts";
import { file, openSet, writeManifests } from "./manifests.ts";
import { backup, sha256, temporaryDirectory } from "./support.ts";

const BACKUPS: BackupRecord[] = [
  { id: 1, ...backup("first") },
  {
    id: 2,
    ...backup("second", {
      created_at: "2026-02-03T04:05:06.789Z",
      pinned: true,
      warnings: [{ code: "UNREADABLE", path: "caf\udce9", message: "\0", incomplete: true }],
      suspicion: [{ code: "SHRUNK", message: "x" }],
    }),
  },
];

const ACTIONS: ActionRecord[] = [{
  ...{ id: 7, action_type: "backup", action_description: null, action_params: { a: [1] } },
  ...{ status: "completed", result_message: null, started_at: "2026-01-01T00:00:00.000Z" },
  ...{ completed_at: null, duration_seconds: 1.5, actor: "root", client_version: "1", host: "h" },
}];

/** A set with the views made, in a directory whose name means something to DuckDB. */
async function opened(directory: string): Promise<ManifestSet> {
  const place = `${directory}/it's [a]*?`;
  Deno.mkdirSync(place, { recursive: true });
  const set = await openSet(
    place,
    await writeManifests(
      place,
      [file("conf/a", "one"), file("caf\udce9", "r")],
      [file("conf/a", "two", { mode: 0o600 })],
    ),
  );
  await makeViews(set.db, BACKUPS, ACTIONS);
  return set;
}

async function json(set: ManifestSet, sql: string) {
  const query = await GuardedQuery.prepare(set, sql);
  const rows = await Array.fromAsync(query.json(await query.columns()));
  return rows.flat().map((text) => JSON.parse(text));
}

Deno.test("GuardedQuery answers from the four views", async () => {
  using directory = temporaryDirectory();
  await using set = await opened(directory.path);
  const cases: [string, unknown[]][] = [
    ["SELECT id, trigger, created_at, pinned FROM backups ORDER BY id DESC;", [
      { id: 2, trigger: "manual", created_at: "2026-02-03T04:05:06.789Z", pinned: true },
      { id: 1, trigger: "manual", created_at: "2026-01-02T03:04:05.678Z", pinned: false },
    ]],
    ["SELECT warnings->0->>'path' AS w, suspicion->0->>'code' AS s FROM backups WHERE id = 2", [
      { w: "caf\\xe9", s: "SHRUNK" },
    ]],
    ["SELECT backup_id, path, hex(path_raw) AS raw, mtime FROM files ORDER BY ALL", [
      { backup_id: 1, path: "caf\\xe9", raw: "636166E9", mtime: "2023-11-14T22:13:20.000Z" },
      { backup_id: 1, path: "conf/a", raw: null, mtime: "2023-11-14T22:13:20.000Z" },
      { backup_id: 2, path: "conf/a", raw: null, mtime: "2023-11-14T22:13:20.000Z" },
    ]],
    ["FROM (SELECT path, mode, first_backup, backups FROM versions) ORDER BY path, mode", [
      { path: "caf\\xe9", mode: 0o644, first_backup: 1, backups: 1 },
      { path: "conf/a", mode: 0o600, first_backup: 2, backups: 1 },
      { path: "conf/a", mode: 0o644, first_backup: 1, backups: 1 },
    ]],
    ["SELECT id, action_params->'a' AS a, duration_seconds FROM actions", [
      { id: 7, a: [1], duration_seconds: 1.5 },
    ]],
    ["WITH x AS (SELECT 1 AS n) SELECT n, 'nan'::DOUBLE AS nan, NULL AS nothing FROM x -- so", [
      { n: 1, nan: null, nothing: null },
    ]],
    ["SELECT 1 AS n WHERE false", []],
  ];
  for (const [sql, expected] of cases) {
    assert.deepEqual(await json(set, sql), expected, sql);
  }
  for (const view of VIEWS) {
    assert.ok((await json(set, `DESCRIBE ${view}`)).length > 10, view);
  }
});

Deno.test("GuardedQuery refuses all that does more than read the views", async () => {
  using directory = temporaryDirectory();
  const dir = directory.path;
  Deno.writeTextFileSync(`${dir}/secret.csv`, "password\nhunter2\n");
  await (await Database.open(`${dir}/other.duckdb`, { temp_directory: `${dir}/x` })).close();
  await using set = await opened(dir);
  const [manifest] = set.used;
  const before = sha256(manifest.path);
  const quoted = manifest.path.replaceAll("'", "''");
  const refused = [
    `COPY (SELECT 1) TO '${dir}/out.csv'`,
    `COPY (SELECT 1 AS path) TO '${quoted}' (FORMAT parquet, USE_TMP_FILE false)`,
    `COPY backups FROM '${dir}/secret.csv'`,
    `EXPORT DATABASE '${dir}/export'`,
    `ATTACH '${dir}/other.duckdb'`,
    `ATTACH ':memory:' AS other`,
    `USE memory`,
    `SELECT * FROM read_text('/etc/passwd')`,
    `SELECT * FROM read_text('${dir}/secret.csv')`,
    `SELECT * FROM read_csv('${dir}/secret.csv')`,
    `SELECT * FROM '${dir}/secret.csv'`,
    `SELECT * FROM read_blob('/proc/self/environ')`,
    `SELECT * FROM read_json('${dir}/secret.csv')`,
    `SELECT * FROM read_parquet('${dir}/*')`,
    `SELECT * FROM read_duckdb('${dir}/other.duckdb')`,
    `SELECT * FROM parquet_metadata('${dir}/secret.csv')`,
    `SELECT * FROM sniff_csv('${dir}/secret.csv')`,
    `SELECT * FROM glob('${dir}/*')`,
    `SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')`,
    `SELECT * FROM read_parquet('s3://bucket/x.parquet')`,
    `INSTALL httpfs`,
    `LOAD httpfs`,
    `LOAD '${dir}/x.duckdb_extension'`,
    `SELECT * FROM duckdb_secrets()`,
    `CREATE SECRET s (TYPE s3)`,
    `SELECT getenv('HOME')`,
    `SET threads = 1`,
    `SET enable_external_access = true`,
    `RESET allowed_paths`,
    `PRAGMA database_list`,
    `-- a comment first\n pragma database_list`,
    `/* two */ /* of them */ PRAGMA version`,
    `CALL enable_logging()`,
    `CHECKPOINT`,
    `CREATE TABLE t AS SELECT 1`,
    `INSERT INTO backups (id) VALUES (3)`,
    `UPDATE backups SET id = 9`,
    `DELETE FROM actions`,
    `DROP VIEW files`,
    `ALTER TABLE backups ADD COLUMN x INT`,
    `BEGIN`,
    `PREPARE p AS SELECT 1`,
    `EXPLAIN ANALYZE COPY (SELECT 1) TO '${dir}/out.csv'`,
    `SELECT * FROM query('COPY (SELECT 1) TO ''${dir}/out.csv''')`,
    `SELECT 1; DROP TABLE backups`,
    `SELECT 1); DROP TABLE backups; SELECT (1`,
    `SELECT 1) TO '${dir}/out.csv' --`,
    `SELECT 1 /* open`,
    ``,
    ` ; `,
    `-- nothing`,
    `SELEC 1`,
    `SELECT nope FROM files`,
    `SELECT * FROM entries_of_somebody`,
    `SELECT 'x'::INTEGER`,
  ];
  const files = () => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  const there = files();
  for (const sql of refused) {
    const error = await json(set, sql).then(() => null, (thrown) => thrown);
    assert.ok(error instanceof DuckbackError, `allowed: ${sql}`);
    assert.equal(error.code, "USAGE", `${sql}: ${error.message}`);
    assert.match(error.message, /^Cannot run the query: .{4,500}$/, sql);
    assert.doesNotMatch(error.message, /LINE 1/, sql);
    assert.match(error.hint!, /backups, files, versions, actions/, sql);
  }
  assert.deepEqual(files(), there);
  assert.equal(sha256(manifest.path), before);
  // Nothing of it changed what there is to read.
  const [counts] = await json(
    set,
    `SELECT (SELECT count(*) FROM backups) AS b, (SELECT count(*) FROM files) AS f,
       (SELECT count(*) FROM actions) AS a`,
  );
  assert.deepEqual(counts, { b: 2, f: 3, a: 1 });
});

Deno.test("GuardedQuery gives texts, and writes Parquet to the one file it was given", async () => {
  using directory = temporaryDirectory();
  await using set = await opened(directory.path);
  const output = `${directory.path}/out [1].parquet`;
  Deno.writeTextFileSync(output, "");
  const sql = "SELECT path, size, path_raw FROM files ORDER BY ALL";
  const query = await GuardedQuery.prepare(set, sql, output);
  assert.deepEqual((await Array.fromAsync(query.texts())).flat(), [
    ["caf\\xe9", "1", "caf\\xE9"],
    ["conf/a", "3", null],
    ["conf/a", "3", null],
  ]);
  assert.equal(await query.writeParquet(output), 3);
  const db = await Database.open(":memory:", { temp_directory: `${directory.path}/x` });
  const rows = await db.rows(
    `SELECT count(*) AS n, sum(size)::INT AS s FROM read_parquet('${output.replace("[", "[[]")}')`,
  );
  await db.close();
  assert.deepEqual(rows, [{ n: 3, s: 7 }]);
});

Deno.test("GuardedQuery leaves out a manifest that turns out to be broken", async () => {
  using directory = temporaryDirectory();
  const many = Array.from({ length: 3000 }, (_, n) => file(`dir/${n}`, `${n * 7919}`));
  const manifests = await writeManifests(directory.path, many, [file("good")]);
  const spoiled = Deno.readFileSync(manifests[0].path);
  spoiled.fill(0x55, 100, spoiled.length >> 1);
  Deno.writeFileSync(manifests[0].path, spoiled);
  await using set = await openSet(directory.path, manifests);
  await makeViews(set.db, BACKUPS, ACTIONS);
  assert.deepEqual(await json(set, "SELECT path FROM files"), [{ path: "good" }]);
  assert.deepEqual(set.unread.map(({ backup_id }) => backup_id), [1]);
});
