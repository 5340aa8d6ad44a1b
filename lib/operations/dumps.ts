/**
 * Databases dumped by their own tools while they run. A dump is spooled to a private file first: a tar
 * entry begins with its size, which nobody knows before the dump is over, and only a dump that is known
 * to be whole may go into an archive.
 */
import { basename, dirname, join } from "node:path";
import { makeExcluder } from "../archive/exclude.ts";
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { DumpRecord, Source } from "../core/model.ts";
import { Slice } from "../core/turn.ts";
import { dumpCheck } from "../docker/dump_check.ts";
import { dumpEnv, dumpScript } from "../docker/dump_scripts.ts";
import type { Engine } from "../docker/engine.ts";
import { howItEnded, runScript } from "../docker/exec_shell.ts";
import type { DumpKind } from "../docker/labels.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import type { JournalFile } from "../repository/journal.ts";
import { Spool } from "../repository/spool.ts";
import type { BackupPlan } from "./backup_plan.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import type { PlannedDump } from "./dump_plan.ts";

const CHUNK = 1 << 20;
/** Bytes between two reports of progress. */
const REPORT = 8 << 20;

/** What was dumped, until the archive is written. */
export interface Dumps extends Disposable {
  /** The same plan, with the dumps among the sources: no part of the stack that a rollback puts back. */
  addTo(plan: BackupPlan): BackupPlan;
  /** For `backup_metadata.dumps`. */
  records: DumpRecord[];
}

/**
 * Dumps what the plan says, one after the other. Raises DUMP_FAILED where a tool fails or its output is
 * not whole, DISK_FULL, INTERRUPTED; the tool is ended then, and the spooled files are gone.
 */
export async function takeDumps(
  ctx: Context,
  plan: BackupPlan,
  journal: JournalFile,
): Promise<Dumps> {
  const sources: Source[] = [];
  const dumps: Dumps = {
    records: [],
    addTo: (plan) => ({ ...plan, sources: [...plan.sources, ...sources] }),
    [Symbol.dispose]() {},
  };
  if (plan.dumps.length === 0) return dumps;
  refuseExcluded(plan);
  const spool = Spool.create(ctx.home, plan.path === "-" ? null : plan.path, journal);
  dumps[Symbol.dispose] = () => spool[Symbol.dispose]();
  try {
    for (const dump of plan.dumps) {
      throwIfAborted(ctx.signal);
      phase(ctx, "dump", `Dumping ${dump.service} (${dump.kind})`);
      const path = join(spool.dir, dump.archive_path);
      spool.directory(dirname(dump.archive_path));
      const bytes = await spoolDump(ctx, plan.engine!, dump, path);
      const { service, kind, file, archive_path } = dump;
      dumps.records.push({ service, kind, file, path: archive_path, bytes });
      sources.push({
        kind: "path",
        role: "data",
        name: `dump of ${service}`,
        path,
        archive_path,
        origin: `dump of ${service} (${kind})`,
      });
    }
    return dumps;
  } catch (cause) {
    spool[Symbol.dispose]();
    throw cause;
  }
}

/** The archive takes what it is given by the rules for files: none may leave a dump out. */
function refuseExcluded(plan: BackupPlan) {
  const excluded = makeExcluder(plan.exclude);
  const bad = plan.dumps.find(({ archive_path }) => excluded?.("", archive_path, false));
  if (!bad) return;
  throw new DuckbackError(
    "USAGE",
    `Cannot dump service "${bad.service}": a pattern of --exclude or backup.exclude leaves ` +
      `"${bad.archive_path}" out`,
    { hint: "Make the pattern narrower, or leave --dump out." },
  );
}

/** Returns the dump's size. */
async function spoolDump(
  ctx: Context,
  engine: Engine,
  dump: PlannedDump,
  path: string,
): Promise<number> {
  const { container, kind, service } = dump;
  const fd = create(path);
  try {
    let bytes = 0;
    let told = 0;
    const result = await runScript(engine, container.id, {
      script: dumpScript(kind),
      args: dump.file === null ? [] : [dump.file],
      env: dumpEnv(kind, await engine.commandOf(container.id)),
      signal: ctx.signal,
      onStdout: (piece) => {
        write(fd, path, piece);
        bytes += piece.length;
        if (bytes - told < REPORT) return;
        told = bytes;
        ctx.progress({ type: "progress", bytes, total_bytes: 0, files: 0, total_files: 0 });
      },
    });
    if (result.exit_code !== 0 || !result.whole) throw failed(dump, howItEnded(result));
    const { problem, keep } = await checkDump(kind, path, ctx.signal);
    if (problem !== null) throw failed(dump, `${problem}, though its tool ended with exit code 0`);
    if (keep === null) return bytes;
    posix.truncate(fd, keep, path);
    return keep;
  } catch (cause) {
    const error = asDuckbackError(cause);
    // What the engine says of a container that went away, say, needs to tell what it was about.
    if (error.code !== "DOCKER_FAILED") throw error;
    throw failed({ service, kind }, error.message, error);
  } finally {
    posix.closeQuietly(fd);
  }
}

function failed(
  { service, kind }: { service: string; kind: DumpKind },
  state: string,
  cause?: unknown,
): DuckbackError {
  return new DuckbackError("DUMP_FAILED", `Cannot dump service "${service}" (${kind}): ${state}`, {
    cause,
    hint: "No service was stopped. " + HINTS[kind],
    details: { service, kind },
  });
}

const HINTS: Record<DumpKind, string> = {
  postgres: "User and password are those of the container's POSTGRES_USER and POSTGRES_PASSWORD " +
    "(or POSTGRES_PASSWORD_FILE).",
  mysql:
    "The password is that of the container's MYSQL_ROOT_PASSWORD (or MYSQL_ROOT_PASSWORD_FILE), " +
    "else MYSQL_USER and MYSQL_PASSWORD.",
  mariadb: "The password is that of the container's MARIADB_ROOT_PASSWORD (or " +
    "MARIADB_ROOT_PASSWORD_FILE), else MARIADB_USER and MARIADB_PASSWORD.",
  mongodb: "User and password are those of the container's MONGO_INITDB_ROOT_USERNAME and " +
    "MONGO_INITDB_ROOT_PASSWORD (or with _FILE).",
  redis:
    "The password is that of --requirepass in the container's command, its REDIS_PASSWORD or " +
    "its redis.conf.",
  sqlite: "The container needs the program sqlite3.",
};

/** Reads a dump in full. `problem`: why it is not whole; `keep`: its length where more was spooled. */
export async function checkDump(
  kind: DumpKind,
  path: string,
  signal: AbortSignal,
): Promise<{ problem: string | null; keep: number | null }> {
  const fd = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW);
  try {
    const check = dumpCheck(kind, posix.fstat(fd).size);
    const buffer = new Uint8Array(CHUNK);
    const slice = new Slice();
    for (let n = posix.read(fd, buffer, path); n > 0; n = posix.read(fd, buffer, path)) {
      check.feed(buffer.subarray(0, n));
      if (slice.over()) {
        await slice.turn();
        throwIfAborted(signal);
      }
    }
    return { problem: check.problem(), keep: check.keep };
  } finally {
    posix.closeQuietly(fd);
  }
}

function create(path: string): number {
  try {
    const flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW;
    return posix.open(path, flags, 0o600);
  } catch (cause) {
    throw diskError(`Cannot create "${path}"`, cause);
  }
}

function write(fd: number, path: string, bytes: Uint8Array) {
  try {
    posix.writeAll(fd, bytes, path);
  } catch (cause) {
    throw diskError(`Cannot write dump "${basename(path)}"`, cause);
  }
}
