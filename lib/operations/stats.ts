/** `stats`: how the backups of a stack grow, what changes in them, and what takes the room. */
import type { UnreadManifest } from "../catalog/manifest_set.ts";
import type {
  DirectoryChurn,
  ExtensionSize,
  FileSize,
  RestlessFile,
} from "../catalog/tree_stats.ts";
import type { BackupRecord } from "../core/model.ts";
import type { Context } from "./context.ts";
import type { ListedBackup } from "./list.ts";
import { backupsWithManifest, stackMeant, withManifests } from "./manifests.ts";

/** One backup; sizes in bytes. */
export type GrowthRow = Pick<
  BackupRecord,
  | "id"
  | "created_at"
  | "backup_type"
  | "trigger"
  | "file_count"
  | "source_bytes"
  | "backup_size"
>;

export interface StatsOutcome {
  stack: string;
  /** Oldest first. */
  growth: GrowthRow[];
  churn: DirectoryChurn[];
  largest: FileSize[];
  restless: RestlessFile[];
  /** Estimated from the blocks of one backup, the newest that is not an increment; null without one. */
  compression: { backup_id: number; compression_type: string; extensions: ExtensionSize[] } | null;
  unread: UnreadManifest[];
}

export interface StatsRequest {
  /** So many of the newest backups are looked at. */
  last: number;
  /** Rows of each list of files. */
  top: number;
  /** Names of a directory's path. */
  depth: number;
}

/** Raises NO_SUCH_STACK, USAGE, IO, INTERRUPTED. */
export async function stats(
  ctx: Context,
  { last, top, depth }: StatsRequest,
): Promise<StatsOutcome> {
  const all = await backupsWithManifest(ctx);
  const stack = stackMeant(ctx, all);
  const records = all.filter((record) => record.stack === stack).slice(-last);
  return await withManifests(ctx, records, async (set) => {
    const { TreeStats } = await import("../catalog/tree_stats.ts");
    const tree = new TreeStats(set);
    return {
      stack,
      growth: records.map(growthOf),
      churn: await tree.churn(depth),
      largest: await tree.largest(top),
      restless: await tree.restless(top),
      compression: await compressionOf(
        records.findLast(hasOwnBlocks),
        (record) => tree.byExtension(record.id, record.backup_size!),
      ),
      unread: set.unread,
    };
  });
}

function growthOf(record: BackupRecord): GrowthRow {
  const { id, created_at, backup_type, trigger, file_count, source_bytes, backup_size } = record;
  return { id, created_at, backup_type, trigger, file_count, source_bytes, backup_size };
}

/** An increment's manifest points into other archives. */
function hasOwnBlocks({ backup_type, compression_type, backup_size }: BackupRecord): boolean {
  return backup_type !== "INCREMENTAL" && compression_type !== "none" && backup_size !== null;
}

async function compressionOf(
  record: ListedBackup | undefined,
  measure: (record: ListedBackup) => Promise<ExtensionSize[]>,
): Promise<StatsOutcome["compression"]> {
  if (!record) return null;
  const extensions = await measure(record);
  if (extensions.length === 0) return null; // its manifest could not be read
  return { backup_id: record.id, compression_type: record.compression_type, extensions };
}
