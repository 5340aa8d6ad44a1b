import assert from "node:assert/strict";
import { Database } from "../../../lib/catalog/duckdb.ts";
import { knownMigrations, migration } from "../../../lib/catalog/migrations.ts";
import { catalogPath, openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { VERSION } from "../../../lib/core/version.ts";
import {
  backup,
  command,
  failure,
  fillDisk,
  modes,
  sha256,
  temporaryDirectory,
  temporaryMount,
} from "./support.ts";

const known = knownMigrations();
const following = `${String(known.length + 1).padStart(4, "0")}_next.sql`;

/** Runs one query on the file itself, as the duckdb shell would. */
async function query(home: string, sql: string): Promise<any[]> {
  const db = await Database.open(catalogPath(home), { temp_directory: `${home}/tmp` });
  try {
    return await db.rows(sql);
  } finally {
    await db.close();
  }
}

Deno.test("openMigrated() records each migration with its checksum", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  const rows = await query(directory.path, "SELECT * FROM schema_migrations ORDER BY version");
  assert.deepEqual(
    rows.map(({ applied_at: _, ...row }) => row),
    known.map(({ version, name, checksum }) => ({
      version,
      name,
      checksum,
      tool_version: VERSION,
    })),
  );
});

Deno.test("openMigrated() makes all tables with the indexes asked for", async () => {
  using directory = temporaryDirectory();
  await (await openCatalog({ home: directory.path })).close();
  const tables = await query(
    directory.path,
    `SELECT table_name, list(column_name ORDER BY column_index) AS columns
     FROM duckdb_columns() WHERE NOT internal GROUP BY ALL ORDER BY ALL`,
  );
  const columns = Object.fromEntries(tables.map((row) => [row.table_name, row.columns.join(" ")]));
  assert.deepEqual(columns, {
    app_config: "config_key config_value config_type category description is_system_config " +
      "is_user_editable validation_rule default_value created_at updated_at",
    backup_records:
      "id backup_name backup_type source_version backup_path backup_size file_count " +
      "compression_type backup_hash description backup_metadata created_at expires_at trigger " +
      "status stack parent_id started_at completed_at duration_ms downtime_ms source_bytes " +
      "error_message warnings verify_status verified_at verify_level drill_status drilled_at " +
      "drill_seconds pinned suspicion suspicion_cleared_at",
    last_ids: "table_name last_id",
    schema_migrations: "version name checksum applied_at tool_version",
    service_status_history: "id stack service_name container_id status health_status " +
      "error_message recorded_at",
    upgrade_history: "id upgrade_id from_version to_version upgrade_type status scheduled_at " +
      "started_at completed_at backup_id error_message rollback_reason upgrade_log stack",
    user_actions: "id action_type action_description action_params status result_message " +
      "started_at completed_at duration_seconds actor client_version host",
  });
  const indexes = await query(
    directory.path,
    "SELECT expressions FROM duckdb_indexes() WHERE table_name = 'backup_records'",
  );
  assert.deepEqual(indexes.map((row) => row.expressions).sort(), ["[backup_type]", "[created_at]"]);
});

Deno.test("openMigrated() applies a later migration and keeps the rows", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  {
    await using catalog = await openCatalog({ home });
    await catalog.backups.insert(backup("one"));
  }
  const migrations = [
    ...known,
    migration(
      following,
      `CREATE TABLE extra (a INTEGER);
       DROP INDEX backup_records_created_at; DROP INDEX backup_records_backup_type;
       ALTER TABLE backup_records ADD COLUMN extra BOOLEAN DEFAULT false;
       CREATE INDEX backup_records_created_at ON backup_records (created_at);
       INSERT INTO extra VALUES (1);`,
    ),
  ];
  for (let time = 1; time <= 2; time++) {
    await using catalog = await openCatalog({ home, migrations });
    const row = await catalog.backups.findByName("one") as any;
    assert.equal(row.extra, false);
    assert.equal((await catalog.backups.insert(backup(`again ${time}`))).id, 1 + time);
  }
  assert.deepEqual(await query(home, "SELECT count(*) AS n FROM extra"), [{ n: 1 }]);
  assert.deepEqual(modes(home), {
    "catalog.duckdb": "600",
    "catalog.lock": "600",
    "catalog.lock.gate": "600",
  });
});

