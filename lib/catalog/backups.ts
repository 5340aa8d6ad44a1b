/** The table `backup_records`: one row a backup, from the moment it begins. */
import { DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { insertList, nextId, reserveId, type Session, type Tx } from "./session.ts";
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
] as const satisfies readonly (keyof NewBackup)[];

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
      if (same) return await updateRow(tx, same.id, record);
      const [taken] = await tx.rows(`SELECT id FROM ${TABLE} WHERE id = $id`, { id: record.id });
      const usable = Number.isSafeInteger(record.id) && record.id > 0 && !taken;
      const id = usable ? record.id : await nextId(tx, TABLE);
      await reserveId(tx, TABLE, id);
      return await insertRow(tx, id, record);
    });
  }

  /** Changes the given columns of a row and returns it; throws NO_SUCH_BACKUP. */
  update(id: number, patch: BackupPatch): Promise<BackupRecord> {
    return this.session.write(`update backup ${id}`, (tx) => updateRow(tx, id, patch));
  }

  async get(id: number): Promise<BackupRecord | null> {
    const sql = `SELECT * FROM ${TABLE} WHERE id = $id`;
    return (await this.session.read<BackupRecord>(sql, { id }))[0] ?? null;
  }

  async findByName(name: string): Promise<BackupRecord | null> {
    const sql = `SELECT * FROM ${TABLE} WHERE backup_name = $name`;
    return (await this.session.read<BackupRecord>(sql, { name }))[0] ?? null;
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
      const sql = `DELETE FROM ${TABLE} WHERE id = $id RETURNING id`;
      return (await tx.rows(sql, { id })).length > 0;
    });
  }
}

async function insertRow(tx: Tx, id: number, record: NewBackup): Promise<BackupRecord> {
  const [row] = await tx.rows<BackupRecord>(
    `INSERT INTO ${TABLE} ${insertList(["id", ...COLUMNS])} RETURNING *`,
    { id, ...parameters(record, COLUMNS) },
  );
  return row;
}

async function updateRow(tx: Tx, id: number, patch: BackupPatch): Promise<BackupRecord> {
  const columns = COLUMNS.filter((name) => patch[name] !== undefined);
  const set = columns.map((name) => `"${name}" = $${name}`).join(", ");
  const [row] = await tx.rows<BackupRecord>(
    columns.length === 0
      ? `SELECT * FROM ${TABLE} WHERE id = $id`
      : `UPDATE ${TABLE} SET ${set} WHERE id = $id RETURNING *`,
    { id, ...parameters(patch, columns) },
  );
  if (row) return row;
  throw new DuckbackError("NO_SUCH_BACKUP", `Cannot update backup ${id}: there is no such backup`, {
    hint: "duckback backup list shows the backups there are.",
  });
}

function parameters(values: BackupPatch, columns: readonly (keyof NewBackup)[]) {
  return Object.fromEntries(columns.map((name) => {
    const json = name === "backup_metadata" || name === "warnings";
    return [name, json ? jsonOrNull(values[name]) : values[name] ?? null];
  }));
}
