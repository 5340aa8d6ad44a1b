/**
 * Redis reads its file when it starts, and writes it when it stops: it is stopped, the dump put where it
 * looks for it, and started. What lay there before is kept beside it under another name.
 */
import { dirname, join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import { dumpEnv, redisPlaceScript } from "../docker/dump_scripts.ts";
import type { Container, Engine, Mount } from "../docker/engine.ts";
import { requireDone, runScript } from "../docker/exec_shell.ts";
import { title } from "../docker/locate.ts";
import type { Quiescable } from "../docker/plan.ts";
import { planQuiesce } from "../docker/quiesce.ts";
import { realPath } from "../docker/real_path.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import { exists } from "../repository/pending_archive.ts";
import type { JournalFile } from "../repository/journal.ts";
import type { Context } from "./context.ts";
import { note } from "./context.ts";
import { awaitHealth } from "./health.ts";
import { Quiesced } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";

/** Where a server keeps what it loads at its start. */
interface RedisPlace {
  /** In the container. */
  dir: string;
  dbfilename: string;
  /** True where it loads what it appended, and no dump. */
  appendonly: boolean;
  /** Since release 7 a directory of this name; null before. */
  appenddirname: string | null;
  appendfilename: string;
}

/** Returns what is worth knowing. Raises REFUSED where its files are not on a mount; RESTORE_FAILED. */
export async function restoreRedis(
  ctx: Context,
  { stack, engine, container }: { stack: Quiescable; engine: Engine; container: Container },
  dump: string,
  journal: JournalFile,
): Promise<string[]> {
  const place = await findPlace(ctx, engine, container);
  const dir = hostDirectory(container, place.dir);
  const stamp = ctx.now().toISOString().replace(/[-:]|\.\d+/g, "");
  const kept: string[] = [];
  const only = planQuiesce({ ...stack, containers: [container], sharing: [] }, "stop");
  {
    await using quiesced = await Quiesced.begin(ctx, engine, only, journal);
    const put = place.appendonly
      ? place.appenddirname === null
        ? () => putFile(dump, join(dir, place.appendfilename), stamp)
        : () => putAppendDirectory(dump, dir, place, stamp)
      : () => putFile(dump, join(dir, place.dbfilename), stamp);
    try {
      const old = put();
      if (old !== null) kept.push(old);
    } catch (cause) {
      throw diskError(`Cannot put the dump into "${dir}"`, cause);
    }
    await quiesced.resume();
  }
  const settings = await currentSettings(ctx);
  const timeout_ms = settings["backup.health_timeout_seconds"] * 1000;
  const health = await awaitHealth(ctx, engine, only, timeout_ms);
  if (health && health.unhealthy.length > 0) {
    const { log_tail, state } = health.unhealthy[0];
    throw new DuckbackError(
      "RESTORE_FAILED",
      `Cannot restore ${title(container)}: it is ${state} with the dump${
        log_tail.map((line) => `\n  ${line}`).join("")
      }`,
      { hint: kept.length > 0 ? `What it had before is in ${kept[0]}.` : undefined },
    );
  }
  note(ctx, `${title(container)} has what its dump holds.`);
  return kept.map((path) => `What it had before is kept as ${path}; remove it when all is well.`);
}

async function findPlace(ctx: Context, engine: Engine, container: Container): Promise<RedisPlace> {
  const result = await runScript(engine, container.id, {
    script: redisPlaceScript(),
    env: dumpEnv("redis", await engine.commandOf(container.id)),
    signal: ctx.signal,
  });
  requireDone(`ask ${title(container)} where it keeps its files`, result);
  // For each key its name and its value, a line each, then "--"; nothing for a key it does not know.
  const found = new Map(
    result.stdout.split("--\n").map((part) => part.split("\n").slice(0, 2) as [string, string]),
  );
  const dir = found.get("dir");
  const dbfilename = found.get("dbfilename");
  if (!dir?.startsWith("/") || !dbfilename || dbfilename.includes("/")) {
    throw new DuckbackError(
      "RESTORE_FAILED",
      `Cannot restore ${title(container)}: it does not say where it keeps its files`,
      { hint: "CONFIG GET dir must work in it." },
    );
  }
  return {
    dir,
    dbfilename,
    appendonly: found.get("appendonly") === "yes",
    appenddirname: found.get("appenddirname") || null,
    appendfilename: found.get("appendfilename") || "appendonly.aof",
  };
}

/** The same directory on this host, which must lie on a mount and not lead out of it. */
function hostDirectory(container: Container, dir: string): string {
  const holds = (mount: Mount) => `${dir}/`.startsWith(`${mount.destination.replace(/\/$/, "")}/`);
  const [mount] = container.mounts.filter((mount) =>
    (mount.type === "bind" || mount.type === "volume") && !mount.read_only && holds(mount)
  ).sort((a, b) => b.destination.length - a.destination.length);
  if (mount) {
    const top = realPath(mount.source).real;
    const { real, type } = realPath(join(top, dir.slice(mount.destination.length)));
    if (type === "directory" && `${real}/`.startsWith(`${top}/`)) return real;
  }
  throw new DuckbackError(
    "REFUSED",
    `Cannot restore ${
      title(container)
    }: it keeps its files in ${dir}, which is no volume or bind mount`,
    { hint: `They go with the container. Mount a volume at ${dir} first.` },
  );
}

/** Puts a copy in the place of `path`; returns where what was there is now, or null. */
function putFile(dump: string, path: string, stamp: string): string | null {
  const fresh = `${path}.duckback-new`;
  copyLike(dump, fresh, path);
  const old = `${path}.before-${stamp}`;
  const had = exists(path);
  // The old name stays until the new file has it: a crash in between leaves either.
  if (had) posix.link(path, old);
  posix.rename(fresh, path);
  posix.fsyncPath(dirname(path));
  return had ? old : null;
}

/** A directory as Redis 7 makes it: a list, a base (which may be a dump), and nothing appended yet. */
function putAppendDirectory(
  dump: string,
  dir: string,
  { appenddirname, appendfilename }: RedisPlace,
  stamp: string,
): string | null {
  const path = join(dir, appenddirname!);
  const fresh = `${path}.duckback-new`;
  if (exists(fresh)) Deno.removeSync(fresh, { recursive: true });
  const like = posix.statxIfExists(path) ?? posix.statx(dir);
  posix.mkdir(fresh, 0o700);
  const base = `${appendfilename}.1.base.rdb`;
  const rest = `${appendfilename}.1.incr.aof`;
  copyLike(dump, join(fresh, base), fresh);
  Deno.writeTextFileSync(join(fresh, rest), "", { mode: 0o600 });
  Deno.writeTextFileSync(
    join(fresh, `${appendfilename}.manifest`),
    `file ${base} seq 1 type b\nfile ${rest} seq 1 type i\n`,
    { mode: 0o600 },
  );
  for (const name of [base, rest, `${appendfilename}.manifest`]) {
    posix.lchown(join(fresh, name), like.uid, like.gid);
    posix.fsyncPath(join(fresh, name));
  }
  posix.lchown(fresh, like.uid, like.gid);
  posix.chmod(fresh, like.mode);
  posix.fsyncPath(fresh);
  if (!exists(path)) {
    posix.rename(fresh, path);
    posix.fsyncPath(dir);
    return null;
  }
  const old = `${path}.before-${stamp}`;
  if (posix.renameExchange(fresh, path)) posix.rename(fresh, old);
  else {
    posix.rename(path, old);
    posix.rename(fresh, path);
  }
  posix.fsyncPath(dir);
  return old;
}

/** Copies the dump (0600) and gives the copy the owner of `like`, or of the directory it is to lie in. */
function copyLike(dump: string, to: string, like: string) {
  const owner = posix.statxIfExists(like) ?? posix.statx(dirname(like));
  if (exists(to)) posix.unlink(to);
  const flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW;
  const from = posix.open(dump, posix.O_RDONLY | posix.O_NOFOLLOW);
  try {
    const fd = posix.open(to, flags, 0o600);
    try {
      const buffer = new Uint8Array(1 << 20);
      for (let n = posix.read(from, buffer, dump); n > 0; n = posix.read(from, buffer, dump)) {
        posix.writeAll(fd, buffer.subarray(0, n), to);
      }
      posix.fsync(fd, to);
    } finally {
      posix.close(fd, to);
    }
  } finally {
    posix.closeQuietly(from);
  }
  posix.lchown(to, owner.uid, owner.gid);
}
