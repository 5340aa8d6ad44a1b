/** Brings a catalogue file to the present schema: on a copy that replaces it only when all went well. */
import { DuckbackError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import type { Database } from "./duckdb.ts";
import { corruptError, firstLine } from "./failure.ts";
import { exists, fsyncPath, parentOf, removeIfThere } from "./files.ts";
import type { Migration } from "./migrations.ts";

export type OpenDatabase = (path: string) => Promise<Database>;

interface Applied {
  version: number;
  name: string;
  checksum: string;
  tool_version: string;
}

/**
 * Opens the catalogue at `path`, made or migrated first if need be. Whoever calls holds the lock.
 * Throws CATALOG_NEWER, CATALOG_MIGRATION (the old file is as it was), CATALOG_CORRUPT, or whatever
 * `open` throws.
 */
export async function openMigrated(
  path: string,
  migrations: Migration[],
  open: OpenDatabase,
): Promise<Database> {
  removeLeftovers(path);
  if (!exists(path)) {
    if (exists(`${path}.wal`)) {
      throw corruptError(path, new Error("the file is gone, only its write-ahead log is there"));
    }
    await build(path, migrations, open);
    return await open(path);
  }
  const db = await open(path);
  let pending: Migration[];
  try {
    pending = pendingMigrations(path, migrations, await readApplied(path, db));
  } catch (error) {
    await db.close();
    throw error;
  }
  if (pending.length === 0) return db;
  await db.close(); // which also folds the write-ahead log into the file
  if (exists(`${path}.wal`)) {
    throw migrationError(path, pending[0], new Error("its write-ahead log could not be emptied"));
  }
  await build(path, pending, open);
  return await open(path);
}

/** Applies migrations to a copy of the file (or to nothing), then renames the copy over it. */
async function build(path: string, pending: Migration[], open: OpenDatabase): Promise<void> {
  const next = workPath(path);
  let current = pending[0];
  try {
    const fresh = !exists(path);
    if (!fresh) Deno.copyFileSync(path, next);
    const db = await open(next);
    try {
      // Of a new file in one transaction, in half the time: there are no rows that could stand in the way.
      for (const some of fresh ? [pending] : pending.map((one) => [one])) {
        await db.run("BEGIN");
        for (current of some) await apply(db, current);
        await db.run("COMMIT");
      }
      await db.run("CHECKPOINT");
    } finally {
      await db.close();
    }
    if (exists(`${next}.wal`)) throw new Error("its write-ahead log could not be emptied");
    Deno.chmodSync(next, 0o600);
    fsyncPath(next);
    Deno.renameSync(next, path);
    fsyncPath(parentOf(path));
  } catch (error) {
    try {
      removeLeftovers(path);
    } catch { /* the next start removes them; the first error is the one to tell */ }
    throw error instanceof DuckbackError ? error : migrationError(path, current, error);
  }
}

/** Within a transaction. */
async function apply(db: Database, migration: Migration): Promise<void> {
  await db.run(`CREATE TABLE IF NOT EXISTS schema_migrations (
    version      INTEGER PRIMARY KEY,
    name         VARCHAR NOT NULL,
    checksum     VARCHAR NOT NULL,
    applied_at   TIMESTAMPTZ NOT NULL,
    tool_version VARCHAR NOT NULL
  )`);
  await db.run(migration.sql);
  await db.run(
    `INSERT INTO schema_migrations
     VALUES ($version, $name, $checksum, current_timestamp, $tool_version)`,
    {
      version: migration.version,
      name: migration.name,
      checksum: migration.checksum,
      tool_version: VERSION,
    },
  );
}

async function readApplied(path: string, db: Database): Promise<Applied[]> {
  try {
    return await db.rows<Applied>(
      "SELECT version, name, checksum, tool_version FROM schema_migrations ORDER BY version",
    );
  } catch (error) {
    // Asked for only then: it takes longer than all the rest.
    if (await hasMigrations(db)) throw error;
    throw corruptError(path, new Error("it is a DuckDB file, but not a catalogue of duckback's"));
  }
}

async function hasMigrations(db: Database): Promise<boolean> {
  const found = await db.rows(
    "SELECT 1 FROM duckdb_tables() WHERE table_name = 'schema_migrations' AND NOT internal",
  );
  return found.length > 0;
}

/** Pure: what is still to be applied; throws where the file's history is not this program's. */
function pendingMigrations(path: string, known: Migration[], applied: Applied[]): Migration[] {
  const newest = applied.at(-1);
  const limit = known.at(-1)?.version ?? 0;
  if (newest && newest.version > limit) {
    throw new DuckbackError(
      "CATALOG_NEWER",
      `Cannot use the catalogue "${path}": it was made by duckback ${newest.tool_version} ` +
        `(schema ${newest.version}; this is duckback ${VERSION}, schema ${limit})`,
      { hint: "Upgrade duckback. The catalogue was not changed." },
    );
  }
  for (const row of applied) {
    const migration = known.find((one) => one.version === row.version);
    if (migration?.checksum === row.checksum) continue;
    throw new DuckbackError(
      "CATALOG_MIGRATION",
      `Cannot use the catalogue "${path}": its migration ${row.version} (${row.name}), applied by ` +
        `duckback ${row.tool_version}, is not the one this duckback knows`,
      { hint: "Use the duckback that made it, or a release. The catalogue was not changed." },
    );
  }
  return known.filter((one) => !applied.some((row) => row.version === one.version));
}

function migrationError(path: string, migration: Migration, cause: unknown): DuckbackError {
  const label = `${String(migration.version).padStart(4, "0")}_${migration.name}`;
  return new DuckbackError(
    "CATALOG_MIGRATION",
    `Cannot bring the catalogue "${path}" to schema ${label}: ${firstLine(cause)}`,
    {
      cause,
      hint: "The catalogue was not changed. Check that its disk is writable and has room for a " +
        "copy of it, and try again.",
    },
  );
}

function workPath(path: string): string {
  return `${path}.migrating`;
}

/** What a migration left behind that was killed: nobody can be at it, the lock is ours. */
function removeLeftovers(path: string): void {
  removeIfThere(workPath(path));
  removeIfThere(`${workPath(path)}.wal`);
}
