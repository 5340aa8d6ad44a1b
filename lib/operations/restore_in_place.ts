/**
 * `restore ID PATH --in-place`: one path back to where it came from. What it replaces is kept, as a
 * rollback keeps it: `rollback --undo` takes it back. Services go on unless it is asked to stop them.
 */
import { dirname, join } from "node:path";
import type { ExtractReport } from "../archive/extract.ts";
import { extractPicked } from "../archive/pick.ts";
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import type { JournalFile } from "../repository/journal.ts";
import { readUndo } from "../repository/undo_record.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { openJournal, phase } from "./context.ts";
import { type Entries, findEntries } from "./entries.ts";
import { beginExclusive } from "./exclusive.ts";
import { extractFrom } from "./extract_backup.ts";
import { archivePath, isBelow, Patterns } from "./patterns.ts";
import { pick } from "./picks.ts";
import { planNow, Quiesced } from "./quiesced.ts";
import { planRollback, type RollbackPlan, type RollbackTarget } from "./rollback_plan.ts";
import { addSwap, dropStaging } from "./stage.ts";
import { noteStaged, planSwap, stagedPath, swapIn, swapOut } from "./swap.ts";
import { keepForUndo } from "./undo_trees.ts";
import { proveArchive } from "./prove_archive.ts";

export interface InPlaceRequest {
  id: number;
  /** One archive path; no glob. */
  path: string;
  /** Stops the stack's services while the path is replaced. */
  stop: boolean;
}

export interface InPlaceOutcome {
  archive: string;
  backup_id: number;
  /** What was replaced. */
  live: string;
  /** Where what was there lies now; null where nothing was. */
  kept: string | null;
  downtime_ms: number | null;
  report: ExtractReport;
}

/**
 * Raises NO_SUCH_BACKUP, NO_SUCH_PATH, REFUSED, and what an extraction raises; then nothing has
 * changed.
 */
export async function restoreInPlace(
  ctx: Context,
  request: InPlaceRequest,
): Promise<InPlaceOutcome> {
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "restore-in-place",
    description: `put ${request.path} of backup ${request.id} back in its place`,
    params: { ...request },
  };
  return await audited(ctx, action, async () => {
    const path = archivePath(request.path);
    const entries = await findEntries(ctx, request.id);
    const plan = await planRollback(ctx, entries.record!, ["app", "data"], { look_only: true });
    const target = placeOf(plan, path, request);
    return await replace(ctx, entries, plan, target, path, request);
  }, ({ live, report }) => ({
    status: report.warnings.length > 0 ? "partial" : "completed",
    message: `${live}: ${report.entries} entries, ${report.bytes} bytes`,
  }));
}

