/** `restore`: takes a backup, or parts of it, out to a directory beside the live stack. */
import { dirname, join } from "node:path";
import { extractArchive, type ExtractReport } from "../archive/extract.ts";
import { isOurs, readThrough } from "../archive/read_through.ts";
import { verifyArchive } from "../archive/verify.ts";
import { DuckbackError } from "../core/errors.ts";
import { formatBytes } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import { exists } from "../repository/pending_archive.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { keepingCatalog, phase } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { findBackup } from "./list.ts";
import { checkArchive, requireRestorable } from "./verify.ts";

export interface RestoreRequest {
  /** A backup's id, or the path of an archive that no catalogue knows. */
  from: number | string;
  /** Archive paths to take; empty takes everything. */
  paths: string[];
  /** Absolute. */
  target: string;
  force: boolean;
  /** Makes device nodes; else they are warned of. */
  allow_devices: boolean;
}

export interface RestoreOutcome {
  archive: string;
  backup_id: number | null;
  target: string;
  report: ExtractReport;
}

/**
 * Checks the archive in full first, then extracts under `target`, which is made if need be. Raises
 * ARCHIVE_CORRUPT or ARCHIVE_MISSING before anything is written; REFUSED where `target` holds
 * something already and `force` is false.
 */
export async function restore(ctx: Context, request: RestoreRequest): Promise<RestoreOutcome> {
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "restore",
    description: `restore ${request.from} to ${request.target}`,
    params: { ...request },
  };
  return await audited(ctx, action, async () => {
    const { archive, backup_id, max_bytes } = await checked(ctx, request.from);
    requireRoom(request, max_bytes);
    phase(ctx, "extract", `Extracting to ${request.target}`);
    const report = await extractArchive(archive, {
      routes: routes(request),
      allow_devices: request.allow_devices,
      max_bytes,
      progress: ctx.progress,
      signal: ctx.signal,
    });
    requireFound(request, report);
    return { archive, backup_id, target: request.target, report };
  }, ({ report }) => ({
    status: report.warnings.length > 0 ? "partial" : "completed",
    message: `${report.entries} entries, ${report.bytes} bytes`,
  }));
}

/** Finds an archive and reads it in full. Raises ARCHIVE_MISSING, ARCHIVE_CORRUPT, NO_SUCH_BACKUP. */
export async function checked(ctx: Context, from: number | string) {
  if (typeof from === "number") {
    const record = await findBackup(ctx, from);
    requireRestorable(record);
    await checkArchive(ctx, record);
    const max_bytes = record.source_bytes ?? undefined;
    return { archive: record.backup_path, backup_id: record.id, max_bytes, record };
  }
  if (!exists(from)) {
    throw new DuckbackError("ARCHIVE_MISSING", `Cannot read archive "${from}": it does not exist`, {
      hint: "Give a backup's id (`duckback backup list`) or the path of an archive.",
    });
  }
  phase(ctx, "verify", `Reading ${from}`);
  const max_bytes = await readInFull(ctx, from);
  return { archive: from, backup_id: null, max_bytes, record: null };
}

/** Reads an archive that no catalogue knows; the bytes of content in it where duckback did not make it. */
async function readInFull(ctx: Context, path: string): Promise<number | undefined> {
  const options = { progress: ctx.progress, signal: ctx.signal };
  if (!await isOurs(path, options)) return (await readThrough(path, options)).bytes;
  await verifyArchive(path, options);
  return undefined;
}

/** Raises NOT_WRITABLE, REFUSED or DISK_FULL where `bytes` of content cannot go to the target. */
function requireRoom(request: RestoreRequest, bytes: number | undefined) {
  const stat = posix.statxIfExists(request.target, { follow: true });
  if (stat && stat.type !== "directory") {
    throw new DuckbackError(
      "NOT_WRITABLE",
      `Cannot restore to "${request.target}": it is not a directory`,
      { hint: "Choose another --target." },
    );
  }
  if (stat && !request.force && posix.readdirNames(request.target).length > 0) {
    throw new DuckbackError("REFUSED", `Cannot restore to "${request.target}": it is not empty`, {
      hint: "Choose an empty or new directory, or add --force to write over what is there.",
    });
  }
  if (request.paths.length === 0 && !request.force) requireSpace(request.target, bytes ?? 0);
  const parents = request.paths.map((path) => dirname(join(request.target, clean(path))));
  for (const dir of [request.target, ...parents]) {
    try {
      posix.mkdirAll(dir, 0o755);
    } catch (cause) {
      throw diskError(`Cannot create "${dir}"`, cause);
    }
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

/** "./data/" as the archive names it: "data". Raises USAGE for a path that leads out. */
function clean(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new DuckbackError("USAGE", `Cannot restore "${path}": a path in an archive has no ".."`);
  }
  return parts.join("/");
}

function routes(request: RestoreRequest) {
  const wanted = request.paths.map(clean).filter((path) => path !== "");
  if (wanted.length < request.paths.length || wanted.length === 0) {
    return [{ from: "", to: request.target }];
  }
  const outermost = wanted.filter((path) =>
    !wanted.some((other) => other !== path && path.startsWith(other + "/"))
  );
  return [...new Set(outermost)].map((path) => ({ from: path, to: join(request.target, path) }));
}

function requireFound(request: RestoreRequest, report: ExtractReport) {
  if (report.entries > 0) return;
  throw new DuckbackError(
    "NO_SUCH_BACKUP",
    `Cannot restore ${
      request.paths.map((path) => `"${path}"`).join(", ")
    }: the archive holds no such path`,
    { hint: "List its paths with `tar tf ARCHIVE`." },
  );
}
