/**
 * `config set auto_backup_directory DIR`: the archives go along.
 *
 * Link or copy each with its manifest and record (a copy is read back and compared by its SHA-256), then
 * switch all rows and the setting in one transaction, then remove what no row speaks of any more. A
 * journal knows both places; whoever finds it removes the ones that no row speaks of: before the switch
 * the copies, after it the originals.
 */
import { basename, dirname, join } from "node:path";
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { count, formatBytes } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import { copyFile } from "../repository/copy_file.ts";
import { diskError, ensurePrivateDir, removeQuietly } from "../repository/durable.ts";
import type { MovedArchive } from "../repository/journal.ts";
import { archiveFiles, manifestPath, partialPath, sidecarPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { writeSidecar } from "../repository/sidecar.ts";
import { type Context, note, openJournal, phase, withCatalog } from "./context.ts";
import { allBackups, type ListedBackup } from "./list.ts";
import { removeFiles } from "./removal.ts";
import { hasOwnName } from "./retention_policy.ts";

export interface MoveOutcome {
  /** Ids of the backups whose archives lie in the new directory now. */
  moved: number[];
  bytes: number;
  /** Archives that could not be found where they should be, and stay so: by id. */
  unseen: number[];
  /** Originals that could not be removed; tried again at the next start. */
  problems: string[];
}

/**
 * Moves all archives that duckback named itself to `to` and calls `switchTo` with the new paths by id,
 * which must change rows and setting in one transaction. The caller holds the lock. Raises REFUSED where
 * a name is taken, DISK_FULL, NOT_WRITABLE, IO, INTERRUPTED: then all is where it was.
 */
export async function moveArchives(
  ctx: Context,
  to: string,
  switchTo: (paths: Map<number, string>) => Promise<void>,
): Promise<MoveOutcome> {
  const { moves, found, unseen } = chosen(await allBackups(ctx), to);
  const paths = new Map([
    ...found.map(({ id, backup_path }) => [id, backup_path] as const),
    ...moves.map(({ id, to: path }) => [id, path] as const),
  ]);
  const outcome = { moved: [...paths.keys()], bytes: sizeOf(moves), unseen, problems: [] };
  for (const record of found) writeSidecar(record);
  if (moves.length === 0) {
    await switchTo(paths);
    return outcome;
  }
  ensurePrivateDir(to);
  refuseTaken(moves);
  requireSpace(moves, to);
  const journal = openJournal(ctx, {
    kind: "storage",
    stack: "",
    work_dir: ctx.work_dir,
    backup_id: null,
    moves,
  });
  try {
    await copyAll(ctx, moves);
    throwIfAborted(ctx.signal);
    await switchTo(paths);
  } catch (cause) {
    await settleMoves(ctx, moves);
    journal.finish();
    throw cause;
  }
  const problems = await settleMoves(ctx, moves);
  if (problems.length === 0) journal.finish();
  return { ...outcome, problems };
}

/** What is to be moved, what is there already (moved by hand), and what is nowhere to be seen. */
function chosen(all: ListedBackup[], to: string) {
  const moves: MovedArchive[] = [];
  const found: BackupRecord[] = [];
  const unseen: number[] = [];
  for (const record of all) {
    const { id, backup_name, backup_path: from } = record;
    const path = join(to, basename(from));
    if (from === "-" || from === path || !hasOwnName(record)) continue;
    if (record.file_exists && !isSamePlace(dirname(from), to)) {
      moves.push({ id, backup_name, from, to: path });
    } else if (posix.statxIfExists(path)?.size === record.backup_size) {
      const { file_exists: _file_exists, ...row } = record;
      found.push({ ...row, backup_path: path });
    } else if (record.status === "completed" || record.status === "partial") unseen.push(id);
  }
  return { moves, found, unseen };
}

/** True for two names of one directory. */
function isSamePlace(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => posix.statxIfExists(path, { follow: true }));
  return a !== null && b !== null && a.dev === b.dev && a.ino === b.ino;
}

