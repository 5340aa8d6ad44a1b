/** What a rollback replaces, where it lies on this machine now, and what protects it. */
import { join } from "node:path";
import { readSelf } from "../archive/self.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord, Role, Source } from "../core/model.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import type { Stack } from "../docker/stack.ts";
import * as posix from "../posix/mod.ts";
import { type BackupPlan, DEFAULT_REQUEST, planBackup } from "./backup_plan.ts";
import type { Context } from "./context.ts";
import { planFor } from "./quiesced.ts";
import { currentSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";

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
  problems: string[];
}

/** Raises NO_SUCH_STACK, DOCKER_UNREACHABLE, RESTORE_FAILED where nothing fits `roles`. */
export async function planRollback(
  ctx: Context,
  record: BackupRecord,
  roles: Role[],
): Promise<RollbackPlan> {
  const metadata = record.backup_metadata ?? await describedBy(record.backup_path);
  const here = placeOf(ctx, metadata);
  const { stack, engine } = await findStack(here, { need_engine: true });
  const wanted = metadata.sources.filter((source) => roles.includes(source.role));
  if (wanted.length === 0) throw nothingFits(record, metadata, roles);
  const targets: RollbackTarget[] = [];
  for (const source of wanted) targets.push(await locate(source, stack, engine, metadata));
  const settings = await currentSettings(ctx);
  const problems = record.status === "partial"
    ? [`Backup ${record.id} is partial: ${record.error_message}`]
    : [];
  return {
    record,
    stack,
    engine,
    targets,
    quiesce: planFor(stack, "stop"),
    keep: [ctx.home.dir, settings.auto_backup_directory],
    health_timeout_ms: settings["backup.health_timeout_seconds"] * 1000,
    problems,
  };
}

/** What the archive itself says of its stack. */
async function describedBy(archive: string): Promise<BackupMetadata> {
  const { first } = await readSelf(archive);
  return (first as { backup_metadata: BackupMetadata }).backup_metadata;
}

/** Without `--work-dir` or `--stack`, the stack is where it was when the backup was made. */
function placeOf(ctx: Context, metadata: BackupMetadata): Context {
  if (ctx.place_given || ctx.stack !== null) return ctx;
  if (posix.statxIfExists(metadata.work_dir)?.type !== "directory") return ctx;
  return { ...ctx, work_dir: metadata.work_dir, stack: null };
}

function nothingFits(record: BackupRecord, metadata: BackupMetadata, roles: Role[]) {
  const other = roles.includes("app") ? "--rollback-data" : "`duckback rollback`";
  const held = metadata.sources.map((source) => `${source.name} (${source.role})`).join(", ");
  return new DuckbackError(
    "RESTORE_FAILED",
    `Cannot roll back to backup ${record.id}: it holds no ${
      roles.join(" or ")
    } source, only ${held}`,
    { hint: `Try ${other}.` },
  );
}

async function locate(
  source: Source,
  stack: Stack,
  engine: Engine | null,
  metadata: BackupMetadata,
): Promise<RollbackTarget> {
  if (source.kind === "volume") {
    const live = await volumePath(source, stack, engine, metadata);
    return { source, name: source.name, live, inside: true };
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

async function volumePath(
  source: Source,
  stack: Stack,
  engine: Engine | null,
  metadata: BackupMetadata,
): Promise<string> {
  if (!engine) {
    throw new DuckbackError(
      "DOCKER_UNREACHABLE",
      `Cannot restore volume "${source.name}": no Docker engine answers`,
      { hint: "Start Docker, then try again." },
    );
  }
  const found = await engine.inspectVolume(source.name);
  if (found) return found.mountpoint;
  const made = await engine.createVolume(source.name, {
    "com.docker.compose.project": stack.name,
    "com.docker.compose.volume": source.name.replace(`${metadata.project}_`, ""),
  });
  return made.mountpoint;
}

/** A backup of exactly what the targets are now, made while the services are stopped. */
export async function safetyPlan(ctx: Context, plan: RollbackPlan): Promise<BackupPlan | null> {
  const present = plan.targets.filter((target) => posix.statxIfExists(target.live) !== null);
  if (present.length === 0) return null;
  const here = { ...ctx, work_dir: plan.stack.work_dir, stack: plan.stack.name };
  const base = await planBackup(here, {
    ...DEFAULT_REQUEST,
    trigger: "safety",
    quiesce: "none",
    description: `before the rollback to backup ${plan.record.id}`,
  });
  return {
    ...base,
    notes: [],
    sources: present.map((target) => ({ ...target.source, path: target.live })),
    exclude: [],
    held: true,
    verify: false, // once the services run again: every second counts until then
  };
}
