-- lib/config/settings.ts defines the same keys; a test compares the two.
INSERT INTO app_config
SELECT key, NULL, type, category, description, is_system, is_editable, rule, fallback,
       current_timestamp, current_timestamp
FROM (VALUES
  ('auto_catalog_schedule', 'cron', 'auto_backup',
   'When catalogue and archives are compared',
   false, true,
   'a cron expression of five fields (minute hour day-of-month month day-of-week) or @hourly, @daily, @weekly, @monthly, @yearly; "" for never',
   '"30 3 * * 0"'),
  ('auto_verify_schedule', 'cron', 'auto_backup',
   'When all archives are read back in full',
   false, true,
   'a cron expression of five fields (minute hour day-of-month month day-of-week) or @hourly, @daily, @weekly, @monthly, @yearly; "" for never',
   '"0 4 * * 0"'),
  ('auto_backup_grace_minutes', 'integer', 'auto_backup',
   'How late a run may begin and still be on time; missed ones wait so long after the start',
   false, true,
   'an integer from 0 to 1440 (minutes)',
   '5'),
  ('auto_backup_spread_minutes', 'integer', 'auto_backup',
   'Missed runs are caught up at a moment of each host''s own within so long',
   false, true,
   'an integer from 0 to 1440 (minutes)',
   '10')
) AS settings (key, type, category, description, is_system, is_editable, rule, fallback);
