-- The first catalogue. Times are TIMESTAMPTZ (instants; every session of duckback has TimeZone 'UTC'),
-- sizes bytes, JSON columns hold valid JSON text. Enumerations are checked here so that no other
-- program writes a word that duckback does not know. Migrations only go forward: never edit this file.

CREATE TABLE app_config (
  config_key       VARCHAR PRIMARY KEY,
  -- NULL: not set, the default holds.
  config_value     JSON,
  config_type      VARCHAR NOT NULL CHECK (config_type IN ('boolean', 'integer', 'bytes', 'string',
                     'enum', 'cron', 'timezone', 'path', 'list', 'timestamp')),
  category         VARCHAR NOT NULL,
  description      VARCHAR NOT NULL,
  is_system_config BOOLEAN NOT NULL,
  is_user_editable BOOLEAN NOT NULL,
  validation_rule  VARCHAR,
  -- NULL: depends on the host (its time zone, duckback's home) or there is none.
  default_value    JSON,
  created_at       TIMESTAMPTZ NOT NULL,
  updated_at       TIMESTAMPTZ NOT NULL
);

CREATE TABLE backup_records (
  id               BIGINT PRIMARY KEY,
  backup_name      VARCHAR NOT NULL UNIQUE,
  backup_type      VARCHAR NOT NULL CHECK (backup_type IN ('FULL', 'INCREMENTAL', 'DATA_ONLY')),
  source_version   VARCHAR,
  backup_path      VARCHAR NOT NULL,
  backup_size      BIGINT,
  file_count       BIGINT,
  compression_type VARCHAR NOT NULL CHECK (compression_type IN ('gzip', 'zstd', 'none')),
  -- SHA-256 (hex) of the archive file.
  backup_hash      VARCHAR,
  description      VARCHAR,
  backup_metadata  JSON,
  created_at       TIMESTAMPTZ NOT NULL,
  expires_at       TIMESTAMPTZ,
  "trigger"        VARCHAR NOT NULL CHECK ("trigger" IN ('manual', 'pre-upgrade', 'auto', 'safety')),
  status           VARCHAR NOT NULL CHECK (status IN ('running', 'completed', 'partial', 'failed')),
  stack            VARCHAR NOT NULL,
  -- No foreign key: DuckDB would refuse to update a row that another one refers to.
  parent_id        BIGINT,
  started_at       TIMESTAMPTZ,
  completed_at     TIMESTAMPTZ,
  duration_ms      BIGINT,
  downtime_ms      BIGINT,
  source_bytes     BIGINT,
  error_message    VARCHAR,
  warnings         JSON NOT NULL DEFAULT '[]',
  verify_status    VARCHAR CHECK (verify_status IN ('passed', 'failed')),
  verified_at      TIMESTAMPTZ
);
CREATE INDEX backup_records_created_at ON backup_records (created_at);
CREATE INDEX backup_records_backup_type ON backup_records (backup_type);

CREATE TABLE upgrade_history (
  id              BIGINT PRIMARY KEY,
  upgrade_id      VARCHAR NOT NULL UNIQUE,
  from_version    VARCHAR,
  to_version      VARCHAR,
  upgrade_type    VARCHAR NOT NULL,
  status          VARCHAR NOT NULL,
  scheduled_at    TIMESTAMPTZ,
  started_at      TIMESTAMPTZ,
  completed_at    TIMESTAMPTZ,
  backup_id       BIGINT,
  error_message   VARCHAR,
  rollback_reason VARCHAR,
  upgrade_log     VARCHAR
);

CREATE TABLE user_actions (
  id                 BIGINT PRIMARY KEY,
  action_type        VARCHAR NOT NULL,
  action_description VARCHAR,
  -- Never holds a secret: whoever writes the row masks them.
  action_params      JSON,
  status             VARCHAR NOT NULL CHECK (status IN ('running', 'completed', 'partial', 'failed',
                       'interrupted')),
  result_message     VARCHAR,
  started_at         TIMESTAMPTZ NOT NULL,
  completed_at       TIMESTAMPTZ,
  duration_seconds   DOUBLE,
  actor              VARCHAR NOT NULL,
  client_version     VARCHAR NOT NULL,
  host               VARCHAR NOT NULL
);
CREATE INDEX user_actions_started_at ON user_actions (started_at);

CREATE TABLE service_status_history (
  id            BIGINT PRIMARY KEY,
  stack         VARCHAR NOT NULL,
  service_name  VARCHAR NOT NULL,
  container_id  VARCHAR,
  -- The engine's words, which may grow: not checked.
  status        VARCHAR NOT NULL,
  health_status VARCHAR,
  error_message VARCHAR,
  recorded_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX service_status_history_recorded_at ON service_status_history (recorded_at);

-- The highest id each table has ever given out, so that an id is never used twice, not even after
-- its row was deleted, and adopting a row with an id of its own can move the mark.
CREATE TABLE last_ids (
  table_name VARCHAR PRIMARY KEY,
  last_id    BIGINT NOT NULL
);
INSERT INTO last_ids VALUES
  ('backup_records', 0), ('upgrade_history', 0), ('user_actions', 0), ('service_status_history', 0);

-- lib/config/settings.ts defines the same keys; a test compares the two.
INSERT INTO app_config
SELECT key, NULL, type, category, description, is_system, is_editable, rule, fallback,
       current_timestamp, current_timestamp
FROM (VALUES
  ('auto_backup_enabled', 'boolean', 'auto_backup',
   'Make backups by the schedule',
   false, true,
   'true or false',
   'false'),
  ('auto_backup_schedule', 'cron', 'auto_backup',
   'When automatic backups are made',
   false, true,
   'a cron expression of five fields (minute hour day-of-month month day-of-week) or @hourly, @daily, @weekly, @monthly, @yearly',
   '"0 2 * * *"'),
  ('auto_backup_timezone', 'timezone', 'auto_backup',
   'Time zone of the schedule (default: the host''s)',
   false, true,
   'a time zone of the IANA database, or UTC',
   NULL),
  ('auto_backup_retention_days', 'integer', 'auto_backup',
   'How long automatic backups are kept',
   false, true,
   'an integer from 1 to 36500 (days)',
   '7'),
  ('auto_backup_directory', 'path', 'auto_backup',
   'Where archives are written (default: backups in duckback''s home)',
   false, true,
   'an absolute path',
   NULL),
  ('auto_backup_last_time', 'timestamp', 'auto_backup',
   'When the last automatic backup ran',
   true, false,
   'an ISO 8601 time in UTC',
   NULL),
  ('auto_backup_last_status', 'string', 'auto_backup',
   'How the last automatic backup ended',
   true, false,
   'any text',
   NULL),
  ('backup.compression', 'enum', 'backup',
   'How archives are compressed',
   false, true,
   'one of gzip, zstd, none',
   '"gzip"'),
  ('backup.compression_level', 'integer', 'backup',
   'How hard to compress: higher is smaller and slower',
   false, true,
   'an integer from 0 to 22 (gzip: 0 to 9, zstd: 1 to 22)',
   '6'),
  ('backup.verify_after_backup', 'boolean', 'backup',
   'Read each new archive back to prove it',
   false, true,
   'true or false',
   'true'),
  ('backup.quiesce', 'enum', 'backup',
   'How services are kept from writing while a backup is made',
   false, true,
   'one of stop, pause, none',
   '"stop"'),
  ('backup.exclude', 'list', 'backup',
   'Patterns (as in .gitignore) of what is left out of backups',
   false, true,
   'a list: words with commas between them, or JSON (["a", "b"]); "" for none',
   '[]'),
  ('backup.health_timeout_seconds', 'integer', 'backup',
   'How long to wait for services to be healthy after their start',
   false, true,
   'an integer from 0 to 3600 (seconds; 0: do not wait)',
   '60'),
  ('backup.retention_days', 'integer', 'backup',
   'How long backups made by hand are kept',
   false, true,
   'an integer from 1 to 36500 (days)',
   '30'),
  ('backup.keep_last', 'integer', 'backup',
   'Keep at least so many of the newest backups',
   false, true,
   'an integer from 0 to 100000 (0: no such rule)',
   '0'),
  ('backup.keep_daily', 'integer', 'backup',
   'Keep the newest backup of each of so many days',
   false, true,
   'an integer from 0 to 100000 (0: no such rule)',
   '0'),
  ('backup.keep_weekly', 'integer', 'backup',
   'Keep the newest backup of each of so many weeks',
   false, true,
   'an integer from 0 to 100000 (0: no such rule)',
   '0'),
  ('backup.keep_monthly', 'integer', 'backup',
   'Keep the newest backup of each of so many months',
   false, true,
   'an integer from 0 to 100000 (0: no such rule)',
   '0'),
  ('backup.min_free_bytes', 'bytes', 'backup',
   'Refuse a backup that would leave less than this free on the archives'' disk',
   false, true,
   'a size: a number with B, KiB, MiB, GiB, TiB (1024), KB, MB, GB, TB (1000) or nothing (bytes)',
   '0'),
  ('upgrade.auto_backup_enabled', 'boolean', 'upgrade',
   'Make a backup before each upgrade',
   false, true,
   'true or false',
   'true'),
  ('upgrade.rollback_enabled', 'boolean', 'upgrade',
   'Roll back an upgrade that fails',
   false, true,
   'true or false',
   'true')
) AS settings (key, type, category, description, is_system, is_editable, rule, fallback);
