/** From a request, the settings and the stack as it is: everything a backup is going to do. */
import { basename, dirname, join, resolve } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type {
  BackupMetadata,
  BackupType,
  Compression,
  QuiesceMode,
  Source,
  Trigger,
} from "../core/model.ts";
import type { Settings } from "../config/settings.ts";
import { VERSION } from "../core/version.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import type { Stack } from "../docker/stack.ts";
import { exists } from "../repository/pending_archive.ts";
import { ensurePrivateDir } from "../repository/durable.ts";
import { archiveExtension, archiveFiles, backupName, compressionOf } from "../repository/naming.ts";
import { type Context, withCatalog } from "./context.ts";
import { planFor, servicesRunning } from "./quiesced.ts";
import { effectiveSettings } from "./settings.ts";
import { findStack } from "./stacks.ts";

/** What a caller asks for; null leaves it to the settings. */
export interface BackupRequest {
  trigger: Trigger;
  kind: "full" | "incremental" | "data-only";
  version: string | null;
  sources: string[];
  exclude: string[];
  compression: Compression | null;
  level: number | null;
  quiesce: QuiesceMode | null;
  require_stopped: boolean;
  anonymous_volumes: boolean;
  /** Leaves out what is mounted inside a source. */
  one_file_system: boolean;
  /** Leaves out what lies in directories that a CACHEDIR.TAG marks. */
  exclude_caches: boolean;
  /** A file, "-" for standard output, or null for the backup directory. */
  output: string | null;
  description: string | null;
  /** null: as `backup.verify_after_backup` says. */
  verify: boolean | null;
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
  anonymous_volumes: false,
  one_file_system: false,
  exclude_caches: false,
  output: null,
  description: null,
  verify: null,
};

/** Everything that follows is decided by these values alone. */
export interface BackupPlan {
  request: BackupRequest;
  stack: Stack;
  engine: Engine | null;
  sources: Source[];
  type: BackupType;
  compression: Compression;
  level: number;
  mode: QuiesceMode;
  quiesce: QuiescePlan | null;
  exclude: string[];
  verify: boolean;
  min_free_bytes: number;
  health_timeout_ms: number;
  /** The directory archives go to by default: never backed up itself. */
  directory: string;
  /** Absolute path of the archive, or "-". */
  path: string;
  name: string;
  notes: string[];
  /** The caller holds the services already (a rollback's safety backup): how well; else null. */
  held: BackupMetadata["consistency"];
}

/** Decides; touches nothing but the backup directory, which it makes if it is missing. */
export async function planBackup(ctx: Context, request: BackupRequest): Promise<BackupPlan> {
  const { settings, explicit } = await effectiveSettings(ctx);
  const { stack, engine } = await findStack(ctx, {
    sources: request.sources,
    anonymous_volumes: request.anonymous_volumes,
    need_engine: true,
  });
  const mode = request.require_stopped ? "none" : request.quiesce ?? settings["backup.quiesce"];
  if (request.require_stopped && runs(stack)) throw servicesRunning(stack);
  const notes = [...stack.notes];
  if (request.kind === "incremental") {
    notes.push("Incremental backups are not in this version yet: this one is FULL.");
  }
  const type = request.kind === "data-only" ? "DATA_ONLY" : "FULL";
  const place = outputPlace(ctx, request, settings, stack.name, await namesInUse(ctx));
  return {
    request,
    stack,
    engine,
    sources: type === "DATA_ONLY"
      ? stack.sources.filter((source) => source.role === "data")
      : stack.sources,
    type,
    mode,
    quiesce: planFor(stack, mode),
    compression: place.compression,
    level: levelFor(place.compression, request, settings, explicit),
    exclude: [...settings["backup.exclude"], ...request.exclude],
    verify: (request.verify ?? settings["backup.verify_after_backup"]) && place.path !== "-",
    min_free_bytes: settings["backup.min_free_bytes"],
    health_timeout_ms: settings["backup.health_timeout_seconds"] * 1000,
    directory: settings.auto_backup_directory,
    path: place.path,
    name: place.name,
    notes,
    held: null,
  };
}

