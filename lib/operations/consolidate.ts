/**
 * `backup consolidate`: a full backup out of a chain, without a look at the stack.
 *
 * Lock, mend what a dead run left, find the chain, record the run, copy block by block, make the archive
 * durable, read it back. The chain stays as it is; whatever fails leaves nothing but a row that says why.
 */
import { dirname } from "node:path";
import { ChainReader } from "../archive/chain_reader.ts";
import { consolidate, type Consolidated, isRecipe } from "../archive/consolidate.ts";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import { collectGarbage } from "../core/memory.ts";
import type { BackupRecord } from "../core/model.ts";
import type { Regrouping } from "../catalog/manifest_regroup.ts";
import { manifestPath, manifestRowsPath, partialPath } from "../repository/naming.ts";
import { PendingArchive } from "../repository/pending_archive.ts";
import { TextFile } from "../repository/text_file.ts";
import { noteDirectory } from "./archive_directory.ts";
import { audited } from "./audit.ts";
import { fail, recordVerification, RunningRecord, settle } from "./backup_record.ts";
import {
  type ConsolidatePlan,
  type ConsolidateRequest,
  membersText,
  newRecord,
  planConsolidation,
} from "./consolidate_plan.ts";
import { type Context, keepingCatalog, openJournal, phase, withCatalog } from "./context.ts";
import { whoNeeds } from "./delete.ts";
import { beginExclusive } from "./exclusive.ts";
import { allBackups } from "./list.ts";
import { checkArchive } from "./prove_archive.ts";
import { markBroken } from "./verdict.ts";

export interface ConsolidateOutcome {
  backup: BackupRecord;
  problems: string[];
  /** Bytes of the archive that are blocks of the chain's archives, as they were. */
  copied_bytes: number;
  copied_blocks: number;
  /** Blocks of those archives that were taken apart. */
  cut_blocks: number;
  /** The backups that it was made of, base first; `id` is null for one that the catalogue lacks. */
  chain: { id: number | null; backup_name: string; bytes: number }[];
  /** Ids of other backups that need the chain's base. */
  needed_by: number[];
}

/**
 * Raises what `planConsolidation` does; ARCHIVE_CORRUPT where an archive of the chain is found to be
 * damaged, which is then marked so; DISK_FULL, IO, INTERRUPTED, LOCKED.
 */
export async function consolidateBackup(
  ctx: Context,
  request: ConsolidateRequest,
): Promise<ConsolidateOutcome> {
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "consolidate",
    description: `consolidate backup ${request.id}`,
    params: { ...request },
  };
  return await audited(ctx, action, async () => {
    const plan = await planConsolidation(ctx, request);
    return await runConsolidation(ctx, plan);
  }, ({ backup }) => ({
    status: backup.status === "completed" ? "completed" : "partial",
    message: `${backup.backup_name}: ${backup.status}`,
  }));
}

async function runConsolidation(ctx: Context, plan: ConsolidatePlan): Promise<ConsolidateOutcome> {
  const { row, metadata } = newRecord(ctx, plan);
  const record = await withCatalog(ctx, (catalog) => catalog.backups.insert(row));
  const running = new RunningRecord(record, metadata);
  // What the backup lacks that it is made of, it lacks as well.
  if (plan.record.status === "partial") running.problems.push(plan.record.error_message ?? "");
  const journal = openJournal(ctx, {
    kind: "backup",
    stack: record.stack,
    work_dir: metadata.work_dir,
    backup_id: record.id,
    archive: plan.path,
    partial: partialPath(plan.path),
  });
  try {
    const found = await writeArchive(ctx, plan, running);
    if (plan.verify) {
      await recordVerification(ctx, running, () => checkArchive(ctx, running.record));
    }
    return await outcomeOf(ctx, plan, running, found);
  } finally {
    journal.finish();
  }
}