function sizeOf(moves: MovedArchive[]): number {
  return moves.flatMap(({ from }) => partsOf(from))
    .reduce((sum, path) => sum + (posix.statxIfExists(path)?.size ?? 0), 0);
}

/** The archive last: it is never there without what describes it. */
function partsOf(archive: string): string[] {
  return [manifestPath(archive), sidecarPath(archive), archive];
}

function refuseTaken(moves: MovedArchive[]) {
  const taken = moves.flatMap(({ to }) => archiveFiles(to)).find(exists);
  if (taken === undefined) return;
  throw new DuckbackError("REFUSED", `Cannot move archives: "${taken}" exists already`, {
    hint: "Move it away, or leave the archives where they are with --no-move.",
  });
}

/** On the same file system they are linked, and nothing is needed. */
function requireSpace(moves: MovedArchive[], to: string) {
  const { dev } = posix.statx(to, { follow: true });
  const need = sizeOf(moves.filter(({ from }) => posix.statx(from).dev !== dev));
  const free = posix.freeSpace(to);
  if (free >= need) return;
  throw new DuckbackError(
    "DISK_FULL",
    `Cannot move archives to "${to}": ${formatBytes(free)} free, ${formatBytes(need)} needed`,
    {
      hint: "Free space there, or leave the archives where they are with --no-move.",
      details: { free_bytes: free, needed_bytes: need },
    },
  );
}

async function copyAll(ctx: Context, moves: MovedArchive[]) {
  phase(ctx, "move", `Moving ${count(moves.length, "archive")}`);
  const total_bytes = sizeOf(moves);
  let [bytes, files] = [0, 0];
  const copied = (n: number) => {
    bytes += n;
    ctx.progress({ type: "progress", bytes, total_bytes, files, total_files: moves.length });
  };
  for (const move of moves) {
    throwIfAborted(ctx.signal);
    const record = (await withCatalog(ctx, (catalog) => catalog.backups.get(move.id)))!;
    if (exists(manifestPath(move.from))) {
      await linkOrCopy(ctx, manifestPath(move.from), manifestPath(move.to), copied);
    }
    writeSidecar({ ...record, backup_path: move.to } satisfies BackupRecord);
    await linkOrCopy(ctx, move.from, move.to, copied);
    files++;
  }
}

/** Errors that say that the two are on different file systems, or that this one knows no links. */
const NO_LINKS = ["EXDEV", "EPERM", "ENOSYS", "EOPNOTSUPP", "EMLINK"];

async function linkOrCopy(ctx: Context, from: string, to: string, copied: (n: number) => void) {
  try {
    posix.link(from, to);
    posix.fsyncPath(dirname(to));
  } catch (cause) {
    if (!NO_LINKS.includes((cause as { code?: string }).code ?? "")) {
      throw diskError(`Cannot move "${from}"`, cause);
    }
    await copyFile(from, to, { signal: ctx.signal, copied });
  }
}

/**
 * Of each moved archive removes the one that its row does not speak of, if the other is there in full.
 * Returns what could not be done; never throws over a file.
 */
export async function settleMoves(ctx: Context, moves: MovedArchive[]): Promise<string[]> {
  const rows = new Map((await allBackups(ctx)).map((record) => [record.id, record]));
  const problems: string[] = [];
  for (const { id, backup_name, from, to } of moves) {
    const row = rows.get(id);
    const place = row?.backup_name === backup_name ? row.backup_path : null;
    const spare = place === from ? to : place === to ? from : null;
    try {
      if (spare === null || place === null) continue; // deleted meanwhile, or lost: leave both
      if (!isAllThere(place, row!)) {
        throw new DuckbackError("IO", `"${place}" is not all there, so "${spare}" stays`);
      }
      removeFiles(spare);
      removeQuietly(partialPath(manifestPath(spare)));
    } catch (cause) {
      problems.push(`Backup ${id}: ${asDuckbackError(cause).message}`);
    }
  }
  for (const problem of problems) note(ctx, problem, "warning");
  return problems;
}

function isAllThere(path: string, { backup_size }: BackupRecord): boolean {
  const size = posix.statxIfExists(path)?.size;
  return size !== undefined && (backup_size === null || size === backup_size);
}
