/** `restore --dump`: feeds a database's dump back to the service it came from, by the database's own tool. */
import { join } from "node:path";
import type { Archives } from "../archive/chain_reader.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, DumpRecord } from "../core/model.ts";
import { restoreScript } from "../docker/dump_scripts.ts";
import type { Container, Engine } from "../docker/engine.ts";
import { howItEnded, runScript } from "../docker/exec_shell.ts";
import { serviceOf } from "../docker/labels.ts";
import { title } from "../docker/locate.ts";
import type { Quiescable } from "../docker/plan.ts";
import { unexpectedErrors } from "../docker/psql_errors.ts";
import type { Stack } from "../docker/stack.ts";
import type { JournalFile } from "../repository/journal.ts";
import { Spool } from "../repository/spool.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { keepingCatalog, note, openJournal, phase } from "./context.ts";
import { checkDump } from "./dumps.ts";
import { beginExclusive } from "./exclusive.ts";
import { extractFrom } from "./extract_backup.ts";
import { findBackup } from "./list.ts";
import { restoreRedis } from "./restore_redis.ts";
import { checked } from "./restore.ts";
import { describedBy, placeOf } from "./rollback_plan.ts";
import { findStack } from "./stacks.ts";

export interface RestoreDumpRequest {
  /** A backup's id, or the path of an archive that no catalogue knows. */
  from: number | string;
  service: string;
}

/** What is about to be replaced: for the question that comes before. */
export interface DumpPreview {
  archive: string;
  stack: string;
  container: string;
  dump: DumpRecord;
}

export interface RestoreDumpOutcome extends DumpPreview {
  backup_id: number | null;
  /** What is worth knowing: where the old files are, say. */
  notes: string[];
}

const CHUNK = 256 << 10;

interface Found {
  stack: Stack;
  engine: Engine;
  container: Container;
  dump: DumpRecord;
}

/** Looks only. Raises what `restoreDump` raises before it begins. */
export async function previewDump(
  ctx: Context,
  request: RestoreDumpRequest,
): Promise<DumpPreview> {
  const { archive, metadata } = await described(ctx, request.from);
  const { stack, container, dump } = await find(ctx, metadata, request.service, request.from);
  return { archive, stack: stack.name, container: container.name, dump };
}

/**
 * Reads the archive in full, takes the dump out of it, checks that it is whole, and only then touches the
 * database. Its other users had better be stopped: what they write meanwhile is lost or in the way. Raises
 * ARCHIVE_CORRUPT, NO_SUCH_BACKUP (no dump of that service), REFUSED (it does not run), RESTORE_FAILED: the
 * database may then be restored in part.
 */
export async function restoreDump(
  ctx: Context,
  request: RestoreDumpRequest,
): Promise<RestoreDumpOutcome> {
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const action = {
    type: "restore",
    description: `restore the dump of ${request.service} from ${request.from}`,
    params: { ...request },
  };
  return await audited(ctx, action, async () => {
    const { archive, archives, backup_id, max_bytes, record } = await checked(ctx, request.from);
    const metadata = record?.backup_metadata ?? await describedBy(archive);
    const found = await find(ctx, metadata, request.service, request.from);
    const journal = openJournal(ctx, {
      kind: "restart",
      stack: found.stack.name,
      work_dir: found.stack.work_dir,
      backup_id,
    });
    try {
      const notes = await withDump(
        ctx,
        { archives, max_bytes, dump: found.dump },
        journal,
        (path) => feedDump(ctx, found, path, journal),
      );
      const { stack, container, dump } = found;
      return { archive, backup_id, stack: stack.name, container: container.name, dump, notes };
    } finally {
      journal.finish();
    }
  }, ({ container, dump }) => ({ message: `${dump.path} (${dump.bytes} bytes) to ${container}` }));
}

async function described(ctx: Context, from: number | string) {
  if (typeof from === "string") return { archive: from, metadata: await describedBy(from) };
  const record = await findBackup(ctx, from);
  return {
    archive: record.backup_path,
    metadata: record.backup_metadata ?? await describedBy(record.backup_path),
  };
}

