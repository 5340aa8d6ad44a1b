/** Where a new archive goes, what it is called, and how it is compressed. */
import { basename, dirname, join, resolve } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { Compression } from "../core/model.ts";
import type { Settings } from "../config/settings.ts";
import { ensurePrivateDir } from "../repository/durable.ts";
import { archiveExtension, archiveFiles, backupName, compressionOf } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { refuseVanished } from "./archive_directory.ts";
import type { BackupRequest } from "./backup_plan.ts";
import { type Context, withCatalog } from "./context.ts";

/** Where nobody chose a level: what the algorithm is usually run with. */
const USUAL_LEVEL: Record<Compression, number> = { gzip: 6, zstd: 3, none: 0 };

/** `backup.compression_level` is meant for `backup.compression`, and only where somebody set it. */
export function levelFor(
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

export function outputPlace(
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
  refuseVanished(ctx, settings.auto_backup_directory);
  ensurePrivateDir(settings.auto_backup_directory);
  const taken = (name: string) =>
    used.has(name) ||
    archiveFiles(join(settings.auto_backup_directory, name + extension)).some(exists);
  const name = backupName(parts, taken);
  return { path: join(settings.auto_backup_directory, name + extension), name, compression };
}

/** A failed run has its name in the catalogue, though no file bears it. */
export async function namesInUse(ctx: Context): Promise<Set<string>> {
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
