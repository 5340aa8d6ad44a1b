/** The record beside each archive: what the catalogue says of it, so that the catalogue can be lost. */
import { join } from "node:path";
import type { BackupRecord } from "../core/model.ts";
import { removeDurably, writeDurably } from "./durable.ts";
import { manifestPath, sidecarPath } from "./naming.ts";

const FORMAT = "duckback-record-1";

/** Writes the record of an archive beside it. */
export function writeSidecar(record: BackupRecord): void {
  const text = JSON.stringify({ format: FORMAT, ...record }, null, 2) + "\n";
  writeDurably(sidecarPath(record.backup_path), text);
}

/** A record with what those of earlier versions do not say yet. */
export function withLaterFields(record: Partial<BackupRecord>): BackupRecord {
  return { ...LATER, ...record } as BackupRecord;
}

const LATER: Partial<BackupRecord> = {
  verify_level: null,
  drill_status: null,
  drilled_at: null,
  drill_seconds: null,
  pinned: false,
  suspicion: null,
  suspicion_cleared_at: null,
};

/** The record beside `archive`, or null where there is none that can be read. */
export function readSidecar(archive: string): BackupRecord | null {
  return parse(sidecarPath(archive));
}

function parse(path: string): BackupRecord | null {
  try {
    const { format, ...record } = JSON.parse(Deno.readTextFileSync(path));
    return format === FORMAT ? withLaterFields(record) : null;
  } catch {
    return null;
  }
}

/** The records of all archives in `dir`; where an archive was moved, its path is corrected. */
export function scanSidecars(dir: string): BackupRecord[] {
  const records: BackupRecord[] = [];
  let entries: Iterable<Deno.DirEntry>;
  try {
    entries = [...Deno.readDirSync(dir)];
  } catch {
    return records;
  }
  for (const entry of entries) {
    if (!entry.isFile || !entry.name.endsWith(".json")) continue;
    const record = parse(join(dir, entry.name));
    if (!record) continue;
    const file = record.backup_path.slice(record.backup_path.lastIndexOf("/") + 1);
    records.push({ ...record, backup_path: join(dir, file) });
  }
  return records;
}

/**
 * Removes an archive with its sidecars. The archive first: where it cannot be removed all is as it was,
 * and a record without its archive is taken in by nobody. Raises NOT_WRITABLE, IO.
 */
export function removeArchive(archive: string): void {
  removeDurably(archive);
  removeDurably(sidecarPath(archive));
  removeDurably(manifestPath(archive));
}