async function find(
  ctx: Context,
  metadata: BackupMetadata,
  service: string,
  from: number | string,
): Promise<Found> {
  const dumps = metadata.dumps ?? [];
  const dump = dumps.find((dump) => dump.service === service);
  if (!dump) {
    const held = dumps.map((dump) => dump.service).join(", ");
    throw new DuckbackError(
      "NO_SUCH_BACKUP",
      `Cannot restore a dump of "${service}": backup ${from} holds ${
        held ? `those of ${held}` : "no dumps"
      }`,
      { hint: "`duckback backup show ID` lists what a backup holds." },
    );
  }
  const here = await placeOf(ctx, metadata);
  const { stack, engine } = await findStack(here, { need_engine: true });
  const container =
    stack.containers.filter((container) =>
      serviceOf(container) === service && !container.oneoff && container.state === "running"
    ).sort((a, b) => a.number - b.number)[0];
  if (container && engine) return { stack, engine, container, dump };
  throw new DuckbackError(
    "REFUSED",
    `Cannot restore the dump of "${service}": no container of it runs in stack "${stack.name}"`,
    { hint: `A database takes a dump while it runs: duckback docker-service start ${service}` },
  );
}

/** Takes the dump out to a private file, checks it, hands its path on, and removes it. */
async function withDump<T>(
  ctx: Context,
  { archives, max_bytes, dump }: { archives: Archives; max_bytes?: number; dump: DumpRecord },
  journal: JournalFile,
  use: (path: string) => Promise<T>,
): Promise<T> {
  using spool = Spool.create(ctx.home, null, journal);
  const path = join(spool.dir, "dump");
  phase(ctx, "extract", `Taking ${dump.path} out of the archive`);
  const report = await extractFrom(archives, {
    routes: [{ from: dump.path, to: path }],
    max_bytes,
    progress: ctx.progress,
    signal: ctx.signal,
  });
  const { problem } = report.files === 1
    ? await checkDump(dump.kind, path, ctx.signal)
    : { problem: "the archive does not hold it" };
  if (problem === null) return await use(path);
  throw new DuckbackError("ARCHIVE_CORRUPT", `Cannot restore ${dump.path}: ${problem}`, {
    hint: "Nothing was touched. Choose another backup: duckback backup list",
  });
}

/** A container that runs and the dump that it is to take. */
export type Fed = Pick<Found, "engine" | "container" | "dump"> & { stack: Quiescable };

/** Feeds the file at `path` in. Returns what is worth knowing. Raises RESTORE_FAILED, REFUSED. */
export async function feedDump(
  ctx: Context,
  found: Fed,
  path: string,
  journal: JournalFile,
): Promise<string[]> {
  const { engine, container, dump } = found;
  phase(ctx, "restore", `Restoring ${dump.kind} in ${title(container)}`);
  if (dump.kind === "redis") return await restoreRedis(ctx, found, path, journal);
  const errors = unexpectedErrors(dump.kind);
  const result = await runScript(engine, container.id, {
    script: restoreScript(dump.kind),
    args: dump.file === null ? [] : [dump.file],
    stdin: pieces(ctx, path, dump.bytes),
    onStderr: (bytes) => errors.feed(bytes),
    signal: ctx.signal,
  });
  if (result.exit_code !== 0 || !result.whole) throw failed(found, howItEnded(result));
  const found_errors = errors.list();
  if (found_errors.length > 0) {
    throw failed(found, ["the database refused parts of it", ...found_errors].join("\n  "));
  }
  note(ctx, `${title(container)} has what its dump holds.`);
  return [];
}

/** The file's content, with progress. */
async function* pieces(ctx: Context, path: string, total_bytes: number) {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(CHUNK);
  let bytes = 0;
  for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) {
    yield buffer.subarray(0, n);
    bytes += n;
    ctx.progress({ type: "progress", bytes, total_bytes, files: 0, total_files: 0 });
  }
}

function failed({ container, dump }: Fed, state: string): DuckbackError {
  return new DuckbackError(
    "RESTORE_FAILED",
    `Cannot restore ${dump.path} to ${title(container)}: ${state}`,
    {
      hint: "The database may hold a part of it. Stop who uses it (`duckback docker-service stop " +
        "SERVICE`), mend the cause, and restore once more: a restore begins with an empty database.",
      details: { service: dump.service, kind: dump.kind },
    },
  );
}
