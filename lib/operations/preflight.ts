/** Checks that a backup can work, before any service is touched. */
import { dirname } from "node:path";
import type { WalkChoice } from "../archive/archive_options.ts";
import { holdsAnything, measure } from "../archive/measure.ts";
import type { Totals } from "../archive/totals.ts";
import { DuckbackError } from "../core/errors.ts";
import { formatBytes } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import { type BackupPlan, neverArchived, runs } from "./backup_plan.ts";
import type { Context } from "./context.ts";
import { expectedSize } from "./expected_size.ts";
import { note, phase, withCatalog } from "./context.ts";
import { hasPlenty } from "./plenty.ts";

/** What the sources come to, and what the archive will need by experience. */
export interface Estimate {
  files: number;
  bytes: number;
  /** Bytes the archive is expected to take; null without an earlier backup to go by. */
  archive_bytes: number | null;
  /** How many earlier runs say so. */
  runs: number;
  /** What `backup.min_free_bytes` wants to stay free. */
  min_free_bytes: number;
  /** Bytes free where it goes; null for standard output. */
  free_bytes: number | null;
}

/**
 * Raises NOTHING_TO_BACK_UP, SOURCE_MISSING, SOURCE_UNREADABLE, DISK_FULL. Without experience of this
 * stack the size of the archive is unknown, and only `backup.min_free_bytes` can refuse.
 */
export async function preflight(ctx: Context, plan: BackupPlan): Promise<Estimate> {
  phase(ctx, "measure", "Looking at what there is to back up");
  if (plan.sources.length + plan.dumps.length === 0) throw nothing(plan);
  const found = countedBefore(plan) ?? await measure(choice(ctx, plan));
  if (found.entries + plan.dumps.length === 0) throw nothing(plan);
  const estimate: Estimate = {
    files: found.files,
    bytes: found.bytes,
    ...await experience(ctx, plan, found.bytes),
    min_free_bytes: plan.min_free_bytes,
    free_bytes: plan.path === "-" ? null : posix.freeSpace(dirname(plan.path)),
  };
  checkSpace(ctx, plan, estimate);
  return estimate;
}

/** Of an incremental backup, what its parent came to: nobody waits for more than a look at what changed. */
function countedBefore({ parent, stack, request }: BackupPlan): Totals | null {
  if (parent === null || parent.file_count === null || parent.source_bytes === null) return null;
  // Services that would be stopped first are to find out now what cannot be read.
  if (runs(stack) && !request.precopy) return null;
  return { files: parent.file_count, bytes: parent.source_bytes, entries: parent.file_count + 1 };
}

/**
 * The same where nobody watches: a walk through the sources is spared, and the estimate null, where the
 * room is beyond doubt.
 */
export async function preflightUnwatched(ctx: Context, plan: BackupPlan): Promise<Estimate | null> {
  const anything = holdsAnything(choice(ctx, plan)) || plan.dumps.length > 0;
  return anything && hasPlenty(plan) ? null : await preflight(ctx, plan);
}

function choice(ctx: Context, plan: BackupPlan): WalkChoice {
  return {
    sources: plan.sources,
    exclude: plan.exclude,
    skip_paths: neverArchived(ctx, plan),
    one_file_system: plan.request.one_file_system,
    exclude_caches: plan.request.exclude_caches,
    signal: ctx.signal,
  };
}

function nothing(plan: BackupPlan): DuckbackError {
  const skipped = plan.stack.skipped.map((mount) => `  ${mount.name}: ${mount.reason}`).join("\n");
  const kind = plan.type === "DATA_ONLY" ? "data " : "";
  return new DuckbackError(
    "NOTHING_TO_BACK_UP",
    `Cannot back up stack "${plan.stack.name}": no ${kind}source was found in ${plan.stack.work_dir}` +
      (skipped && `\nLeft out:\n${skipped}`),
    { hint: "Name what to back up with --source PATH, or run it where the compose file lies." },
  );
}

async function experience(ctx: Context, plan: BackupPlan, bytes: number) {
  const records = await withCatalog(
    ctx,
    (catalog) => catalog.backups.list({ stack: plan.stack.name, status: "completed" }),
  );
  const like = { backup_type: plan.type, compression_type: plan.compression };
  return expectedSize(records, like, bytes);
}

function checkSpace(ctx: Context, plan: BackupPlan, estimate: Estimate) {
  if (estimate.free_bytes === null) return;
  const free = estimate.free_bytes;
  const need = (estimate.archive_bytes ?? 0) + plan.min_free_bytes;
  if (free < need) {
    throw new DuckbackError(
      "DISK_FULL",
      `Cannot back up to "${dirname(plan.path)}": ${formatBytes(free)} free, about ${
        formatBytes(need)
      } needed`,
      {
        hint:
          "Remove old backups (`duckback backup prune`), free space, or choose another place with " +
          "--output or `duckback config set auto_backup_directory DIR`.",
        details: { free_bytes: free, needed_bytes: need },
      },
    );
  }
  if (estimate.archive_bytes === null && plan.parent === null && free < estimate.bytes) {
    note(
      ctx,
      `${formatBytes(free)} free for ${
        formatBytes(estimate.bytes)
      } of files: enough only if they ` +
        "compress well.",
      "warning",
    );
  }
}
