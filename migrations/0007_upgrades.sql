-- Whose upgrade it is; the table had no rows before this.
ALTER TABLE upgrade_history ADD COLUMN stack VARCHAR;
