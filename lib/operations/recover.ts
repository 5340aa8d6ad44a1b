/**
 * Brings back what a run that died left behind: trees half swapped, services stopped, temporary
 * files, rows that say `running`. Every command that may change something does this first.
 */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { VERSION } from "../core/version.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import { exists } from "../repository/pending_archive.ts";
import { removeQuietly } from "../repository/durable.ts";
import { JournalFile, keepAside, listJournals, removeUnwritten } from "../repository/journal.ts";
import { manifestPath, manifestRowsPath, partialPath, sidecarPath } from "../repository/naming.ts";
import { readSidecar, scanSidecars } from "../repository/sidecar.ts";
import type { Context } from "./context.ts";
import { connect, ENGINE_ENV, note, phase, takeLock, tryConnect, withCatalog } from "./context.ts";
import { names } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";
import { removeStaging, swapOut } from "./swap.ts";
import { keepForUndo, settleUndo } from "./undo_trees.ts";

const ENGINE_WAIT_MS = 15_000;

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
  /** Journals nobody can read, now kept aside under another name. */
  unreadable: string[];
}

/** `recover`: nothing but that. */
export async function recover(ctx: Context): Promise<Recovery> {
  using _lock = await takeLock(ctx);
  return await recoverLeftovers(ctx);
}

/** The caller holds the lock, so every journal and every `running` row belongs to a run that died. */
export async function recoverLeftovers(ctx: Context): Promise<Recovery> {
  const recovery: Recovery = { services: [], trees: [], settled: [], adopted: [], unreadable: [] };
  let failure: DuckbackError | null = null;
  removeUnwritten(ctx.home);
  for (const path of listJournals(ctx.home)) {
    const journal = open(ctx, path, recovery);
    if (!journal) continue;
    try {
      await mend(ctx, journal, recovery);
    } catch (cause) {
      // One that cannot be mended now stays, and must not keep the others from being mended.
      failure ??= asDuckbackError(cause);
    }
  }
  if (failure) throw failure;
  await reconcile(ctx, recovery);
  return recovery;
}

function open(ctx: Context, path: string, recovery: Recovery): JournalFile | null {
  try {
    return JournalFile.read(path);
  } catch (cause) {
    const aside = keepAside(path);
    recovery.unreadable.push(aside);
    note(
      ctx,
      `The journal of an earlier run cannot be read (${String(cause)}); it is kept as ${aside}. ` +
        "Check that all services run: duckback docker-service status",
      "warning",
    );
    return null;
  }
}

async function mend(ctx: Context, journal: JournalFile, recovery: Recovery) {
  const { data } = journal;
  phase(
    ctx,
    "recover",
    `"${data.operation}" of ${data.started_at} (pid ${data.pid}) died: mending`,
  );
  try {
    await mendTrees(ctx, journal, recovery);
  } catch (cause) {
    const error = asDuckbackError(cause);
    throw new DuckbackError(
      error.code,
      `Cannot put back what "${data.operation}" of ${data.started_at} had half replaced: ` +
        `${error.message}. Until then its services stay down`,
      { cause, hint: "Mend the cause, then run: duckback recover" },
    );
  }
  if (data.plan) {
    const plan = data.plan as QuiescePlan;
    const { startAll } = await import("../docker/quiesce.ts");
    const engine = await connectPatiently(ctx, journal);
    const report = await startAll(engine, plan, { onStep: (text) => note(ctx, text) });
    recovery.services.push(...report.started);
    journal.save({ plan: null });
    note(ctx, `"${data.operation}" of ${data.started_at} had died: ${names(plan)} run again.`);
  }
  if (data.archive) removeTraces(data.archive);
  await auditRecovery(ctx, journal, recovery);
  journal.finish();
}

/** Whole old trees or whole new ones, and what `--undo` is to know of it. */
async function mendTrees(ctx: Context, journal: JournalFile, recovery: Recovery) {
  const { kind, committed, swaps } = journal.data;
  if (swaps.length === 0) return;
  if (committed) {
    if (kind === "rollback") await keepForUndo(ctx, journal);
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

/** The run may have died after it started them again, or a restart policy did: nobody may hold the trees. */
async function stopUsers(ctx: Context, journal: JournalFile) {
  const plan = journal.data.users as QuiescePlan | null;
  if (!plan) return;
  const { stopAll } = await import("../docker/quiesce.ts");
  const engine = await connectPatiently(ctx, journal);
  journal.save({ plan });
  await stopAll(engine, plan, { onStep: (text) => note(ctx, text) });
}

/**
 * The engine of the run that died, whatever DOCKER_HOST says now. After a power loss duckback may be
 * up before the engine is: it gets a while.
 */
async function connectPatiently(ctx: Context, journal: JournalFile): Promise<Engine> {
  const others = Object.entries(ctx.env).filter(([name]) => !ENGINE_ENV.includes(name));
  const there = { ...ctx, env: { ...Object.fromEntries(others), ...journal.data.engine } };
  const end = performance.now() + ENGINE_WAIT_MS;
  for (;;) {
    try {
      return await connect(there);
    } catch (cause) {
      throwIfAborted(ctx.signal);
      if (performance.now() > end) return await knownElsewhere(ctx, journal) ?? thrown(cause);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** The engine of today's environment, where it knows the containers: the other was perhaps a tunnel. */
async function knownElsewhere(ctx: Context, { data }: JournalFile): Promise<Engine | null> {
  const { engine } = await tryConnect(ctx);
  for (const { id } of ((data.plan ?? data.users) as QuiescePlan).items) {
    if (await engine?.inspect(id)) return engine;
  }
  return null;
}

function thrown(cause: unknown): never {
  throw cause;
}

/** Temporary files of an archive; its sidecars too where the archive itself never came to be. */
function removeTraces(archive: string) {
  removeQuietly(partialPath(archive));
  removeQuietly(manifestRowsPath(archive));
  removeQuietly(`${sidecarPath(archive)}.tmp`);
  if (exists(archive)) return;
  removeQuietly(manifestPath(archive));
  removeQuietly(sidecarPath(archive));
}

async function auditRecovery(ctx: Context, journal: JournalFile, recovery: Recovery) {
  const { data } = journal;
  const at = ctx.now().toISOString();
  const parts = [
    recovery.services.length > 0 && `started ${recovery.services.join(", ")}`,
    recovery.trees.length > 0 && `put back ${recovery.trees.join(", ")}`,
  ].filter(Boolean);
  try {
    await withCatalog(ctx, async ({ actions }) => {
      const id = await actions.begin({
        action_type: "recover",
        action_description: `mend "${data.operation}" of ${data.started_at}`,
        action_params: { run: data.id, stack: data.stack, pid: data.pid },
        actor: ctx.actor,
        client_version: VERSION,
        host: ctx.host,
        started_at: at,
      });
      await actions.finish(id, {
        status: "completed",
        result_message: parts.join("; ") || "nothing was left to start",
        completed_at: ctx.now().toISOString(),
      });
    });
  } catch (cause) {
    note(ctx, `The recovery could not be recorded: ${asDuckbackError(cause).message}`, "warning");
  }
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
      note(ctx, `Backup ${id} (${row.backup_name}) was never settled: now ${row.status}.`);
    }
    const known = new Set((await backups.list({})).map((record) => record.backup_name));
    for (const record of scanSidecars(directory)) {
      if (known.has(record.backup_name) || !exists(record.backup_path)) continue;
      await backups.adopt(record);
      recovery.adopted.push(record.backup_name);
      note(ctx, `Took ${record.backup_name} into the catalogue from its sidecar.`);
    }
  });
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
