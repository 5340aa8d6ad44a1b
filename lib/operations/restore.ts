/** `restore`: takes a backup, or parts of it, out to a directory beside the live stack. */
import { dirname } from "node:path";
import type { ExtractOptions, ExtractReport } from "../archive/extract.ts";
import type { Overwrite } from "../archive/overwrite.ts";
import { isOurs, readThrough } from "../archive/read_through.ts";
import { verifyArchive } from "../archive/verify.ts";
import { DuckbackError } from "../core/errors.ts";
import { formatBytes } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import { exists } from "../repository/pending_archive.ts";
import { audited } from "./audit.ts";
import { chainOf, chainOfFile } from "./chain.ts";
import type { Context } from "./context.ts";
import { keepingCatalog, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { extractFrom } from "./extract_backup.ts";
import { findBackup } from "./list.ts";
import { ownerChoice } from "./owner_choice.ts";
import { archivePath } from "./patterns.ts";
import { restorePaths } from "./restore_paths.ts";
import { proveArchive, proveEarlier } from "./prove_archive.ts";
import { requireRestorable } from "./usable.ts";

export interface RestoreRequest {
  /** A backup's id, or the path of an archive that no catalogue knows. */
  from: number | string;
  /** Archive paths and globs to take; empty takes everything. */
  paths: string[];
  /** Absolute. */
  target: string;
  force: boolean;
  /** Makes device nodes; else they are warned of. */
  allow_devices: boolean;
  /** Names at the start of each path that are left out. */
  strip: number;
  /** What happens to what is in the target; null wants an empty one, unless `force`. */
  overwrite: Overwrite | null;
  /** Who is to own what is restored: `USER[:GROUP]`, false for this user, null for who is recorded. */
  owner: string | false | null;
}

export interface RestoreOutcome {
  archive: string;
  backup_id: number | null;
  target: string;
  report: ExtractReport;
}

/**
 * Extracts under `target`, which is made if need be. What is taken is proved before anything is
 * written: the whole archive, or a few entries of it by their SHA-256. Raises ARCHIVE_CORRUPT,
 * ARCHIVE_MISSING, NO_SUCH_PATH; REFUSED where `target` holds something already and neither `force` nor
 * `overwrite` says that it may.
 */
export async function restore(ctx: Context, request: RestoreRequest): Promise<RestoreOutcome> {
  const owner = request.owner === false
    ? "this user" as const
    : request.owner === null
    ? undefined
    : ownerChoice(request.owner);
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "restore",
    description: `restore ${request.from} to ${request.target}`,
    params: { ...request },
  };
  const options = (max_bytes: number | undefined): ExtractOptions => ({
    routes: [{ from: "", to: request.target, strip: request.strip }],
    allow_devices: request.allow_devices,
    overwrite: request.overwrite ?? "always",
    owner,
    max_bytes,
    progress: ctx.progress,
    signal: ctx.signal,
  });
  return await audited(ctx, action, async () => {
    const done = takesAll(request)
      ? await restoreAll(ctx, request, options)
      : await restorePaths(ctx, request, {
        prove: () => checked(ctx, request.from),
        makeRoom: (bytes) => makeRoom(request, bytes),
        options,
      });
    requireSome(request, done.report);
    return { ...done, target: request.target };
  }, ({ report }) => ({
    status: report.warnings.length > 0 ? "partial" : "completed",
    message: `${report.entries} entries, ${report.bytes} bytes`,
  }));
}

function takesAll({ paths }: RestoreRequest): boolean {
  const cleaned = paths.map(archivePath);
  return cleaned.length === 0 || cleaned.includes("");
}

async function restoreAll(
  ctx: Context,
  request: RestoreRequest,
  options: (max_bytes: number | undefined) => ExtractOptions,
) {
  const { archive, archives, backup_id, max_bytes } = await checked(ctx, request.from);
  makeRoom(request, max_bytes ?? 0);
  phase(ctx, "extract", `Extracting to ${request.target}`);
  const report = await extractFrom(archives, options(max_bytes));
  return { archive, backup_id, report };
}

/** Finds an archive and reads it in full. Raises ARCHIVE_MISSING, ARCHIVE_CORRUPT, NO_SUCH_BACKUP. */
export async function checked(ctx: Context, from: number | string) {
  if (typeof from === "number") {
    const record = await findBackup(ctx, from);
    requireRestorable(record);
    await proveArchive(ctx, record);
    const max_bytes = record.source_bytes ?? undefined;
    const { archives } = await chainOf(ctx, record);
    return { archive: record.backup_path, archives, backup_id: record.id, max_bytes, record };
  }
  if (!exists(from)) {
    throw new DuckbackError("ARCHIVE_MISSING", `Cannot read archive "${from}": it does not exist`, {
      hint: "Give a backup's id (`duckback backup list`) or the path of an archive.",
    });
  }
  const chain = await chainOfFile(ctx, from);
  await proveEarlier(ctx, chain);
  phase(ctx, "verify", `Reading ${from}`);
  const max_bytes = await readInFull(ctx, from);
  return { archive: from, archives: chain.archives, backup_id: null, max_bytes, record: null };
}

/** Reads an archive that no catalogue knows; the bytes of content in it where duckback did not make it. */
async function readInFull(ctx: Context, path: string): Promise<number | undefined> {
  const options = { progress: ctx.progress, signal: ctx.signal };
  if (!await isOurs(path, options)) return (await readThrough(path, options)).bytes;
  await verifyArchive(path, options);
  return undefined;
}

/** Raises NOT_WRITABLE, REFUSED or DISK_FULL where `bytes` of content cannot go to the target; makes it. */
function makeRoom({ target, force, overwrite }: RestoreRequest, bytes: number) {
  const stat = posix.statxIfExists(target, { follow: true });
  if (stat && stat.type !== "directory") {
    throw new DuckbackError(
      "NOT_WRITABLE",
      `Cannot restore to "${target}": it is not a directory`,
      {
        hint: "Choose another --target.",
      },
    );
  }
  const mayHold = force || overwrite !== null;
  if (stat && !mayHold && posix.readdirNames(target).length > 0) {
    throw new DuckbackError("REFUSED", `Cannot restore to "${target}": it is not empty`, {
      hint: "Choose an empty or new directory, or say what happens to what is there: " +
        "--overwrite never, older or always",
    });
  }
  if (!mayHold) requireSpace(target, bytes);
  try {
    posix.mkdirAll(target, 0o755);
  } catch (cause) {
    throw diskError(`Cannot create "${target}"`, cause);
  }
}

/** A restore that would fill the disk is refused before it writes anything. */
function requireSpace(target: string, bytes: number) {
  let place = target;
  while (place !== "/" && !exists(place)) place = dirname(place);
  const free = posix.freeSpace(place);
  if (bytes <= free) return;
  throw new DuckbackError(
    "DISK_FULL",
    `Cannot restore to "${target}": it takes ${formatBytes(bytes)}, ${formatBytes(free)} are free`,
    { hint: "Free some space, choose another --target, or add --force to try all the same." },
  );
}

/** Raises NO_SUCH_PATH where nothing was there to be restored. */
function requireSome({ strip, from }: RestoreRequest, report: ExtractReport) {
  if (report.entries > 0 || report.kept > 0 || strip === 0) return;
  throw new DuckbackError(
    "NO_SUCH_PATH",
    `Cannot restore anything: no path has a name left after --strip-components ${strip}`,
    { hint: `\`duckback ls ${from} -R\` shows the paths.` },
  );
}
