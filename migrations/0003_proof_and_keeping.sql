-- How well a backup is proved, and what keeps it from being pruned. DuckDB changes no table that has
-- indexes, so they are made anew; what a column may hold is checked by lib/core/model.ts alone, since
-- DuckDB adds no column with a constraint.
DROP INDEX backup_records_created_at;
DROP INDEX backup_records_backup_type;

-- quick, full or drill: what verify_status is the verdict of.
ALTER TABLE backup_records ADD COLUMN verify_level VARCHAR;
-- passed or failed: the verdict of the last drill.
ALTER TABLE backup_records ADD COLUMN drill_status VARCHAR;
ALTER TABLE backup_records ADD COLUMN drilled_at TIMESTAMPTZ;
-- From the first byte read to all services healthy.
ALTER TABLE backup_records ADD COLUMN drill_seconds DOUBLE;
-- Never pruned while true.
ALTER TABLE backup_records ADD COLUMN pinned BOOLEAN DEFAULT false;
-- List of {code, message}: signs that the data was damaged before it was backed up; NULL for none.
ALTER TABLE backup_records ADD COLUMN suspicion JSON;
-- When somebody said that the suspicion is none; until then nothing older is pruned.
ALTER TABLE backup_records ADD COLUMN suspicion_cleared_at TIMESTAMPTZ;

UPDATE backup_records SET verify_level = 'full' WHERE verify_status IS NOT NULL;

CREATE INDEX backup_records_created_at ON backup_records (created_at);
CREATE INDEX backup_records_backup_type ON backup_records (backup_type);