Deno.test("openMigrated() leaves the old file byte for byte when a migration fails", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  {
    await using catalog = await openCatalog({ home });
    await catalog.backups.insert(backup("one"));
  }
  const before = sha256(catalogPath(home));
  const broken = migration(following, "CREATE TABLE extra (a INTEGER); SELECT * FROM nowhere;");
  const error = await failure(
    "CATALOG_MIGRATION",
    openCatalog({ home, migrations: [...known, broken] }),
  );
  assert.match(error.message, /\d{4}_next: .*nowhere/);
  assert.match(error.hint!, /not changed/);
  assert.equal(sha256(catalogPath(home)), before);
  assert.deepEqual(Object.keys(modes(home)), [
    "catalog.duckdb",
    "catalog.lock",
    "catalog.lock.gate",
  ]);
  await using catalog = await openCatalog({ home });
  assert.equal((await catalog.backups.list()).length, 1);
});

Deno.test("openMigrated() makes no catalogue at all when the first migration fails", async () => {
  using directory = temporaryDirectory();
  const migrations = [migration("0001_bad.sql", "CREATE TABLE a (b INTEGER); nonsense")];
  await failure("CATALOG_MIGRATION", openCatalog({ home: directory.path, migrations }));
  assert.deepEqual(Object.keys(modes(directory.path)), ["catalog.lock", "catalog.lock.gate"]);
});

Deno.test("openMigrated() leaves the old file as it is when the disk is full", async () => {
  using mount = temporaryMount("2m");
  const home = mount.path;
  await (await openCatalog({ home })).close();
  const before = sha256(catalogPath(home));
  fillDisk(home);
  const migrations = [...known, migration(following, "CREATE TABLE extra (a INTEGER);")];
  const error = await failure("CATALOG_MIGRATION", openCatalog({ home, migrations }));
  assert.match(error.message, /No space left/);
  assert.equal(sha256(catalogPath(home)), before);
  command("rm", `${home}/filler`);
  await (await openCatalog({ home, migrations })).close();
});

Deno.test("openMigrated() says so when a new catalogue finds no room", async () => {
  using mount = temporaryMount("64k");
  const error = await failure("CATALOG_MIGRATION", openCatalog({ home: mount.path }));
  assert.match(error.message, /No space left|space/);
  assert.deepEqual(Object.keys(modes(mount.path)), ["catalog.lock", "catalog.lock.gate"]);
});

Deno.test("openMigrated() removes what a killed migration left", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  await (await openCatalog({ home })).close();
  Deno.writeTextFileSync(`${catalogPath(home)}.migrating`, "half");
  Deno.writeTextFileSync(`${catalogPath(home)}.migrating.wal`, "half");
  await (await openCatalog({ home })).close();
  assert.deepEqual(Object.keys(modes(home)), [
    "catalog.duckdb",
    "catalog.lock",
    "catalog.lock.gate",
  ]);
});

Deno.test("openMigrated() refuses a catalogue of a newer duckback and does not touch it", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  const newer = [...known, migration("9999_future.sql", "CREATE TABLE future (a INTEGER);")];
  await (await openCatalog({ home, migrations: newer })).close();
  await query(home, "UPDATE schema_migrations SET tool_version = '7.0.0' WHERE version = 9999");
  const before = sha256(catalogPath(home));
  const error = await failure("CATALOG_NEWER", openCatalog({ home }));
  assert.match(error.message, /made by duckback 7\.0\.0/);
  assert.match(error.hint!, /Upgrade duckback/);
  assert.equal(sha256(catalogPath(home)), before);
});

Deno.test("openMigrated() refuses a catalogue whose migration was another one", async () => {
  using directory = temporaryDirectory();
  const home = directory.path;
  const other = [migration("0001_initial.sql", known[0].sql + "\n-- another\n"), ...known.slice(1)];
  await (await openCatalog({ home, migrations: other })).close();
  const error = await failure("CATALOG_MIGRATION", openCatalog({ home }));
  assert.match(error.message, /migration 1 \(initial\)/);
});

Deno.test("openMigrated() refuses a DuckDB file that is not a catalogue", async () => {
  using directory = temporaryDirectory();
  await query(directory.path, "SELECT 1");
  await failure("CATALOG_CORRUPT", openCatalog({ home: directory.path }));
});
