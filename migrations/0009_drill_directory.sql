-- lib/config/settings.ts defines the same key; a test compares the two.
INSERT INTO app_config
SELECT key, NULL, type, category, description, is_system, is_editable, rule, fallback,
       current_timestamp, current_timestamp
FROM (VALUES
  ('drill.directory', 'path', 'drill',
   'Where drills restore what is no volume, for as long as they take (default: drills in duckback''s home)',
   false, true,
   'an absolute path',
   NULL)
) AS settings (key, type, category, description, is_system, is_editable, rule, fallback);
