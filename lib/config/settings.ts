/** The typed keys of `app_config`: what each is for, may hold and defaults to. */
import { DuckbackError } from "../core/errors.ts";
import type { Compression, QuiesceMode } from "../core/model.ts";
import { nearest } from "../core/nearest.ts";
import { define, type Definition } from "./define.ts";
import { NOTIFY_SETTINGS, type NotifySettings } from "./notify_settings.ts";
import * as kind from "./values.ts";

/** Every setting with the type of its value; null only where the docs below say so. */
export interface Settings extends NotifySettings {
  auto_backup_enabled: boolean;
  auto_backup_schedule: string;
  auto_backup_timezone: string;
  /** Empty: never; so are the next ones. */
  auto_prune_schedule: string;
  auto_catalog_schedule: string;
  auto_verify_schedule: string;
  auto_drill_schedule: string;
  /** Minutes. */
  auto_backup_grace_minutes: number;
  /** Minutes. */
  auto_backup_spread_minutes: number;
  auto_backup_retention_days: number;
  auto_backup_directory: string;
  /** Null before the first automatic backup. */
  auto_backup_last_time: string | null;
  auto_backup_last_status: string | null;
  "backup.compression": Compression;
  "backup.compression_level": number;
  "backup.verify_after_backup": boolean;
  "backup.quiesce": QuiesceMode;
  "backup.exclude": string[];
  "backup.incremental": boolean;
  /** Days; 0: no such rule. */
  "backup.full_every_days": number;
  /** 0: no such rule. */
  "backup.max_chain": number;
  /** Hundredths; 0: no such rule. */
  "backup.max_chain_share": number;
  "backup.health_timeout_seconds": number;
  "backup.retention_days": number;
  "backup.keep_last": number;
  "backup.keep_daily": number;
  "backup.keep_weekly": number;
  "backup.keep_monthly": number;
  "backup.keep_yearly": number;
  /** Bytes; 0: no limit. */
  "backup.max_total_bytes": number;
  "backup.safety_retention_days": number;
  "backup.failed_retention_days": number;
  "backup.prune_after": "none" | "auto" | "all";
  "backup.prune_when_full": boolean;
  /** Bytes. */
  "backup.min_free_bytes": number;
  /** Days; 0: without end. */
  "rollback.keep_old_days": number;
  "drill.directory": string;
  "upgrade.auto_backup_enabled": boolean;
  "upgrade.rollback_enabled": boolean;
}

export type SettingKey = keyof Settings;

export type SettingDefinition = Definition<SettingKey>;

/** What defaults depend on. */
export interface SettingContext {
  home: string;
  /** The host's time zone, for example from Intl. */
  timezone: string;
}

const keep = (example: number) => kind.integer(0, 100_000, example, "0: no such rule");

