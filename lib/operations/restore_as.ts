/**
 * `restore --as NAME`: a stack under a new name, in a new directory and new volumes; on a machine that
 * has never seen it, or beside the one it came from. Nothing that exists is overwritten, and what does
 * not reach its end leaves nothing behind.
 */
import { dirname } from "node:path";
import type { ExtractReport } from "../archive/extract.ts";
import { DuckbackError, throwIfAborted } from "../core/errors.ts";
import { formatBytes } from "../core/units.ts";
import { normalizeProjectName } from "../docker/compose.ts";
import { type Engine, LABEL } from "../docker/engine.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import type { JournalFile } from "../repository/journal.ts";
import { registeredStacks, rememberStack } from "../repository/stack_registry.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { connect, openJournal, phase, tryConnect } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { extractBackup } from "./extract_backup.ts";
import { described, type DescribedRecord, recordOfFile } from "./file_record.ts";
import { findBackup } from "./list.ts";
import {
  dropDirectories,
  dropVolumes,
  makeDirectories,
  makeVolume,
  requireNoVolume,
} from "./made_places.ts";
import { type ImageHere, imagesHere, nextCommands, toAdapt } from "./move_advice.ts";
import { type MovedPath, type MovedVolume, type MovePlan, planMove } from "./move_plan.ts";
import { isBelow } from "./patterns.ts";
import { addSwap } from "./stage.ts";
import { noteStaged, planSwap, removeStaging, stagedPath, swapIn, swapOut } from "./swap.ts";
import { proveArchive } from "./prove_archive.ts";
import { requireRestorable } from "./usable.ts";

export interface RestoreAsRequest {
  /** A backup's id, or the absolute path of an archive that no catalogue knows. */
  from: number | string;
  /** The new project's name. */
  name: string;
  /** Absolute; made unless it is there and empty. */
  target: string;
  /** Put what came from outside the working directory back where it was. */
  external_in_place: boolean;
  allow_devices: boolean;
}

export interface RestoreAsOutcome {
  archive: string;
  backup_id: number | null;
  /** The stack as it was. */
  from_stack: string;
  stack: string;
  work_dir: string;
  volumes: MovedVolume[];
  /** Put back where it was, outside the working directory. */
  in_place: MovedPath[];
  /** Lies in the new directory, not where its services look for it. */
  beside: MovedPath[];
  images: ImageHere[];
  /** Sentences: what must be done before the stack is what it was. */
  adapt: string[];
  /** What to type next. */
  next: string[];
  report: ExtractReport;
  /** What the backup lacks. */
  problems: string[];
}

/**
 * Raises ARCHIVE_MISSING, ARCHIVE_CORRUPT, USAGE; REFUSED where the directory, a volume, or a stack of
 * the name is there already; DOCKER_UNREACHABLE where volumes must be made and no engine answers;
 * DISK_FULL and what `extractBackup` raises. Then nothing was changed.
 */
export async function restoreAs(
  ctx: Context,
  request: RestoreAsRequest,
): Promise<RestoreAsOutcome> {
  requireName(request.name);
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "restore",
    description: `restore ${request.from} as stack ${request.name}`,
    params: { ...request },
  };
  return await audited(ctx, action, async () => {
    const record = typeof request.from === "number"
      ? described(await findBackup(ctx, request.from))
      : await recordOfFile(request.from);
    requireRestorable(record);
    await proveArchive(ctx, record);
    const { name, target, external_in_place } = request;
    const plan = planMove(record.backup_metadata, name, target, external_in_place);
    const engine = plan.volumes.length > 0 ? await connect(ctx) : (await tryConnect(ctx)).engine;
    await refuseWhatIsThere(ctx, plan, engine);
    await requireSpace(plan, record, engine);
    const report = await bringIn(ctx, plan, record, request, engine);
    return {
      archive: record.backup_path,
      backup_id: typeof request.from === "number" ? record.id : null,
      from_stack: record.backup_metadata.project,
      stack: name,
      work_dir: target,
      volumes: plan.volumes,
      in_place: plan.in_place,
      beside: plan.beside,
      ...await advice(ctx, plan, record, request, engine),
      report,
      problems: record.status === "partial"
        ? [`The backup is partial: ${record.error_message}`]
        : [],
    };
  }, ({ report, problems, volumes, work_dir }) => ({
    status: report.warnings.length + problems.length > 0 ? "partial" : "completed",
    message: `${report.entries} entries to ${work_dir} and ${volumes.length} volumes`,
  }));
}

