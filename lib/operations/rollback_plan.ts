/** What a rollback replaces, where it lies on this machine now, and what protects it. */
import { join } from "node:path";
import { readSelf } from "../archive/self.ts";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord, Role, Source } from "../core/model.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import { refreshStack, type Stack } from "../docker/stack.ts";
import * as posix from "../posix/mod.ts";
import { type BackupPlan, DEFAULT_REQUEST, planBackup } from "./backup_plan.ts";
import { type Context, note } from "./context.ts";
import { mountPoints } from "./mounts.ts";
import { sharedTargets } from "./label_findings.ts";
import { planFor } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";
import { findStack, type FoundStack } from "./stacks.ts";
import { type Difference, thenAndNow } from "./then_and_now.ts";

export interface RollbackTarget {
  source: Source;
  name: string;
  /** Absolute path now: the working directory may have moved, a volume's mountpoint changed. */
  live: string;
  /** Its inode must stay: a volume's root or the working directory. */
  inside: boolean;
}

export interface RollbackPlan {
  record: BackupRecord;
  stack: Stack;
  engine: Engine | null;
  targets: RollbackTarget[];
  quiesce: QuiescePlan | null;
  /** Paths inside targets that are duckback's own and stay. */
  keep: string[];
  health_timeout_ms: number;
  /** Between the stack then and now; none of them breaks a service. */
  differences: Difference[];
  problems: string[];
}

export interface PlanOptions {
  look_only?: boolean;
  known?: { stack: Stack; engine: Engine | null };
}

/**
 * Makes volumes that are gone, unless `look_only`. A `known` stack is not looked for, only its containers
 * are. Raises NO_SUCH_STACK, DOCKER_UNREACHABLE, REFUSED
 * where a file system is mounted inside a target, RESTORE_FAILED where nothing fits `roles`.
 */
export async function planRollback(
  ctx: Context,
  record: BackupRecord,
  roles: Role[],
  options: PlanOptions = {},
): Promise<RollbackPlan> {
  const { metadata, stack, engine, targets } = await locateSources(ctx, record, roles, options);
  const settings = await currentSettings(ctx);
  const keep = [ctx.home.dir, settings.auto_backup_directory].flatMap(asNamedAndReal);
  refuseMounts(targets, keep);
  refuseLostBinds(stack, targets);
  const problems = record.status === "partial"
    ? [`Backup ${record.id} is partial: ${record.error_message}`]
    : [];
  return {
    record,
    stack,
    engine,
    targets,
    quiesce: planFor(stack, "stop"),
    keep,
    health_timeout_ms: settings["backup.health_timeout_seconds"] * 1000,
    differences: await thenAndNow(metadata, stack, engine, roles),
    problems: [
      ...problems,
      ...unfedDumps(record, metadata, roles),
      ...sharedTargets(stack, targets.map((target) => target.live)),
    ],
  };
}

/** Where the sources of a backup lie on this machine now. Raises as `planRollback` does. */
export async function locateSources(
  ctx: Context,
  record: BackupRecord,
  roles: Role[],
  { look_only = false, known }: PlanOptions = {},
) {
  const metadata = record.backup_metadata ?? await describedBy(record.backup_path);
  const { stack, engine } = known
    ? {
      ...known,
      stack: known.engine ? await refreshStack(known.engine, known.stack) : known.stack,
    }
    : await stackOf(ctx, metadata);
  const wanted = metadata.sources.filter((source) => roles.includes(source.role));
  if (wanted.length === 0) throw nothingFits(record, metadata, roles);
  const targets: RollbackTarget[] = [];
  for (const source of wanted) {
    targets.push(await locate(source, stack, engine, metadata, look_only));
  }
  return { metadata, stack, engine, targets };
}

/** The stack; where its compose files cannot be read, which a rollback may mend, by its containers alone. */
async function stackOf(ctx: Context, metadata: BackupMetadata): Promise<FoundStack> {
  const here = await placeOf(ctx, metadata);
  try {
    return await findStack(here, { need_engine: true });
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (error.code !== "COMPOSE_INVALID" && error.code !== "COMPOSE_MISSING") throw cause;
    note(ctx, `${error.message}. Going by the containers instead`, "warning");
    const named = { ...here, stack: here.stack ?? metadata.project };
    return await findStack(named, { need_engine: true, without_files: true });
  }
}

/** A rollback replaces files; what a running database holds is replaced by `restore --dump` alone. */
function unfedDumps(
  { id }: BackupRecord,
  { dumps = [] }: BackupMetadata,
  roles: Role[],
): string[] {
  if (!roles.includes("data")) return [];
  return dumps.map(({ service }) =>
    `${service} keeps what it holds now: its dump is fed back by: duckback restore ${id} --dump ${service}`
  );
}

/** What the archive itself says of its stack. */
export async function describedBy(archive: string): Promise<BackupMetadata> {
  const { first } = await readSelf(archive);
  return (first as { backup_metadata: BackupMetadata }).backup_metadata;
}

/**
 * Without `--work-dir` or `--stack`, the stack is where it was when the backup was made; or here, where
 * that directory is gone and the same stack lies here. Never in whatever directory one happens to be.
 */
export async function placeOf(ctx: Context, metadata: BackupMetadata): Promise<Context> {
  if (ctx.place_given || ctx.stack !== null) return ctx;
  if (posix.statxIfExists(metadata.work_dir)?.type === "directory") {
    return { ...ctx, work_dir: metadata.work_dir, stack: null };
  }
  const { stack } = await findStack(ctx);
  if (stack.name === metadata.project) return ctx;
  throw new DuckbackError(
    "NO_SUCH_STACK",
    `Cannot roll back stack "${metadata.project}": its directory "${metadata.work_dir}" does not exist`,
    {
      hint:
        `If the stack was moved, name its new place with --work-dir DIR; if it was lost, make ` +
        `the directory first: mkdir -p ${metadata.work_dir}`,
    },
  );
}

