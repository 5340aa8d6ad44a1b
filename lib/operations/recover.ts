/**
 * Brings back what a run that died left behind: trees half swapped, services stopped, temporary
 * files, rows that say `running`. Every command that may change something does this first.
 */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import { exists } from "../repository/pending_archive.ts";
import { JournalFile, listJournals, removeUnwritten } from "../repository/journal.ts";
import { readSidecar, scanSidecars } from "../repository/sidecar.ts";
import { removeSpool } from "../repository/spool.ts";
import { removeTraces } from "../repository/traces.ts";
import type { Context } from "./context.ts";
import { note, phase, takeLock, withCatalog } from "./context.ts";
import { withSoundCatalog } from "./damaged_catalog.ts";
import { connectPatiently, startAgain, stopUsers } from "./dead_services.ts";
import { awaitHealth } from "./health.ts";
import { type LostJournal, putAside, reportLost } from "./lost_journal.ts";
import { dropDirectories, dropVolumes } from "./made_places.ts";
import { endDeadActions, endDeadUpgrades, recordMended } from "./recover_audit.ts";
import { settleMoves } from "./move_archives.ts";
import { relinkChains } from "./relink_chains.ts";
import { endRemoval } from "./removal.ts";
import {
  tellDied,
  tellMaybeDown,
  tellMended,
  tellNotMended,
  tellUnwell,
} from "./recovery_alerts.ts";
import { currentSettings } from "./settings.ts";
import { removeStaging, swapOut } from "./swap.ts";
import { keepForUndo, settleUndo } from "./undo_trees.ts";

/** What was done; all empty where nothing was left behind. */
export interface Recovery {
  /** Services that were started again. */
  services: string[];
  /** Trees that were swapped back to what they were. */
  trees: string[];
  /** Backups whose row said `running`: what became of each. */
  settled: { id: number; backup_name: string; status: string }[];
  /** Archives whose record was missing from the catalogue. */
  adopted: string[];
  /** Backups whose removal was broken off and is done now. */
  removed: string[];
  /** Journals nobody can read, now kept aside under another name. */
  unreadable: string[];
  /** Containers that such a journal may have listed, and that do not run: start them by hand. */
  maybe_down: string[];
  /** Containers that ran before, and that somebody removed meanwhile. */
  missing: string[];
  /** Those of `services` that did not become well in time; looked at by `recover` alone. */
  unhealthy: string[];
  /** Containers that could not be started and STAY DOWN: nobody will try again. */
  given_up: string[];
  /** Upgrades that were under way: what became of each. */
  upgrades: { id: number; status: string; message: string }[];
  /** Drills of which what they had made was removed. */
  drills: string[];
}

export interface RecoverOptions {
  /**
   * Containers that the engine refuses to start are dropped from the journal, so that one that can
   * never start does not block every later run. They are tried once more before that.
   */
  give_up?: boolean;
  /** Told of each plan by which containers were started, and of the engine they are in. */
  onStarted?: (engine: Engine, plan: QuiescePlan) => void;
}

/** `recover`: nothing but that, and a look whether what was started is well. */
export async function recover(ctx: Context, options: RecoverOptions = {}): Promise<Recovery> {
  using _lock = await takeLock(ctx);
  const started: { engine: Engine; plan: QuiescePlan }[] = [];
  const recovery = await withSoundCatalog(ctx, () =>
    recoverLeftovers(ctx, {
      ...options,
      onStarted: (engine, plan) => started.push({ engine, plan }),
    }));
  if (started.length === 0) return recovery;
  const { "backup.health_timeout_seconds": seconds } = await currentSettings(ctx);
  for (const { engine, plan } of started) {
    const health = await awaitHealth(ctx, engine, plan, seconds * 1000);
    for (const { container, state, health: found } of health?.unhealthy ?? []) {
      recovery.unhealthy.push(container);
      note(ctx, `${container} is ${found ?? state} after its start`, "warning");
    }
    tellUnwell(ctx, plan.stack, health?.unhealthy ?? []);
  }
  throwIfAborted(ctx.signal);
  return recovery;
}