function requireName(name: string) {
  const good = normalizeProjectName(name);
  if (good === name && name !== "") return;
  throw new DuckbackError("USAGE", `Cannot call a stack "${name}": compose takes no such name`, {
    hint: `Lower-case letters, digits, - and _${good ? `: --as ${good}` : ""}`,
  });
}

/** Raises REFUSED; nothing that is there is overwritten, mixed with or hidden. */
async function refuseWhatIsThere(ctx: Context, plan: MovePlan, engine: Engine | null) {
  const { name, dir } = plan;
  requireEmpty(dir);
  const refused = (state: string, hint: string) =>
    new DuckbackError("REFUSED", `Cannot restore as stack "${name}": ${state}`, { hint });
  const known = registeredStacks(ctx.home).find((stack) => stack.name === name);
  if (known && known.work_dir !== dir && posix.statxIfExists(known.work_dir) !== null) {
    throw refused(`one of that name lies in "${known.work_dir}"`, "Choose another name with --as.");
  }
  const [container] = await engine?.listContainers({ [LABEL.project]: name }) ?? [];
  if (container) {
    throw refused(
      `one of that name has containers here ("${container.name}")`,
      "Choose another name with --as.",
    );
  }
  for (const volume of plan.volumes) await requireNoVolume(engine!, volume.name);
  for (const { to } of plan.in_place) {
    if (posix.statxIfExists(to) === null) continue;
    throw refused(
      `"${to}" is there already, and nothing is overwritten`,
      "Leave out --external-in-place: it then comes to lie in the stack's new directory.",
    );
  }
}

/** Raises REFUSED, NOT_WRITABLE. */
function requireEmpty(dir: string) {
  const type = posix.statxIfExists(dir)?.type;
  if (type === undefined) return;
  if (type !== "directory") {
    throw new DuckbackError("NOT_WRITABLE", `Cannot restore to "${dir}": it is not a directory`, {
      hint: "Choose another --target.",
    });
  }
  if (posix.readdirNames(dir).length === 0) return;
  throw new DuckbackError("REFUSED", `Cannot restore to "${dir}": it is not empty`, {
    hint: "Choose a new directory: --target DIR",
  });
}

/** Which part goes to which file system is not counted: the extraction itself stops before one is full. */
async function requireSpace(plan: MovePlan, record: DescribedRecord, engine: Engine | null) {
  let place = plan.dir;
  while (place !== "/" && posix.statxIfExists(place) === null) place = dirname(place);
  const places = [place];
  if (plan.volumes.length > 0) places.push((await engine!.info()).root_dir);
  const free = new Map(
    places.map((path) => [posix.statx(path, { follow: true }).dev, posix.freeSpace(path)]),
  );
  const there = [...free.values()].reduce((sum, bytes) => sum + bytes, 0);
  const needed = record.source_bytes ?? 0;
  if (needed <= there) return;
  throw new DuckbackError(
    "DISK_FULL",
    `Cannot restore as stack "${plan.name}": it takes ${formatBytes(needed)}, ${
      formatBytes(there)
    } are free`,
    { hint: "Free some space, or choose another --target." },
  );
}

