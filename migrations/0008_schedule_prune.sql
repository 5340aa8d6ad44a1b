-- lib/config/settings.ts defines the same keys; a test compares the two.
INSERT INTO app_config
SELECT key, NULL, type, category, description, is_system, is_editable, rule, fallback,
       current_timestamp, current_timestamp
FROM (VALUES
  ('auto_prune_schedule', 'cron', 'auto_backup',
   'When old backups of all stacks are pruned, besides after each automatic backup',
   false, true,
   'a cron expression of five fields (minute hour day-of-month month day-of-week) or @hourly, @daily, @weekly, @monthly, @yearly; "" for never',
   '""')
) AS settings (key, type, category, description, is_system, is_editable, rule, fallback);