/** All settings in the order they are shown. */
export const SETTINGS: readonly SettingDefinition[] = [
  define("auto_backup_enabled", kind.boolean(), false, "Make backups by the schedule"),
  define("auto_backup_schedule", kind.cron(), "0 2 * * *", "When automatic backups are made"),
  define(
    "auto_backup_timezone",
    kind.timezone(),
    null,
    "Time zone of the schedule (default: the host's)",
  ),
  define(
    "auto_prune_schedule",
    kind.cron({ empty: "never" }),
    "",
    "When old backups of all stacks are pruned, besides after each automatic backup",
  ),
  define(
    "auto_catalog_schedule",
    kind.cron({ empty: "never" }),
    "30 3 * * 0",
    "When catalogue and archives are compared",
  ),
  define(
    "auto_verify_schedule",
    kind.cron({ empty: "never" }),
    "0 4 * * 0",
    "When all archives are read back in full",
  ),
  define(
    "auto_drill_schedule",
    kind.cron({ empty: "never" }),
    "",
    "When the newest backup of each stack is restored and started beside it, as a drill",
  ),
  define(
    "auto_backup_grace_minutes",
    kind.integer(0, 1440, 5, "minutes"),
    5,
    "How late a run may begin and still be on time; missed ones wait so long after the start",
  ),
  define(
    "auto_backup_spread_minutes",
    kind.integer(0, 1440, 10, "minutes"),
    10,
    "Missed runs are caught up at a moment of each host's own within so long",
  ),
  define(
    "auto_backup_retention_days",
    kind.integer(1, 36_500, 7, "days"),
    7,
    "How long automatic backups are kept",
  ),
  define(
    "auto_backup_directory",
    kind.path(),
    null,
    "Where archives are written (default: backups in duckback's home)",
  ),
  define(
    "auto_backup_last_time",
    kind.timestamp(),
    null,
    "When the last automatic backup ran",
    false,
  ),
  define(
    "auto_backup_last_status",
    kind.string(),
    null,
    "How the last automatic backup ended",
    false,
  ),
  define(
    "backup.compression",
    kind.oneOf("gzip", "zstd", "none"),
    "gzip",
    "How archives are compressed",
  ),
  define(
    "backup.compression_level",
    kind.integer(0, 22, 6, "gzip: 0 to 9, zstd: 1 to 22"),
    6,
    "How hard to compress: higher is smaller and slower",
  ),
  define(
    "backup.verify_after_backup",
    kind.boolean(),
    true,
    "Read each new archive back to prove it",
  ),
  define(
    "backup.quiesce",
    kind.oneOf("stop", "pause", "none"),
    "stop",
    "How services are kept from writing while a backup is made",
  ),
  define(
    "backup.exclude",
    kind.list("*.tmp,cache/"),
    [],
    "Patterns (as in .gitignore) of what is left out of backups",
  ),
  define(
    "backup.incremental",
    kind.boolean(),
    false,
    "Automatic backups store only what changed since the one before",
  ),
  define(
    "backup.full_every_days",
    kind.integer(0, 3_650, 7, "days; 0: no such rule"),
    7,
    "With backup.incremental: a full backup at least every so many days",
  ),
  define(
    "backup.max_chain",
    kind.integer(0, 1_000, 30, "0: no such rule"),
    30,
    "With backup.incremental: at most so many incremental backups on a full one",
  ),
  define(
    "backup.max_chain_share",
    kind.integer(0, 1_000, 50, "percent; 0: no such rule"),
    50,
    "With backup.incremental: at most this share of the full backup's size in all that build on it",
  ),
  define(
    "backup.health_timeout_seconds",
    kind.integer(0, 3_600, 60, "seconds; 0: do not wait"),
    60,
    "How long to wait for services to be healthy after their start",
  ),
  define(
    "backup.retention_days",
    kind.integer(1, 36_500, 30, "days"),
    30,
    "How long backups made by hand are kept",
  ),
  define("backup.keep_last", keep(3), 0, "Keep at least so many of the newest backups"),
  define("backup.keep_daily", keep(7), 0, "Keep the newest backup of each of so many days"),
  define("backup.keep_weekly", keep(4), 0, "Keep the newest backup of each of so many weeks"),
  define("backup.keep_monthly", keep(12), 0, "Keep the newest backup of each of so many months"),
  define("backup.keep_yearly", keep(10), 0, "Keep the newest backup of each of so many years"),
  define(
    "backup.max_total_bytes",
    kind.bytes(),
    0,
    "Remove the oldest backups beyond this size of all archives together (0: no limit)",
  ),
  define(
    "backup.safety_retention_days",
    kind.integer(1, 36_500, 30, "days"),
    30,
    "How long the safety backups of rollbacks are kept",
  ),
  define(
    "backup.failed_retention_days",
    kind.integer(1, 36_500, 30, "days"),
    30,
    "How long the records of failed backups are kept",
  ),
  define(
    "backup.prune_after",
    kind.oneOf("auto", "all", "none"),
    "auto",
    "After which good backups old ones are pruned: automatic ones, all, or none",
  ),
  define(
    "backup.prune_when_full",
    kind.boolean(),
    false,
    "Prune by the policy before a backup that would not fit, instead of refusing it at once",
  ),
  define(
    "backup.min_free_bytes",
    kind.bytes(),
    0,
    "Refuse a backup that would leave less than this free on the archives' disk",
  ),
  define(
    "rollback.keep_old_days",
    kind.integer(0, 36_500, 7, "days; 0: until later rollbacks take their place"),
    7,
    "How long what a rollback replaced is kept for rollback --undo",
  ),
  ...NOTIFY_SETTINGS,
  define(
    "drill.directory",
    kind.path(),
    null,
    "Where drills restore what is no volume, for as long as they take (default: drills in duckback's home)",
  ),
  define(
    "upgrade.auto_backup_enabled",
    kind.boolean(),
    true,
    "Make a backup before each upgrade",
  ),
  define("upgrade.rollback_enabled", kind.boolean(), true, "Roll back an upgrade that fails"),
];

