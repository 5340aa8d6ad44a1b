/** What `backup consolidate` is going to do: out of which archives, and what the new backup will be. */
import { dirname } from "node:path";
import { ArchiveFile } from "../archive/archive_file.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord, Compression } from "../core/model.ts";
import { formatBytes } from "../core/units.ts";
import { VERSION } from "../core/version.ts";
import type { NewBackup } from "../catalog/types.ts";
import * as posix from "../posix/mod.ts";
import { DEFAULT_REQUEST } from "./backup_plan.ts";
import { NOT_PROVED } from "./backup_record.ts";
import { type Chain, chainOf } from "./chain.ts";
import type { Context } from "./context.ts";
import { requireManifest } from "./extract_backup.ts";
import { findBackup, type ListedBackup } from "./list.ts";
import { levelFor, namesInUse, outputPlace } from "./output_place.ts";
import { effectiveSettings } from "./settings.ts";
import { requireRestorable } from "./usable.ts";

export interface ConsolidateRequest {
  id: number;
  /** null: that of the chain's full backup. */
  compression: Compression | null;
  description: string | null;
  /** null: as `backup.verify_after_backup` says. */
  verify: boolean | null;
}

export interface ConsolidatePlan {
  /** The backup whose tree the new one will hold. */
  record: ListedBackup;
  chain: Chain;
  manifest: string;
  /** The chain's archives, base first. */
  archives: { name: string; path: string; bytes: number; sha256: string }[];
  name: string;
  path: string;
  directory: string;
  compression: Compression;
  level: number;
  description: string;
  verify: boolean;
}

/**
 * Raises NO_SUCH_BACKUP; USAGE for a backup that needs no other; ARCHIVE_MISSING, ARCHIVE_CORRUPT where one
 * of the chain is known to be so; DISK_FULL.
 */
export async function planConsolidation(
  ctx: Context,
  request: ConsolidateRequest,
): Promise<ConsolidatePlan> {
  const record = await findBackup(ctx, request.id);
  if (record.backup_type !== "INCREMENTAL") throw standsAlone(record);
  requireRestorable(record);
  const chain = await chainOf(ctx, record);
  const archives = archivesOf(record, chain);
  const { settings, explicit } = await effectiveSettings(ctx);
  const compression = request.compression ?? compressionOf(archives[0].path);
  // It is named for the moment of what it holds: among others, its name sorts where it belongs.
  const then = { ...ctx, now: () => new Date(record.created_at) };
  const wanted = { ...DEFAULT_REQUEST, version: record.source_version, compression };
  const place = outputPlace(then, wanted, settings, record.stack, await namesInUse(ctx));
  requireRoom(archives, dirname(place.path), settings["backup.min_free_bytes"]);
  return {
    record,
    chain,
    manifest: requireManifest(record.backup_path),
    archives,
    name: place.name,
    path: place.path,
    directory: settings.auto_backup_directory,
    compression,
    level: levelFor(compression, wanted, settings, explicit),
    description: request.description ?? `consolidated from ${membersText(record, chain)}`,
    verify: request.verify ?? settings["backup.verify_after_backup"],
  };
}

function standsAlone({ id, backup_type }: BackupRecord): DuckbackError {
  const state = backup_type === "FULL" ? "it is FULL already" : `it is ${backup_type}`;
  return new DuckbackError("USAGE", `Cannot consolidate backup ${id}: ${state}`, {
    hint:
      "There is nothing to do: it needs no other backup. `duckback backup list` shows which are " +
      "INCREMENTAL.",
  });
}

function archivesOf(record: BackupRecord, { archives, links }: Chain): ConsolidatePlan["archives"] {
  const size = (path: string) => Deno.statSync(path).size;
  const earlier = links.map(({ backup_name: name, sha256 }) => {
    const path = archives.earlier.get(name)!;
    return { name, path, bytes: size(path), sha256 };
  });
  const { backup_name: name, backup_path: path, backup_hash } = record;
  return [...earlier, { name, path, bytes: size(path), sha256: backup_hash! }];
}

function compressionOf(path: string): Compression {
  using file = new ArchiveFile(path);
  return file.compression;
}

function requireRoom(archives: ConsolidatePlan["archives"], directory: string, spare: number) {
  const need = archives.reduce((sum, { bytes }) => sum + bytes, 0) + spare;
  const free = posix.freeSpace(directory);
  if (free >= need) return;
  throw new DuckbackError(
    "DISK_FULL",
    `Cannot write a full backup to "${directory}": ${formatBytes(free)} free, up to ${
      formatBytes(need)
    } needed`,
    {
      hint: "Remove old backups (`duckback backup prune`), or free space.",
      details: { free_bytes: free, needed_bytes: need },
    },
  );
}

/** "backups 1, 2, 5"; where the catalogue does not know one, its name. */
export function membersText({ id }: BackupRecord, { links, records }: Chain): string {
  const earlier = links.map(({ backup_name }, i) => records[i]?.id ?? backup_name);
  return `backups ${[...earlier, id].join(", ")}`;
}

/**
 * The row as it begins. What the backup holds is as old as the one that it is made of, so it takes that
 * one's place in time: it is never taken for newer than what was backed up since.
 */
export function newRecord(
  ctx: Context,
  plan: ConsolidatePlan,
): { row: NewBackup; metadata: BackupMetadata } {
  const { id: _, ...record } = plan.record;
  const { chain: _chain, stored: _stored, scheduled_for: _slot, ...kept } = record.backup_metadata!;
  const metadata: BackupMetadata = {
    ...kept,
    tool_version: VERSION,
    level: plan.level,
    consolidated_from: plan.archives.map(({ name }) => name),
  };
  // Data that may be damaged is no less so in a copy.
  const suspicious = record.suspicion !== null && record.suspicion_cleared_at === null;
  const row: NewBackup = {
    backup_name: plan.name,
    backup_type: "FULL",
    source_version: record.source_version,
    backup_path: plan.path,
    backup_size: null,
    file_count: null,
    compression_type: plan.compression,
    backup_hash: null,
    description: plan.description,
    backup_metadata: metadata,
    created_at: record.created_at,
    expires_at: null,
    trigger: "manual",
    status: "running",
    stack: record.stack,
    parent_id: null,
    started_at: ctx.now().toISOString(),
    completed_at: null,
    duration_ms: null,
    downtime_ms: null,
    source_bytes: null,
    error_message: null,
    warnings: record.warnings,
    ...NOT_PROVED,
    pinned: false,
    suspicion: suspicious ? record.suspicion : null,
    suspicion_cleared_at: null,
  };
  return { row, metadata };
}
