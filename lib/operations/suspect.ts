/** Looks at a new automatic backup beside the one before it, and says loudly what is suspicious. */
import { deflateSync } from "node:zlib";
import { ChainReader } from "../archive/chain_reader.ts";
import { asDuckbackError, throwIfAborted } from "../core/errors.ts";
import { LEAST_BYTES, treeChange } from "../catalog/tree_change.ts";
import type { BackupRecord, ManifestEntry } from "../core/model.ts";
import { manifestPath } from "../repository/naming.ts";
import { announce } from "./announce.ts";
import { recordSuspicion, type RunningRecord } from "./backup_record.ts";
import { chainOf } from "./chain.ts";
import type { Context } from "./context.ts";
import { note } from "./context.ts";
import { listBackups } from "./list.ts";
import { hasManifest, withManifests } from "./manifests.ts";
import {
  COMPRESSIBLE,
  type CompressionFacts,
  INCOMPRESSIBLE,
  suspicionOf,
  whatToDo,
} from "./suspicion.ts";

/** A backup is not to need more memory than its archive does. */
const MODEST = { threads: 1, memory_limit: "128MB" };
/** How much of a file is compressed. */
const START_BYTES = 64 << 10;

/**
 * Compares a backup that is complete with the newest one before it, notes in its record what is suspicious
 * and alerts. What cannot be looked at is no failure of the backup. Raises only INTERRUPTED.
 */
export async function lookForSuspicion(ctx: Context, running: RunningRecord): Promise<void> {
  const { record } = running;
  try {
    const all = await listBackups({ ...ctx, stack: record.stack });
    const before = earlier(all, record);
    if (!before || !hasManifest(record)) return;
    const found = await withManifests(ctx, [before, record], async (set) => {
      const change = await treeChange(set);
      if (set.unread.length > 0) return [];
      return suspicionOf({
        ...change,
        compression: await compare(ctx, before, record, change.sample),
      });
    }, MODEST);
    if (found.length === 0) return;
    await recordSuspicion(ctx, running, found);
    const what = found.map(({ message }) => message).join("; ");
    note(ctx, `Backup ${record.id} is SUSPICIOUS beside backup ${before.id}: ${what}.`, "warning");
    announce(ctx, {
      kind: "suspicion",
      stack: record.stack,
      title: `Backup ${record.id} of ${record.stack} is suspicious: the data may be damaged`,
      message: `Beside backup ${before.id}: ${what}.\n` + whatToDo(record.id, before.id),
      backup_id: record.id,
    });
  } catch (thrown) {
    const error = asDuckbackError(thrown);
    if (error.code === "INTERRUPTED") throw error;
    note(
      ctx,
      `Could not compare backup ${record.id} with the one before: ${error.message}`,
      "warning",
    );
  }
}

/**
 * The newest good one of the same stack and scope. One that is under suspicion itself is no measure: what
 * was damaged yesterday is still damaged today.
 */
function earlier(all: readonly BackupRecord[], record: BackupRecord): BackupRecord | undefined {
  const data_only = record.backup_type === "DATA_ONLY";
  return all.find((other) =>
    other.id !== record.id && other.created_at <= record.created_at &&
    other.status === "completed" && hasManifest(other) &&
    (other.backup_type === "DATA_ONLY") === data_only &&
    (other.suspicion === null || other.suspicion_cleared_at !== null)
  );
}

/** Null where not one file could be read in both: sizes and counts are all there is then. */
async function compare(
  ctx: Context,
  before: BackupRecord,
  now: BackupRecord,
  sample: readonly string[],
): Promise<CompressionFacts | null> {
  const then = await ratios(ctx, before, sample).catch(unlessAway);
  const later = await ratios(ctx, now, [...then.keys()]).catch(unlessAway);
  if (later.size === 0) return null;
  const facts: CompressionFacts = { compressible: 0, turned: 0, turned_bytes: 0 };
  for (const [path, { ratio, size }] of later) {
    if (then.get(path)!.ratio > COMPRESSIBLE) continue;
    facts.compressible++;
    if (ratio < INCOMPRESSIBLE) continue;
    facts.turned++;
    facts.turned_bytes += size;
  }
  return facts;
}

/** An archive may be offline, or one that it needs. */
function unlessAway(thrown: unknown): Ratios {
  const { code } = asDuckbackError(thrown);
  if (code === "ARCHIVE_MISSING" || code === "ARCHIVE_CORRUPT" || code === "IO") return new Map();
  throw thrown;
}

type Ratios = Map<string, { ratio: number; size: number }>;

/** How the start of each file compresses, by path; without those that cannot be read. */
async function ratios(
  ctx: Context,
  record: BackupRecord,
  paths: readonly string[],
): Promise<Ratios> {
  const found: Ratios = new Map();
  if (paths.length === 0) return found;
  const { readManifest } = await import("../catalog/manifest.ts");
  const parts = paths.map((path) => ({ path, take: "self" as const }));
  const rows = (await Array.fromAsync(readManifest(manifestPath(record.backup_path), parts)))
    .flat();
  const { archives } = await chainOf(ctx, record);
  using reader = new ChainReader(archives, ctx.signal);
  if (!reader.seeks) return found;
  for (const row of rows) {
    const start = await startOf(reader, row);
    throwIfAborted(ctx.signal);
    if (start === null || start.length < LEAST_BYTES) continue;
    found.set(row.path, { ratio: deflateSync(start).length / start.length, size: row.size });
  }
  return found;
}

/** Thrown from within a read when it has what it wants. */
class Enough extends Error {}

/** Null where the archive that holds it is away or damaged. */
async function startOf(reader: ChainReader, row: ManifestEntry): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(Math.min(START_BYTES, row.size));
  let got = 0;
  const take = (part: Uint8Array) => {
    bytes.set(part.subarray(0, bytes.length - got), got);
    got += Math.min(part.length, bytes.length - got);
    if (got === bytes.length) throw new Enough();
  };
  try {
    await reader.read(row, {
      entry() {},
      data: take,
      hole: (length) => take(new Uint8Array(Math.min(length, bytes.length - got))),
      end() {},
    });
  } catch (thrown) {
    if (!(thrown instanceof Enough)) return null;
  }
  return bytes.subarray(0, got);
}
