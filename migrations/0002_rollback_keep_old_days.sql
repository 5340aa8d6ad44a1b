-- lib/config/settings.ts defines the same key; a test compares the two.
INSERT INTO app_config
SELECT key, NULL, type, category, description, is_system, is_editable, rule, fallback,
       current_timestamp, current_timestamp
FROM (VALUES
  ('rollback.keep_old_days', 'integer', 'rollback',
   'How long what a rollback replaced is kept for rollback --undo',
   false, true,
   'an integer from 0 to 36500 (days; 0: until later rollbacks take their place)',
   '7')
) AS settings (key, type, category, description, is_system, is_editable, rule, fallback);