/** True where a container of the stack can write. */
export function runs(stack: Stack): boolean {
  return stack.containers.some((container) => container.state === "running");
}

/** Where nobody chose a level: what the algorithm is usually run with. */
const USUAL_LEVEL: Record<Compression, number> = { gzip: 6, zstd: 3, none: 0 };

/** `backup.compression_level` is meant for `backup.compression`, and only where somebody set it. */
function levelFor(
  compression: Compression,
  request: BackupRequest,
  settings: Settings,
  explicit: Set<string>,
): number {
  if (compression === "none") return 0;
  const meant = compression === settings["backup.compression"] &&
    explicit.has("backup.compression_level");
  const level = request.level ??
    (meant ? settings["backup.compression_level"] : USUAL_LEVEL[compression]);
  const [least, most] = compression === "gzip" ? [0, 9] : [1, 22];
  if (level >= least && level <= most) return level;
  throw new DuckbackError(
    "USAGE",
    `Cannot compress with ${compression} level ${level}: it has ${least} to ${most}`,
    { hint: "Give --level, or set backup.compression_level." },
  );
}

function outputPlace(
  ctx: Context,
  request: BackupRequest,
  settings: Settings,
  stack: string,
  used: Set<string>,
): { path: string; name: string; compression: Compression } {
  const at = ctx.now();
  const parts = { trigger: request.trigger, stack, version: request.version, at };
  if (request.output === "-") {
    const name = backupName(parts, (name) => used.has(name));
    return { path: "-", name, compression: request.compression ?? settings["backup.compression"] };
  }
  if (request.output !== null) {
    const path = resolve(request.output);
    const implied = compressionOf(path);
    const compression = request.compression ?? implied ?? settings["backup.compression"];
    if (implied && implied !== compression) {
      throw new DuckbackError(
        "USAGE",
        `Cannot write "${
          basename(path)
        }" with --compression ${compression}: its name says ${implied}`,
        {
          hint:
            "Let --output end in .tar.gz, .tar.zst or .tar as fits, or leave --compression out.",
        },
      );
    }
    if (!exists(dirname(path))) {
      throw new DuckbackError(
        "NOT_WRITABLE",
        `Cannot write "${path}": its directory does not exist`,
        {
          hint: `Create it first: mkdir -p ${dirname(path)}`,
        },
      );
    }
    refuseTaken(path);
    return { path, name: backupName(parts, (name) => used.has(name)), compression };
  }
  const compression = request.compression ?? settings["backup.compression"];
  const extension = archiveExtension(compression);
  ensurePrivateDir(settings.auto_backup_directory);
  const taken = (name: string) =>
    used.has(name) ||
    archiveFiles(join(settings.auto_backup_directory, name + extension)).some(exists);
  const name = backupName(parts, taken);
  return { path: join(settings.auto_backup_directory, name + extension), name, compression };
}

/** What a backup never enters: duckback's own directories, and the very files it writes. */
export function neverArchived(ctx: Context, plan: BackupPlan): string[] {
  const own = plan.path === "-" ? [] : archiveFiles(plan.path);
  return [plan.directory, ctx.home.dir, ...own];
}

/** A failed run has its name in the catalogue, though no file bears it. */
async function namesInUse(ctx: Context): Promise<Set<string>> {
  const records = await withCatalog(ctx, (catalog) => catalog.backups.list());
  return new Set(records.map((record) => record.backup_name));
}

/**
 * The archive's own name, and those of what will lie beside it: `x.tar.gz` and `x.tar.zst` would share
 * a record, and `x.json` may be anybody's.
 */
function refuseTaken(path: string) {
  const taken = archiveFiles(path).find(exists);
  if (taken === undefined) return;
  const what = taken === path ? "it exists already" : `"${taken}" would be overwritten`;
  throw new DuckbackError("REFUSED", `Cannot write archive "${path}": ${what}`, {
    hint: "Archives and what lies beside them are never overwritten: choose another name.",
  });
}

/** What the archive and the record say of the stack at this moment. */
export function describe(ctx: Context, plan: BackupPlan): BackupMetadata {
  const { stack } = plan;
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
    })),
    quiesce: plan.mode,
    consistency: null,
    level: plan.level,
  };
}
