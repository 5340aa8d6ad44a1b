/** The schema's history: numbered SQL files, embedded in the binary, applied in order, never edited. */
import { createHash } from "node:crypto";
import { here } from "../core/here.ts";

export interface Migration {
  version: number;
  /** File name without number and ending. */
  name: string;
  sql: string;
  /** SHA-256 (hex) of the file's bytes. */
  checksum: string;
}

const FILES = [
  "0001_initial.sql",
  "0002_rollback_keep_old_days.sql",
  "0003_proof_and_keeping.sql",
  "0004_notify.sql",
  "0005_schedule.sql",
  "0006_retention.sql",
  "0007_upgrades.sql",
  "0008_schedule_prune.sql",
  "0009_drill_directory.sql",
  "0010_schedule_drill.sql",
  "0011_incremental.sql",
];

/** All migrations this program knows, oldest first. `deno compile` needs `--include migrations`. */
export function knownMigrations(): Migration[] {
  return FILES.map((file) =>
    migration(
      file,
      Deno.readTextFileSync(new URL(`../../migrations/${file}`, here(import.meta.url))),
    )
  );
}

/** Given `0001_initial.sql` and its text, the migration it is. */
export function migration(file: string, sql: string): Migration {
  const [, version, name] = /^(\d{4})_(\w+)\.sql$/.exec(file)!;
  return {
    version: Number(version),
    name,
    sql,
    checksum: createHash("sha256").update(sql).digest("hex"),
  };
}