/** Targets are free of symbolic links: what lies in them must be known by its real name. */
function asNamedAndReal(path: string): string[] {
  try {
    return [...new Set([path, Deno.realPathSync(path)])];
  } catch {
    return [path];
  }
}

/**
 * A container keeps what was mounted into it though the path is gone (the stack was moved, a directory
 * removed); started again, it would be given an empty directory there, and work on that.
 */
function refuseLostBinds(stack: Stack, targets: RollbackTarget[]) {
  const comesBack = (path: string) => targets.some(({ live }) => `${path}/`.startsWith(`${live}/`));
  for (const { name, state, mounts } of stack.containers) {
    if (state !== "running" && state !== "restarting") continue;
    const lost = mounts.find((mount) =>
      mount.type === "bind" && posix.statxIfExists(mount.source) === null &&
      !comesBack(mount.source)
    );
    if (!lost) continue;
    throw new DuckbackError(
      "REFUSED",
      `Cannot roll back stack "${stack.name}": container "${name}" uses "${lost.source}", which does ` +
        "not exist any more; stopped and started, it would run on an empty directory there",
      {
        hint:
          "If the stack was moved, make its containers anew first: docker compose up -d. If the " +
          "directory was lost, restore it too: --rollback-data",
      },
    );
  }
}

/** A rename would carry what is mounted along with the old tree, out of its services' sight. */
function refuseMounts(targets: RollbackTarget[], keep: string[]) {
  const stays = (mount: string) => keep.some((path) => `${mount}/`.startsWith(`${path}/`));
  const mounts = mountPoints().filter((mount) => !stays(mount));
  for (const { live, name } of targets) {
    const inner = mounts.find((mount) => mount.startsWith(live + "/"));
    if (!inner) continue;
    throw new DuckbackError(
      "REFUSED",
      `Cannot roll back "${name}": a file system is mounted inside it, at "${inner}"`,
      {
        hint: "Unmount it first, or take the files out beside it: duckback restore ID --target DIR",
      },
    );
  }
}

function nothingFits(record: BackupRecord, metadata: BackupMetadata, roles: Role[]) {
  const other = roles.includes("app") ? "--rollback-data" : "`duckback rollback`";
  const dumped = (metadata.dumps ?? []).map(({ service }) => service);
  const held = metadata.sources.map((source) => `${source.name} (${source.role})`).join(", ");
  return new DuckbackError(
    "RESTORE_FAILED",
    `Cannot roll back to backup ${record.id}: it holds no ${
      roles.join(" or ")
    } source, only ${held}`,
    {
      hint: dumped.length > 0 && roles.includes("data")
        ? `Its dumps are fed back one by one: duckback restore ${record.id} --dump ${dumped[0]}`
        : `Try ${other}.`,
    },
  );
}

async function locate(
  source: Source,
  stack: Stack,
  engine: Engine | null,
  metadata: BackupMetadata,
  look_only: boolean,
): Promise<RollbackTarget> {
  if (source.kind === "volume") {
    const name = volumeName(source, stack, metadata);
    const live = await volumePath(name, stack, engine, look_only);
    return { source, name, live, inside: true };
  }
  if (source.archive_path === ".") {
    return { source, name: source.name, live: stack.work_dir, inside: true };
  }
  const within = source.path.startsWith(metadata.work_dir + "/");
  const live = within
    ? join(stack.work_dir, source.path.slice(metadata.work_dir.length + 1))
    : source.path;
  return { source, name: source.name, live, inside: false };
}

/** Compose names volumes after the project: where that has another name now, so have they. */
function volumeName({ name }: Source, stack: Stack, { project }: BackupMetadata): string {
  return name.startsWith(`${project}_`) ? stack.name + name.slice(project.length) : name;
}

async function volumePath(
  name: string,
  stack: Stack,
  engine: Engine | null,
  look_only: boolean,
): Promise<string> {
  if (!engine) {
    throw new DuckbackError(
      "DOCKER_UNREACHABLE",
      `Cannot restore volume "${name}": no Docker engine answers`,
      { hint: "Start Docker, then try again." },
    );
  }
  const found = await engine.inspectVolume(name);
  if (found) return found.mountpoint;
  if (look_only) return `volume ${name}`;
  const made = await engine.createVolume(name, {
    "com.docker.compose.project": stack.name,
    "com.docker.compose.volume": name.replace(`${stack.name}_`, ""),
  });
  return made.mountpoint;
}

/** A backup of exactly what the targets are now, made while the services are stopped. */
export async function safetyPlan(
  ctx: Context,
  plan: RollbackPlan,
  held: BackupMetadata["consistency"],
): Promise<BackupPlan | null> {
  const present = plan.targets.filter((target) => posix.statxIfExists(target.live) !== null);
  if (present.length === 0) return null;
  const request = {
    ...DEFAULT_REQUEST,
    trigger: "safety" as const,
    files_only: true,
    quiesce: "none" as const,
    description: `before the rollback to backup ${plan.record.id}`,
  };
  const base = await planBackup(ctx, request, plan);
  return {
    ...base,
    notes: [],
    sources: present.map((target) => ({ ...target.source, path: target.live })),
    exclude: [],
    held,
    verify: false, // once the services run again: every second counts until then
  };
}