/** Where the path lies now. Raises NO_SUCH_PATH, REFUSED. */
function placeOf(plan: RollbackPlan, path: string, { id }: InPlaceRequest): RollbackTarget {
  const root = (target: RollbackTarget) =>
    target.source.archive_path === "." ? "" : target.source.archive_path;
  const found = plan.targets.filter((target) => isBelow(path, root(target)))
    .sort((a, b) => root(b).length - root(a).length)[0];
  if (found === undefined) {
    throw new DuckbackError(
      "NO_SUCH_PATH",
      `Cannot put "${path}" back: it does not lie in any source of backup ${id}`,
      {
        hint: `\`duckback backup show ${id}\` lists the sources, \`duckback ls ${id}\` the paths.`,
      },
    );
  }
  if (!found.live.startsWith("/")) {
    throw new DuckbackError(
      "REFUSED",
      `Cannot put "${path}" back: its ${found.source.kind} "${found.name}" does not exist now`,
      { hint: `Bring the whole of it back: duckback rollback-data-only ${id}` },
    );
  }
  const rest = path.slice(root(found).length).replace(/^\//, "");
  if (rest === "") return found;
  return { ...found, name: path, live: join(found.live, rest), inside: false };
}

async function replace(
  ctx: Context,
  entries: Entries,
  plan: RollbackPlan,
  target: RollbackTarget,
  path: string,
  request: InPlaceRequest,
): Promise<InPlaceOutcome> {
  refuseOwn(plan, target);
  const journal = openJournal(ctx, {
    kind: "rollback",
    stack: plan.stack.name,
    work_dir: plan.stack.work_dir,
    backup_id: request.id,
  });
  try {
    const report = await stage(ctx, entries, target, path, request, journal);
    const { downtime_ms, problem } = await swap(ctx, plan, request, journal);
    await keepForUndo(ctx, journal);
    if (problem !== null) throw problem;
    const [step] = journal.data.swaps;
    return {
      archive: entries.archive,
      backup_id: request.id,
      live: target.live,
      kept: step.had_old ? step.staging : null,
      downtime_ms,
      report,
    };
  } catch (cause) {
    await dropStaging(journal);
    throw cause;
  } finally {
    journal.finish();
  }
}

/** A path that holds the home or the backups cannot be replaced as a whole. */
function refuseOwn({ keep }: RollbackPlan, { live, name }: RollbackTarget) {
  const own = keep.find((path) => isBelow(path, live) || isBelow(live, path));
  if (own === undefined) return;
  throw new DuckbackError(
    "REFUSED",
    `Cannot put "${name}" back: duckback's own files are in "${own}"`,
    { hint: "Name what lies beside them, or take it out with --target DIR." },
  );
}

/** Extracts the path beside its live place and journals the swap. */
async function stage(
  ctx: Context,
  entries: Entries,
  target: RollbackTarget,
  path: string,
  request: InPlaceRequest,
  journal: JournalFile,
): Promise<ExtractReport> {
  phase(ctx, "preflight", "Looking up what to restore");
  const picks = await pick(ctx, entries, new Patterns([path], { globs: false }), request.id);
  if (picks.rows === null) await proveArchive(ctx, entries.record!);
  try {
    posix.mkdirAll(dirname(target.live), 0o755);
    const id = `${request.id}-${ctx.now().getTime()}`;
    addSwap(journal, planSwap(id, 0, target, []));
  } catch (cause) {
    throw diskError("Cannot prepare the restore", cause);
  }
  const [step] = journal.data.swaps;
  phase(ctx, "extract", `Extracting ${path}`);
  const options = {
    routes: [{ from: path === "" ? "." : path, to: stagedPath(step) }],
    // As in a rollback: what was there comes back.
    allow_devices: posix.effectiveIds().uid === 0,
    max_bytes: entries.record?.source_bytes ?? undefined,
    progress: ctx.progress,
    signal: ctx.signal,
    wanted: picks.picked,
  };
  const report = picks.rows === null
    ? await extractFrom(entries.archives, options)
    : await extractPicked(
      entries.archives,
      picks.rows.filter((row) => picks.picked(row.path)),
      { ...options, sources: picks.sources },
    );
  noteStaged(step);
  journal.save();
  return report;
}

/**
 * Old out, new in; how long services were down, and why they did not start again. Where the path cannot
 * be replaced everything is as it was.
 */
async function swap(
  ctx: Context,
  plan: RollbackPlan,
  request: InPlaceRequest,
  journal: JournalFile,
): Promise<{ downtime_ms: number | null; problem: DuckbackError | null }> {
  const [step] = journal.data.swaps;
  const save = () => journal.save();
  const quiesce = request.stop ? await planNow(plan.engine, plan.stack, "stop") : null;
  await using quiesced = await Quiesced.begin(ctx, plan.engine, quiesce, journal, {
    before_resume: () => swapOut(step, save),
  });
  throwIfAborted(ctx.signal);
  phase(ctx, "swap", "Putting the restored files in place");
  try {
    swapIn(step, save);
  } catch (cause) {
    swapOut(step, save);
    throw diskError("Cannot put the restored files in place", cause);
  }
  journal.save({ committed: true, undo: undoRecord(ctx, plan, journal) });
  const problem = await quiesced.resume().then(() => null, asDuckbackError);
  return { downtime_ms: quiesced.downtime_ms, problem };
}

/** This becomes what `rollback --undo` undoes; what earlier ones kept stays for now. */
function undoRecord(ctx: Context, { stack, record }: RollbackPlan, { data }: JournalFile) {
  const before = readUndo(ctx.home, stack.name);
  const kept = before === null ? 0 : 1 + (before.older?.length ?? 0);
  return {
    stack: stack.name,
    work_dir: stack.work_dir,
    backup_id: record.id,
    backup_name: record.backup_name,
    at: ctx.now().toISOString(),
    applied: true,
    keep_old: kept + 1,
    swaps: data.swaps,
  };
}
