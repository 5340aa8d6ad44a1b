/** The tables that `query` offers, filled once and then closed off: docs/history.md lists their columns. */
import type { BackupRecord } from "../core/model.ts";
import { isUtf8, printable } from "../core/paths.ts";
import type { Database } from "./duckdb.ts";
import type { ActionRecord } from "./types.ts";
import { Json } from "./text.ts";

const BACKUP_COLUMNS: Record<keyof BackupRecord, string> = {
  id: "BIGINT",
  backup_name: "VARCHAR",
  stack: "VARCHAR",
  status: "VARCHAR",
  backup_type: "VARCHAR",
  trigger: "VARCHAR",
  source_version: "VARCHAR",
  description: "VARCHAR",
  created_at: "TIMESTAMPTZ",
  started_at: "TIMESTAMPTZ",
  completed_at: "TIMESTAMPTZ",
  duration_ms: "BIGINT",
  downtime_ms: "BIGINT",
  file_count: "BIGINT",
  source_bytes: "BIGINT",
  backup_size: "BIGINT",
  compression_type: "VARCHAR",
  backup_path: "VARCHAR",
  backup_hash: "VARCHAR",
  parent_id: "BIGINT",
  expires_at: "TIMESTAMPTZ",
  pinned: "BOOLEAN",
  verify_status: "VARCHAR",
  verified_at: "TIMESTAMPTZ",
  verify_level: "VARCHAR",
  drill_status: "VARCHAR",
  drilled_at: "TIMESTAMPTZ",
  drill_seconds: "DOUBLE",
  suspicion: "JSON",
  suspicion_cleared_at: "TIMESTAMPTZ",
  error_message: "VARCHAR",
  warnings: "JSON",
  backup_metadata: "JSON",
};

const ACTION_COLUMNS: Record<keyof ActionRecord, string> = {
  id: "BIGINT",
  action_type: "VARCHAR",
  action_description: "VARCHAR",
  action_params: "JSON",
  status: "VARCHAR",
  result_message: "VARCHAR",
  started_at: "TIMESTAMPTZ",
  completed_at: "TIMESTAMPTZ",
  duration_seconds: "DOUBLE",
  actor: "VARCHAR",
  client_version: "VARCHAR",
  host: "VARCHAR",
};

/** Names of the views, as they stand in messages. */
export const VIEWS = ["backups", "files", "versions", "actions"];

/** Over `entries`, as manifest_set.ts makes it. A time that DuckDB cannot hold is NULL. */
const FILES = `CREATE OR REPLACE VIEW files AS
  SELECT backup_id, stack, path, path_raw, type, size, mode, uid, gid,
    TRY(make_timestamptz(mtime_s * 1000000 + mtime_ns // 1000)) AS mtime, mtime_s, mtime_ns,
    link, sha256, stored_in, block_offset, block_inner
  FROM entries`;

const VERSIONS = `CREATE OR REPLACE VIEW versions AS
  SELECT f.stack, path, path_raw, type, size, mode, uid, gid, link, sha256,
    arg_min(mtime, created_at) AS mtime, arg_min(backup_id, created_at) AS first_backup,
    arg_max(backup_id, created_at) AS last_backup, count(*) AS backups,
    min(created_at) AS first_seen, max(created_at) AS last_seen
  FROM files f JOIN backups b ON b.id = f.backup_id
  GROUP BY f.stack, path, path_raw, type, size, mode, uid, gid, link, sha256`;

/** Puts the rows into tables of `db`, so that the catalogue can be closed, and makes the views. */
export async function makeViews(
  db: Database,
  backups: readonly BackupRecord[],
  actions: readonly ActionRecord[],
): Promise<void> {
  await fill(db, "backups", BACKUP_COLUMNS, backups);
  await fill(db, "actions", ACTION_COLUMNS, actions);
  await db.run(FILES);
  await db.run(VERSIONS);
}

async function fill(
  db: Database,
  table: string,
  columns: Record<string, string>,
  rows: readonly object[],
): Promise<void> {
  const shape = JSON.stringify([columns]);
  const names = Object.keys(columns).map((name) => `r."${name}"`).join(", ");
  await db.run(
    `CREATE OR REPLACE TABLE ${table} AS SELECT ${names}
     FROM (SELECT unnest(from_json($rows::JSON, '${shape}')) AS r)`,
    { rows: new Json(readable(rows)) },
  );
}

/** Names whose bytes are not UTF-8 stand in it as they are shown everywhere. */
function readable(value: unknown): unknown {
  if (typeof value === "string") return isUtf8(value) ? value : printable(value);
  if (Array.isArray(value)) return value.map(readable);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, readable(inner)]));
}
