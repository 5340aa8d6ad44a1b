-- lib/config/settings.ts defines the same keys; a test compares the two.
INSERT INTO app_config
SELECT key, NULL, type, category, description, is_system, is_editable, rule, fallback,
       current_timestamp, current_timestamp
FROM (VALUES
  ('auto_drill_schedule', 'cron', 'auto_backup',
   'When the newest backup of each stack is restored and started beside it, as a drill',
   false, true,
   'a cron expression of five fields (minute hour day-of-month month day-of-week) or @hourly, @daily, @weekly, @monthly, @yearly; "" for never',
   '""')
) AS settings (key, type, category, description, is_system, is_editable, rule, fallback);