/** From the chain to a durable archive with its row. */
async function writeArchive(
  ctx: Context,
  plan: ConsolidatePlan,
  running: RunningRecord,
): Promise<Consolidated> {
  try {
    using archive = PendingArchive.create(plan.path);
    using places = TextFile.create(manifestRowsPath(plan.path));
    const found = await writeTo(ctx, plan, running, archive, places);
    running.noteArchive(found);
    phase(ctx, "finish", "Finishing the archive");
    await settle(ctx, running, archive, async () => {
      collectGarbage();
      const { writeRegrouped } = await import("../catalog/manifest_regroup.ts");
      const to = manifestPath(plan.path);
      await writeRegrouped(plan.manifest, places.path, to, plan.name);
    });
    if (dirname(plan.path) === plan.directory) noteDirectory(ctx, plan.directory);
    return found;
  } catch (cause) {
    const error = asDuckbackError(cause);
    await fail(ctx, running, error);
    await markDamaged(ctx, plan, error);
    throw error;
  }
}

async function writeTo(
  ctx: Context,
  plan: ConsolidatePlan,
  running: RunningRecord,
  archive: PendingArchive,
  places: TextFile,
): Promise<Consolidated> {
  const { archives } = plan.chain;
  phase(ctx, "measure", `Looking at what ${membersText(plan.record, plan.chain)} hold`);
  await using grouped = await regroup(ctx, plan);
  phase(ctx, "archive", `Consolidating ${membersText(plan.record, plan.chain)}`);
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value, null, 1) + "\n");
  const found = await consolidate({
    archives,
    parts: plan.archives.map((part, i) => ({ ...part, rows: () => grouped.rows(i) })),
    late: () => grouped.late(),
    compression: plan.compression,
    level: plan.level,
    first: json(running.firstEntry()),
    last: (result) => json(running.lastEntry(result, ctx.now())),
    now: ctx.now(),
    write: (bytes) => archive.write(bytes),
    onPlaced: ({ row }, offset, inner) => places.append(`${row} ${offset} ${inner}\n`),
    progress: ctx.progress,
    files: plan.record.file_count ?? 0,
    signal: ctx.signal,
  });
  places.flush();
  if (found.entry_count === grouped.count) return found;
  throw new DuckbackError(
    "INTERNAL",
    `The manifest has ${grouped.count} rows, ${found.entry_count} entries were written`,
  );
}

async function regroup(ctx: Context, plan: ConsolidatePlan): Promise<Regrouping> {
  const { Regrouping } = await import("../catalog/manifest_regroup.ts");
  using reader = new ChainReader(plan.chain.archives, ctx.signal);
  return await Regrouping.open(
    plan.manifest,
    plan.archives.map(({ name }) => name),
    (entry) => isRecipe(reader, entry),
    manifestPath(plan.path),
  );
}

/** The archive that the error is about is not to be offered to anybody again. */
async function markDamaged(ctx: Context, plan: ConsolidatePlan, error: DuckbackError) {
  if (error.code !== "ARCHIVE_CORRUPT") return;
  const members = [...plan.chain.records, plan.record];
  const broken = plan.archives.findIndex(({ path }) => error.message.includes(`"${path}"`));
  const record = members[broken] ?? null;
  if (record?.backup_path === plan.archives[broken]?.path) await markBroken(ctx, record!, error);
}

async function outcomeOf(
  ctx: Context,
  plan: ConsolidatePlan,
  running: RunningRecord,
  { copied_bytes, copied_blocks, cut_blocks }: Consolidated,
): Promise<ConsolidateOutcome> {
  const ids = [...plan.chain.records.map((record) => record?.id ?? null), plan.record.id];
  const chain = plan.archives.map(({ name, bytes }, i) => ({
    id: ids[i],
    backup_name: name,
    bytes,
  }));
  const base = ids[0];
  const needing = base === null ? [] : whoNeeds(await allBackups(ctx), base).map(({ id }) => id);
  return {
    backup: running.record,
    problems: running.problems,
    ...{ copied_bytes, copied_blocks, cut_blocks, chain },
    needed_by: needing.filter((id) => !ids.includes(id)).sort((a, b) => a - b),
  };
}