const BY_KEY = new Map<string, SettingDefinition>(SETTINGS.map((one) => [one.key, one]));

/** The definition of a key; throws USAGE with the nearest keys for one that does not exist. */
export function findSetting(key: string): SettingDefinition {
  const found = BY_KEY.get(key);
  if (found) return found;
  const close = nearest(key, SETTINGS.map((one) => one.key));
  throw new DuckbackError("USAGE", `Cannot find the setting "${key}": there is no such key`, {
    hint: close.length > 0
      ? `Did you mean ${close.join(" or ")}?`
      : "duckback config list shows all keys.",
    details: { suggestions: close },
  });
}

/**
 * The value that text typed for a key stands for. Throws USAGE: unknown key, read-only key, or a
 * value that breaks the rule (the message has what is wrong, the hint the rule and an example).
 */
export function parseSetting(key: string, text: string): unknown {
  const setting = findSetting(key);
  if (!setting.editable) {
    throw new DuckbackError("USAGE", `Cannot set "${key}": it is read-only`, {
      hint: "duckback itself keeps it up to date.",
    });
  }
  const value = setting.kind.parse(text.trim());
  const problem = settingProblem(setting.key, value);
  if (problem === null) return value;
  const typed = setting.kind.mask ? "" : ` to "${text}"`;
  throw new DuckbackError("USAGE", `Cannot set "${key}"${typed}: ${problem}`, {
    hint:
      `It must be ${setting.kind.rule}. Example: duckback config set ${key} '${setting.kind.example}'`,
    details: { rule: setting.kind.rule, example: setting.kind.example },
  });
}

/** A value as text for people, which `parseSetting` reads back as the same value; "" for null. */
export function formatSetting(key: string, value: unknown): string {
  const setting = findSetting(key);
  return value === null || value === undefined ? "" : setting.kind.format(value);
}

/** What holds while a key is not set. */
export function defaultValue(key: SettingKey, context: SettingContext): unknown {
  if (key === "auto_backup_timezone") return context.timezone;
  if (key === "auto_backup_directory") return `${context.home.replace(/\/+$/, "")}/backups`;
  if (key === "drill.directory") return `${context.home.replace(/\/+$/, "")}/drills`;
  return BY_KEY.get(key)!.default;
}

/** What is wrong with what was made of typed text (undefined: nothing could be), or null. */
export function settingProblem(key: SettingKey, value: unknown): string | null {
  return value === undefined ? "it is not of that form" : checkSetting(key, value);
}

/** A value as audit rows may keep it: of a receiver's address only what is no secret. */
export function maskSetting(key: SettingKey, value: unknown): unknown {
  const { mask } = BY_KEY.get(key)!.kind;
  if (!mask || value === null || value === undefined) return value;
  return Array.isArray(value) ? value.map((item) => mask(String(item))) : mask(String(value));
}

/** What is wrong with a value for a key (stored by hand, or by another version), or null. */
export function checkSetting(key: SettingKey, value: unknown): string | null {
  const of = BY_KEY.get(key)!.kind;
  const problem = kind.problemOf(of, value);
  // The schema repeats what it was given.
  return of.mask && problem ? problem.replace(/ but received .*$/s, "") : problem;
}

/**
 * All settings in effect: the stored values (`catalog.settings.values()`) over the defaults. A stored
 * value that breaks its rule throws USAGE: to back up with a guess would be worse than not at all.
 * Stored keys that this version does not know are left alone.
 */
export function resolveSettings(
  stored: Record<string, unknown>,
  context: SettingContext,
): Settings {
  const settings: Record<string, unknown> = {};
  for (const { key, kind: { rule, mask } } of SETTINGS) {
    const value = stored[key] ?? defaultValue(key, context);
    const problem = value === null ? null : checkSetting(key, value);
    if (problem !== null) {
      throw new DuckbackError(
        "USAGE",
        `Cannot use the setting "${key}"${
          mask ? "" : ` with ${JSON.stringify(value)}`
        }: ${problem}`,
        {
          hint: `It must be ${rule}. Put it right with duckback config set or config unset ${key}.`,
        },
      );
    }
    settings[key] = value;
  }
  return settings as unknown as Settings;
}
