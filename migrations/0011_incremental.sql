-- lib/config/settings.ts defines the same keys; a test compares the two.
INSERT INTO app_config
SELECT key, NULL, type, category, description, is_system, is_editable, rule, fallback,
       current_timestamp, current_timestamp
FROM (VALUES
  ('backup.incremental', 'boolean', 'backup',
   'Automatic backups store only what changed since the one before',
   false, true,
   'true or false',
   'false'),
  ('backup.full_every_days', 'integer', 'backup',
   'With backup.incremental: a full backup at least every so many days',
   false, true,
   'an integer from 0 to 3650 (days; 0: no such rule)',
   '7'),
  ('backup.max_chain', 'integer', 'backup',
   'With backup.incremental: at most so many incremental backups on a full one',
   false, true,
   'an integer from 0 to 1000 (0: no such rule)',
   '30'),
  ('backup.max_chain_share', 'integer', 'backup',
   'With backup.incremental: at most this share of the full backup''s size in all that build on it',
   false, true,
   'an integer from 0 to 1000 (percent; 0: no such rule)',
   '50')
) AS settings (key, type, category, description, is_system, is_editable, rule, fallback);
