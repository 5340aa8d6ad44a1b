/** The table `backup_records`: one row a backup, from the moment it begins. */
import { DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { insertList, nextId, requireRoom, reserveId, type Session, type Tx } from "./session.ts";
import { jsonOrNull } from "./text.ts";
import type { BackupFilter, BackupPatch, NewBackup } from "./types.ts";

const TABLE = "backup_records";
const COLUMNS = [
  "backup_name",
  "backup_type",
  "source_version",
  "backup_path",
  "backup_size",
  "file_count",
  "compression_type",
  "backup_hash",
  "description",
  "backup_metadata",
  "created_at",
  "expires_at",
  "trigger",
  "status",
  "stack",
  "parent_id",
  "started_at",
  "completed_at",
  "duration_ms",
  "downtime_ms",
  "source_bytes",
  "error_message",
  "warnings",
  "verify_status",
  "verified_at",
  "verify_level",
  "drill_status",
  "drilled_at",
  "drill_seconds",
  "pinned",
  "suspicion",
  "suspicion_cleared_at",
] as const satisfies readonly (keyof NewBackup)[];

/** Columns with an index: session.ts tells why they are changed with care. */
const INDEXED: readonly string[] = ["backup_name", "backup_type", "created_at"];

const JSON_COLUMNS: readonly string[] = ["backup_metadata", "warnings", "suspicion"];

/** All methods are one transaction, on disk when they resolve; they throw CATALOG_WRITE. */
export class Backups {
  constructor(private readonly session: Session) {}

  /** Adds a row and returns it with its id. A name can be used once. */
  insert(record: NewBackup): Promise<BackupRecord> {
    return this.session.write(`record backup "${record.backup_name}"`, async (tx) => {
      const id = await nextId(tx, TABLE);
      return await insertRow(tx, id, record);
    });
  }

  /**
   * Takes in a backup that the catalogue does not know, or not in this state: with the id it had if
   * that is free, else with a new one. Where a row of the same name exists, that row is
   * brought to the given state and keeps its id, so taking in twice does no harm.
   */
  adopt(record: BackupRecord): Promise<BackupRecord> {
    return this.session.write(`take in backup "${record.backup_name}"`, async (tx) => {
      const [same] = await tx.rows<{ id: number }>(
        `SELECT id FROM ${TABLE} WHERE backup_name = $name`,
        { name: record.backup_name },
      );
      if (same) return await updateRow(tx, this.session.path, same.id, record);
      const [taken] = await tx.rows(`SELECT id FROM ${TABLE} WHERE id = $id`, { id: record.id });
      const usable = Number.isSafeInteger(record.id) && record.id > 0 && !taken;
      const id = usable ? record.id : await nextId(tx, TABLE);
      await reserveId(tx, TABLE, id);
      return await insertRow(tx, id, record);
    });
  }

  /** Changes the given columns of a row and returns it; throws NO_SUCH_BACKUP. */
  update(id: number, patch: BackupPatch): Promise<BackupRecord> {
    return this.session.write(
      `update backup ${id}`,
      (tx) => updateRow(tx, this.session.path, id, patch),
    );
  }

  async get(id: number): Promise<BackupRecord | null> {
    const sql = `SELECT * FROM ${TABLE} WHERE id = $id`;
    return (await this.session.read<BackupRecord>(sql, { id }))[0] ?? null;
  }

  async findByName(name: string): Promise<BackupRecord | null> {
    const sql = `SELECT * FROM ${TABLE} WHERE backup_name = $name`;
    return (await this.session.read<BackupRecord>(sql, { name }))[0] ?? null;
  }

  /** Those of `names` that there are, by their names. */
  async findByNames(names: readonly string[]): Promise<Map<string, BackupRecord>> {
    if (names.length === 0) return new Map();
    const params = Object.fromEntries(names.map((name, i) => [`name${i}`, name]));
    const any = Object.keys(params).map((param) => `$${param}`).join(", ");
    const sql = `SELECT * FROM ${TABLE} WHERE backup_name IN (${any})`;
    const rows = await this.session.read<BackupRecord>(sql, params);
    return new Map(rows.map((row) => [row.backup_name, row]));
  }

  /** Newest first. */
  list(filter: BackupFilter = {}): Promise<BackupRecord[]> {
    return this.session.read<BackupRecord>(
      `SELECT * FROM ${TABLE}
       WHERE ($stack::VARCHAR IS NULL OR stack = $stack)
         AND ($status::VARCHAR IS NULL OR status = $status)
       ORDER BY created_at DESC, id DESC LIMIT $limit::BIGINT`,
      {
        stack: filter.stack ?? null,
        status: filter.status ?? null,
        limit: filter.limit ?? Number.MAX_SAFE_INTEGER,
      },
    );
  }

  /** True if there was such a row. Its id is not given out again. */
  delete(id: number): Promise<boolean> {
    return this.session.write(`delete backup ${id}`, async (tx) => {
      if (!await getRow(tx, id)) return false;
      await tx.run(`DELETE FROM ${TABLE} WHERE id = $id`, { id });
      return true;
    });
  }
}

async function getRow(tx: Tx, id: number): Promise<BackupRecord | undefined> {
  return (await tx.rows<BackupRecord>(`SELECT * FROM ${TABLE} WHERE id = $id`, { id }))[0];
}

async function insertRow(tx: Tx, id: number, record: NewBackup): Promise<BackupRecord> {
  await tx.run(`INSERT INTO ${TABLE} ${insertList(["id", ...COLUMNS])}`, {
    id,
    ...parameters(record, COLUMNS),
  });
  return (await getRow(tx, id))!;
}

async function updateRow(
  tx: Tx,
  path: string,
  id: number,
  patch: BackupPatch,
): Promise<BackupRecord> {
  const row = await getRow(tx, id);
  if (!row) {
    throw new DuckbackError(
      "NO_SUCH_BACKUP",
      `Cannot update backup ${id}: there is no such backup`,
      { hint: "duckback backup list shows the backups there are." },
    );
  }
  const columns = COLUMNS.filter((name) =>
    patch[name] !== undefined && (!INDEXED.includes(name) || patch[name] !== row[name])
  );
  if (columns.length === 0) return row;
  if (columns.some((name) => INDEXED.includes(name))) requireRoom(path);
  const set = columns.map((name) => `"${name}" = $${name}`).join(", ");
  await tx.run(`UPDATE ${TABLE} SET ${set} WHERE id = $id`, { id, ...parameters(patch, columns) });
  return (await getRow(tx, id))!;
}

function parameters(values: BackupPatch, columns: readonly (keyof NewBackup)[]) {
  return Object.fromEntries(columns.map((name) => {
    return [name, JSON_COLUMNS.includes(name) ? jsonOrNull(values[name]) : values[name] ?? null];
  }));
}
