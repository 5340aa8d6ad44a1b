/** Rows of the catalogue as plain data; importing this file loads no database. */
import type { BackupRecord, BackupStatus } from "../core/model.ts";

/** A backup before the catalogue has given it an id. */
export type NewBackup = Omit<BackupRecord, "id">;
/** The columns to change; absent or undefined ones keep their value, null clears. */
export type BackupPatch = Partial<NewBackup>;

export interface BackupFilter {
  stack?: string;
  status?: BackupStatus;
  /** At most so many, the newest ones. */
  limit?: number;
}

export type ActionStatus = "running" | "completed" | "partial" | "failed" | "interrupted";

/** A row of `user_actions`: one command that changed something. Times are ISO 8601 UTC. */
export interface ActionRecord {
  id: number;
  action_type: string;
  action_description: string | null;
  /** Parsed JSON; holds no secrets. */
  action_params: unknown;
  status: ActionStatus;
  result_message: string | null;
  started_at: string;
  completed_at: string | null;
  /** Seconds from started_at to completed_at, never negative. */
  duration_seconds: number | null;
  actor: string;
  client_version: string;
  host: string;
}

export type NewAction = Pick<
  ActionRecord,
  | "action_type"
  | "action_description"
  | "action_params"
  | "actor"
  | "client_version"
  | "host"
  | "started_at"
>;

export interface ActionResult {
  status: ActionStatus;
  result_message: string | null;
  completed_at: string;
}

export interface ActionFilter {
  action_type?: string;
  status?: ActionStatus;
  actor?: string;
  /** Begun then or later, and then or earlier: ISO 8601 UTC. */
  since?: string;
  until?: string;
  limit?: number;
}

export type UpgradeStatus = "RUNNING" | "SUCCESS" | "FAILED" | "ROLLED_BACK";

/** A row of `upgrade_history`. Times are ISO 8601 UTC. */
export interface UpgradeRecord {
  id: number;
  upgrade_id: string;
  stack: string | null;
  from_version: string | null;
  to_version: string | null;
  upgrade_type: string;
  status: UpgradeStatus;
  scheduled_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  /** The backup made before it; null where none was. */
  backup_id: number | null;
  error_message: string | null;
  /** Why it was rolled back; null where it was not. */
  rollback_reason: string | null;
  /** What the command put out, its middle left out where that is long. */
  upgrade_log: string | null;
}

export type NewUpgrade = Omit<UpgradeRecord, "id">;
export type UpgradePatch = Partial<
  Pick<
    UpgradeRecord,
    "status" | "completed_at" | "backup_id" | "error_message" | "rollback_reason" | "upgrade_log"
  >
>;

/** A row of `app_config`; `config_value` is null where the key is not set and the default holds. */
export interface SettingRow {
  config_key: string;
  config_value: unknown;
  config_type: string;
  category: string;
  description: string;
  is_system_config: boolean;
  is_user_editable: boolean;
  validation_rule: string | null;
  /** Null where the default depends on the host or there is none. */
  default_value: unknown;
  created_at: string;
  updated_at: string;
}

/** One look at one service's container, kept in `service_status_history`. */
export interface ServiceStatusRow {
  stack: string;
  service_name: string;
  container_id: string | null;
  status: string;
  health_status: string | null;
  error_message: string | null;
  recorded_at: string;
}

/** Who keeps the catalogue, as far as can be told; shown while waiting and in CATALOG_LOCKED. */
export interface Holder {
  pid: number | null;
  /** Program and subcommand, without options and values (they may be secret); null if unknown. */
  command: string | null;
}