/** The caller holds the lock, so every journal and every `running` row belongs to a run that died. */
export async function recoverLeftovers(
  ctx: Context,
  options: RecoverOptions = {},
): Promise<Recovery> {
  const recovery = nothingYet();
  const lost: LostJournal[] = [];
  const mended = new Set<number | null>();
  let failure: DuckbackError | null = null;
  removeUnwritten(ctx.home);
  for (const path of listJournals(ctx.home)) {
    let journal: JournalFile;
    try {
      journal = JournalFile.read(path);
    } catch (cause) {
      lost.push(putAside(path, cause));
      continue;
    }
    mended.add(journal.data.backup_id);
    const own = nothingYet();
    try {
      await mend(ctx, journal, own, options);
      tellMended(ctx, journal.data, own);
    } catch (cause) {
      // One that cannot be mended now stays, and must not keep the others from being mended.
      const error = asDuckbackError(cause);
      if (error.code !== "INTERRUPTED") tellNotMended(ctx, journal.data, error);
      failure ??= error;
    }
    for (const what of Object.keys(own) as (keyof Recovery)[]) {
      (recovery[what] as unknown[]).push(...own[what]);
    }
  }
  recovery.unreadable.push(...lost.map(({ path }) => path));
  recovery.maybe_down.push(...await reportLost(ctx, lost, mended));
  tellMaybeDown(ctx, recovery.maybe_down);
  if (failure) throw failure;
  await reconcile(ctx, recovery);
  await endDeadActions(ctx);
  await endDeadUpgrades(ctx);
  return recovery;
}

function nothingYet(): Recovery {
  return {
    services: [],
    trees: [],
    settled: [],
    adopted: [],
    removed: [],
    unreadable: [],
    maybe_down: [],
    missing: [],
    unhealthy: [],
    given_up: [],
    upgrades: [],
    drills: [],
  };
}

async function mend(
  ctx: Context,
  journal: JournalFile,
  recovery: Recovery,
  options: RecoverOptions,
) {
  const { data } = journal;
  phase(
    ctx,
    "recover",
    `"${data.operation}" of ${data.started_at} (pid ${data.pid}) died: mending`,
  );
  try {
    await mendTrees(ctx, journal, recovery);
    await mendPlaces(ctx, journal);
  } catch (cause) {
    const error = asDuckbackError(cause);
    throw new DuckbackError(
      error.code,
      `Cannot put back what "${data.operation}" of ${data.started_at} had half replaced: ` +
        `${error.message}. Until then its services stay down`,
      { cause, hint: "Mend the cause, then run: duckback recover" },
    );
  }
  if (data.drill && !await clearDrill(ctx, journal, recovery)) return;
  const given_up = data.plan ? await startAgain(ctx, journal, recovery, options) : [];
  if (data.hooks?.length) await runLeftHooks(ctx, journal);
  if (data.archive) removeTraces(data.archive);
  if (data.spool) removeSpool(data.spool);
  if (data.doomed) recovery.removed.push(...await endRemoval(ctx, data.doomed));
  if (data.upgrade) {
    const { settleUpgrade } = await import("./upgrade_recovery.ts");
    await settleUpgrade(ctx, journal, recovery, options);
  }
  const unsettled = data.moves ? await settleMoves(ctx, data.moves) : [];
  await auditRecovery(ctx, journal, recovery, given_up);
  // Archives that are not to be seen now (a disk that is not mounted) are looked for at each start.
  if (unsettled.length === 0) journal.finish();
}

/**
 * Its services were nobody's: they are removed, not started. False where the engine is away: that keeps
 * no other run from working, and the next one tries again.
 */
async function clearDrill(
  ctx: Context,
  journal: JournalFile,
  recovery: Recovery,
): Promise<boolean> {
  const drill = journal.data.drill!;
  const { removeDrill } = await import("./drill_place.ts");
  try {
    const engine = drill.engine ? await connectPatiently(ctx, journal) : null;
    await removeDrill(engine, drill);
  } catch (cause) {
    const { message } = asDuckbackError(cause);
    note(ctx, `What ${drill.name} had made could not be removed yet: ${message}`, "warning");
    return false;
  }
  journal.save({ plan: null, drill: null });
  recovery.drills.push(drill.name);
  note(ctx, `Removed what ${drill.name} had made.`);
  return true;
}

