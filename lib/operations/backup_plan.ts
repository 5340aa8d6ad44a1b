/** From a request, the settings and the stack as it is: everything a backup is going to do. */
import { DuckbackError } from "../core/errors.ts";
import type {
  BackupMetadata,
  BackupRecord,
  BackupType,
  Compression,
  ExcludeRule,
  QuiesceMode,
  Source,
  Trigger,
  Warning,
} from "../core/model.ts";
import { nextKind } from "../core/next_kind.ts";
import { VERSION } from "../core/version.ts";
import type { Settings } from "../config/settings.ts";
import type { Engine } from "../docker/engine.ts";
import { serviceOf } from "../docker/labels.ts";
import type { PlanOptions, QuiescePlan } from "../docker/quiesce.ts";
import { writesTo } from "../docker/sharing.ts";
import type { Stack } from "../docker/stack.ts";
import { archiveFiles } from "../repository/naming.ts";
import { chainAfter } from "./chain.ts";
import { type Context, withCatalog } from "./context.ts";
import { type DumpRequest, noDumps, planDumps, type PlannedDump } from "./dump_plan.ts";
import { labelNotes, liveWriters, refuseBadLabels, sharingFindings } from "./label_findings.ts";
import { levelFor, namesInUse, outputPlace } from "./output_place.ts";
import { findParent, type Wanted } from "./parent.ts";
import { planFor, servicesRunning } from "./quiesced.ts";
import { effectiveSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";

/** What a caller asks for; null leaves it to the settings. */
export interface BackupRequest {
  trigger: Trigger;
  /** `policy`: full or incremental, as the settings have it for automatic backups. */
  kind: "full" | "incremental" | "data-only" | "policy";
  version: string | null;
  sources: string[];
  exclude: string[];
  compression: Compression | null;
  level: number | null;
  quiesce: QuiesceMode | null;
  require_stopped: boolean;
  /** Stop containers of other projects that write to a source as well. */
  stop_sharing: boolean;
  /** False: all of it is read while the services are down. */
  precopy: boolean;
  /** Databases to dump by their own tools while they run, besides those that labels name. */
  dump: DumpRequest;
  /** Keeps the files of dumped databases in the backup, crash-consistent. */
  dump_keep_raw: boolean;
  /** Dumps none, whatever labels say, for a rollback: databases are stopped and their files taken. */
  files_only: boolean;
  anonymous_volumes: boolean;
  /** Leaves out what is mounted inside a source. */
  one_file_system: boolean;
  /** Leaves out what lies in directories that a CACHEDIR.TAG marks. */
  exclude_caches: boolean;
  /** A file, "-" for standard output, or null for the backup directory. */
  output: string | null;
  description: string | null;
  /** Days after which it may be pruned whatever the policy says, and until which it may not; null: by the policy. */
  expires_days: number | null;
  /** null: as `backup.verify_after_backup` says. */
  verify: boolean | null;
  /** The moment of the schedule that asks for it (ISO 8601 UTC); null for one made by hand. */
  scheduled_for: string | null;
}

export const DEFAULT_REQUEST: BackupRequest = {
  trigger: "manual",
  kind: "full",
  version: null,
  sources: [],
  exclude: [],
  compression: null,
  level: null,
  quiesce: null,
  require_stopped: false,
  stop_sharing: false,
  precopy: true,
  dump: [],
  dump_keep_raw: false,
  files_only: false,
  anonymous_volumes: false,
  one_file_system: false,
  exclude_caches: false,
  output: null,
  description: null,
  expires_days: null,
  verify: null,
  scheduled_for: null,
};

/** Everything that follows is decided by these values alone. */
export interface BackupPlan {
  request: BackupRequest;
  stack: Stack;
  engine: Engine | null;
  sources: Source[];
  type: BackupType;
  /** What an incremental backup is made against; null for any other. */
  parent: BackupRecord | null;
  compression: Compression;
  level: number;
  mode: QuiesceMode;
  /** By the containers as they were when the backup was planned: for previews and notes. */
  quiesce: QuiescePlan | null;
  /** For the plan that is made anew right before the stop. */
  quiesce_options: PlanOptions;
  exclude: ExcludeRule[];
  /** Dumped before anything is stopped; not stopped themselves. */
  dumps: PlannedDump[];
  verify: boolean;
  min_free_bytes: number;
  /** Prune by the policy where the space is short, before refusing. */
  prune_when_full: boolean;
  health_timeout_ms: number;
  /** The directory archives go to by default: never backed up itself. */
  directory: string;
  /** Absolute path of the archive, or "-". */
  path: string;
  name: string;
  notes: string[];
  /** What the record is to say from its beginning. */
  warnings: Warning[];
  /** The caller holds the services already (a rollback's safety backup): how well; else null. */
  held: BackupMetadata["consistency"];
}

/**
 * Decides; touches nothing but the backup directory, which it makes if it is missing. A `known` stack is not
 * looked for: its files may be what is to be mended.
 */
export async function planBackup(
  ctx: Context,
  request: BackupRequest,
  known?: { stack: Stack; engine: Engine | null },
): Promise<BackupPlan> {
  const { settings, explicit } = await effectiveSettings(ctx);
  const { stack: found, engine } = known ?? await findStack(ctx, {
    sources: request.sources,
    anonymous_volumes: request.anonymous_volumes,
    need_engine: true,
  });
  const mode = request.require_stopped ? "none" : request.quiesce ?? settings["backup.quiesce"];
  if (request.require_stopped && runs(found)) throw servicesRunning(found);
  // A rollback must not fail over a label: it stops everything.
  if (request.trigger !== "safety") refuseBadLabels(found);
  const { dumps, stack, leave, notes: dump_notes } = request.files_only
    ? noDumps(found)
    : planDumps(found, request.dump, request.dump_keep_raw);
  const quiesce_options: PlanOptions = {
    heed_labels: true,
    leave,
    stop_sharing: request.stop_sharing,
  };
  const quiesce = planFor(stack, mode, quiesce_options);
  const findings = [
    ...sharingFindings(stack, quiesce),
    ...(mode === "none" ? [] : liveWriters(stack, quiesce_options, mode)),
  ];
  const notes = [
    ...stack.notes,
    ...labelNotes(stack.labels),
    ...dump_notes,
    ...findings.map(({ path, message }) => `${path} ${message}`),
  ];
  const exclude = [...settings["backup.exclude"], ...request.exclude, ...stack.excludes];
  const { one_file_system, exclude_caches } = request;
  const kind = await kindOf(ctx, request, settings, stack.name, notes);
  const parent = await parentFor(ctx, { ...request, kind }, notes, {
    stack: stack.name,
    sources: stack.sources,
    selection: { exclude, one_file_system, exclude_caches },
  });
  const type = kind === "data-only" ? "DATA_ONLY" : parent ? "INCREMENTAL" : "FULL";
  const place = outputPlace(ctx, request, settings, stack.name, await namesInUse(ctx));
  return {
    request,
    stack,
    engine,
    sources: type === "DATA_ONLY"
      ? stack.sources.filter((source) => source.role === "data")
      : stack.sources,
    type,
    parent,
    mode,
    quiesce,
    quiesce_options,
    compression: place.compression,
    level: levelFor(place.compression, request, settings, explicit),
    exclude,
    dumps,
    verify: (request.verify ?? settings["backup.verify_after_backup"]) && place.path !== "-",
    min_free_bytes: settings["backup.min_free_bytes"],
    prune_when_full: settings["backup.prune_when_full"],
    health_timeout_ms: settings["backup.health_timeout_seconds"] * 1000,
    directory: settings.auto_backup_directory,
    path: place.path,
    name: place.name,
    notes,
    warnings: findings,
    held: null,
  };
}

/** What a request that leaves it to the policy comes to. */
async function kindOf(
  ctx: Context,
  { kind }: BackupRequest,
  settings: Settings,
  stack: string,
  notes: string[],
): Promise<Exclude<BackupRequest["kind"], "policy">> {
  if (kind !== "policy") return kind;
  if (!settings["backup.incremental"]) return "full";
  const records = await withCatalog(ctx, ({ backups }) => backups.list({ stack }));
  const next = nextKind(records, {
    incremental: true,
    full_every_days: settings["backup.full_every_days"],
    max_chain: settings["backup.max_chain"],
    max_chain_share: settings["backup.max_chain_share"],
  }, ctx.now());
  if (next.kind === "full") notes.push(`This backup is a full one: ${next.reason}.`);
  return next.kind;
}

/** Raises USAGE where an incremental backup is to be streamed: its manifest would be lost. */
async function parentFor(
  ctx: Context,
  request: BackupRequest,
  notes: string[],
  wanted: Wanted,
): Promise<BackupRecord | null> {
  if (request.kind !== "incremental") return null;
  if (request.output === "-") {
    throw new DuckbackError("USAGE", "Cannot stream an incremental backup to standard output", {
      hint: "What it leaves to earlier backups stands in files beside it. Give --output FILE, or " +
        "make a full one.",
    });
  }
  const { parent, reason } = await findParent(ctx, wanted);
  if (parent === null) notes.push(`This backup is FULL, not incremental: ${reason}.`);
  return parent;
}

/** True where a container of the stack can write. */
export function runs(stack: Stack): boolean {
  return stack.containers.some((container) => container.state === "running");
}

/** True where a container that runs can write to what is read meanwhile, a dumped one to its own apart. */
export function writersRun({ stack, dumps }: BackupPlan): boolean {
  const dumped = new Set(dumps.map(({ service }) => service));
  if (stack.sharing.length > 0) return true;
  return stack.containers.some((container) =>
    container.state === "running" &&
    (!dumped.has(serviceOf(container)) || writesTo(container, stack).length > 0)
  );
}

/** What a backup never enters: duckback's own directories, and the very files it writes. */
export function neverArchived(ctx: Context, plan: BackupPlan): string[] {
  const own = plan.path === "-" ? [] : archiveFiles(plan.path);
  return [plan.directory, ctx.home.dir, ...own];
}

/** What the archive and the record say of the stack at this moment. */
export async function describe(ctx: Context, plan: BackupPlan): Promise<BackupMetadata> {
  const { stack } = plan;
  const held = new Set(plan.sources.map(({ name }) => name));
  const digests = await imageDigests(plan);
  return {
    tool_version: VERSION,
    host: ctx.host,
    work_dir: stack.work_dir,
    project: stack.name,
    compose_files: stack.compose_files,
    compose_hash: stack.compose_hash,
    sources: plan.sources,
    skipped: stack.skipped,
    services: stack.containers.map((container) => ({
      service: container.service ?? container.name,
      container: container.name,
      image: container.image,
      image_id: container.image_id,
      state: container.state,
      health: container.health,
      restart_policy: container.restart_policy,
      image_digests: digests.get(container.image_id) ?? [],
    })),
    volumes: stack.volumes.filter(({ name }) => held.has(name)),
    quiesce: plan.mode,
    consistency: null,
    level: plan.level,
    selection: {
      exclude: plan.exclude,
      one_file_system: plan.request.one_file_system,
      exclude_caches: plan.request.exclude_caches,
    },
    ...(plan.parent ? { chain: chainAfter(plan.parent) } : {}),
    ...(plan.request.scheduled_for ? { scheduled_for: plan.request.scheduled_for } : {}),
  };
}

/** By image id, "name@sha256:...": where a registry has the very same image. */
async function imageDigests({ engine, stack }: BackupPlan): Promise<Map<string, string[]>> {
  const ids = [...new Set(stack.containers.map(({ image_id }) => image_id))];
  const images = await Promise.all(ids.map((id) => engine?.inspectImage(id) ?? null));
  return new Map(ids.map((id, n) => [id, images[n]?.digests ?? []]));
}