/** Everything in its new place, or nothing of it. */
async function bringIn(
  ctx: Context,
  plan: MovePlan,
  record: DescribedRecord,
  request: RestoreAsRequest,
  engine: Engine | null,
): Promise<ExtractReport> {
  const { name, dir: work_dir } = plan;
  const journal = openJournal(ctx, { kind: "move", stack: name, work_dir, backup_id: null });
  try {
    const report = await extract(ctx, plan, record, request, engine, journal);
    throwIfAborted(ctx.signal);
    phase(ctx, "swap", "Putting the restored files in place");
    requireEmpty(plan.dir); // minutes have passed
    for (const step of journal.data.swaps) swapIn(step, () => journal.save());
    journal.save({ committed: true });
    const registered_at = ctx.now().toISOString();
    rememberStack(ctx.home, { name, work_dir, compose_files: null, registered_at });
    await removeStaging(journal.data.swaps);
    return report;
  } catch (cause) {
    if (!journal.data.committed) await takeBack(ctx, engine, journal);
    throw cause;
  } finally {
    journal.finish();
  }
}

async function extract(
  ctx: Context,
  plan: MovePlan,
  record: DescribedRecord,
  request: RestoreAsRequest,
  engine: Engine | null,
  journal: JournalFile,
): Promise<ExtractReport> {
  phase(ctx, "extract", `Extracting to ${plan.dir}`);
  const id = `${plan.name}-${ctx.now().getTime()}`;
  const routes: { from: string; to: string }[] = [];
  try {
    const places = [
      { live: plan.dir, from: "" },
      ...plan.in_place.map(({ to, archive_path }) => ({
        live: to,
        from: archive_path,
      })),
    ];
    for (const [n, { live, from }] of places.entries()) {
      makeDirectories(journal, dirname(live));
      const step = planSwap(id, n, { name: live, live, inside: false }, []);
      addSwap(journal, step);
      routes.push({ from, to: stagedPath(step) });
    }
    posix.mkdir(stagedPath(journal.data.swaps[0]), 0o755);
    posix.chmod(stagedPath(journal.data.swaps[0]), 0o755);
  } catch (cause) {
    throw diskError("Cannot prepare the restore", cause);
  }
  for (const { name, labels, archive_path } of plan.volumes) {
    const { mountpoint } = await makeVolume(engine!, journal, name, labels);
    routes.push({ from: archive_path, to: mountpoint });
  }
  const dumps = (record.backup_metadata.dumps ?? []).map(({ path }) => path);
  const report = await extractBackup(ctx, record, {
    routes,
    allow_devices: request.allow_devices,
    // Nobody looks for them there: `restore --dump` takes them from the archive.
    wanted: (path) => !dumps.some((dump) => isBelow(path, dump) || isBelow(dump, path)),
  });
  requireAll(plan, record, journal);
  for (const step of journal.data.swaps) noteStaged(step);
  journal.save();
  return report;
}

/** Raises RESTORE_FAILED where the archive holds nothing of a path that was to come in. */
function requireAll(plan: MovePlan, record: DescribedRecord, journal: JournalFile) {
  const lost = plan.in_place.find((_, n) =>
    posix.statxIfExists(stagedPath(journal.data.swaps[n + 1])) === null
  );
  if (!lost) return;
  throw new DuckbackError(
    "RESTORE_FAILED",
    `Cannot restore "${lost.to}": the archive holds nothing of it`,
    {
      hint: record.error_message ?? "Leave out --external-in-place to restore the rest.",
    },
  );
}

/** Removes what was made. What cannot be removed now stays in the journal, for `recover`. */
async function takeBack(ctx: Context, engine: Engine | null, journal: JournalFile) {
  const { swaps, volumes = [] } = journal.data;
  for (const step of [...swaps].reverse()) swapOut(step, () => journal.save());
  await removeStaging(swaps);
  journal.save({ swaps: [] });
  if (volumes.length > 0) await dropVolumes(ctx, engine!, journal);
  dropDirectories(journal);
}

/** What is still to be done; nothing here can fail the restore any more. */
async function advice(
  ctx: Context,
  plan: MovePlan,
  record: DescribedRecord,
  request: RestoreAsRequest,
  engine: Engine | null,
) {
  const images = await imagesHere(record.backup_metadata, engine);
  return {
    images,
    adapt: await toAdapt(ctx, plan, record, engine),
    next: nextCommands(plan, record, request.from, images),
  };
}