/** What `duckback.pre` began, `duckback.post` ends: also where the run in between was killed. */
async function runLeftHooks(ctx: Context, journal: JournalFile) {
  const { runPosts } = await import("./hooks.ts");
  const engine = await connectPatiently(ctx, journal);
  for (const problem of await runPosts(ctx, engine, journal)) note(ctx, problem, "warning");
}

/** What was filled in part goes. */
async function mendPlaces(ctx: Context, journal: JournalFile) {
  const { volumes = [], committed } = journal.data;
  if (committed) return;
  if (volumes.length > 0) await dropVolumes(ctx, await connectPatiently(ctx, journal), journal);
  dropDirectories(journal);
}

/** Whole old trees or whole new ones, and what `--undo` is to know of it. */
async function mendTrees(ctx: Context, journal: JournalFile, recovery: Recovery) {
  const { kind, committed, swaps } = journal.data;
  if (swaps.length === 0) return;
  if (committed) {
    if (kind === "rollback" || kind === "upgrade") await keepForUndo(ctx, journal);
    if (kind === "move") await removeStaging(swaps);
    return;
  }
  const moved = swaps.filter((step) => step.phase !== "staged").map((step) => step.live);
  if (moved.length > 0) await stopUsers(ctx, journal);
  if (kind === "undo") settleUndo(ctx, journal);
  else {
    for (const step of [...swaps].reverse()) swapOut(step, () => journal.save());
    await removeStaging(swaps);
    journal.save({ swaps: [] });
  }
  recovery.trees.push(...moved);
}

async function auditRecovery(
  ctx: Context,
  { data }: JournalFile,
  recovery: Recovery,
  given_up: string[],
) {
  const parts = [
    recovery.services.length > 0 && `started ${recovery.services.join(", ")}`,
    recovery.missing.length > 0 && `removed by somebody: ${recovery.missing.join(", ")}`,
    recovery.trees.length > 0 && `put back ${recovery.trees.join(", ")}`,
    recovery.removed.length > 0 && `removed ${recovery.removed.join(", ")}`,
    given_up.length > 0 && `gave up ${given_up.join(", ")}`,
  ].filter(Boolean);
  await recordMended(ctx, {
    description: `mend "${data.operation}" of ${data.started_at}`,
    params: { run: data.id, stack: data.stack, pid: data.pid },
    status: given_up.length > 0 ? "partial" : "completed",
    message: parts.join("; ") || "nothing was left to start",
  });
}

/** Rows that say `running` become what their sidecar says, or `failed`; unknown sidecars get a row. */
async function reconcile(ctx: Context, recovery: Recovery) {
  const { auto_backup_directory: directory } = await currentSettings(ctx);
  await withCatalog(ctx, async ({ backups }) => {
    for (const record of await backups.list({ status: "running" })) {
      const settled = settledRecord(ctx, record);
      const { id, ...row } = settled;
      await backups.update(id, row);
      recovery.settled.push({ id, backup_name: row.backup_name, status: row.status });
      note(
        ctx,
        `Backup ${id} (${row.backup_name}) was under way when its run died: it is ${row.status} now.`,
      );
      tellDied(ctx, settled);
    }
    const known = new Set((await backups.list({})).map((record) => record.backup_name));
    for (const record of scanSidecars(directory)) {
      if (known.has(record.backup_name) || !exists(record.backup_path)) continue;
      await backups.adopt(record);
      recovery.adopted.push(record.backup_name);
      note(ctx, `Took ${record.backup_name} into the catalogue from its sidecar.`);
    }
  });
  if (recovery.adopted.length > 0) await relinkChains(ctx);
}

function settledRecord(ctx: Context, record: BackupRecord): BackupRecord {
  const path = record.backup_path;
  if (path !== "-" && exists(path)) {
    const sidecar = readSidecar(path);
    if (sidecar?.backup_name === record.backup_name) return { ...sidecar, id: record.id };
  }
  if (path !== "-") removeTraces(path);
  return {
    ...record,
    status: "failed",
    error_message: "FAILED: the run died before it was done",
    completed_at: ctx.now().toISOString(),
  };
}
