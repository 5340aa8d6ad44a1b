/**
 * `catalog rebuild`: takes every archive of some directories into the catalogue: from the record
 * beside it, else from the archive itself. Rows that are there already stay as they are.
 */
import { basename, join } from "node:path";
import { isOurs } from "../archive/read_through.ts";
import { asDuckbackError, DuckbackError, type ErrorData } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { formatBytes } from "../core/units.ts";
import { compressionOf, manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { readSidecar, writeSidecar } from "../repository/sidecar.ts";
import { registeredStacks, rememberStack } from "../repository/stack_registry.ts";
import { audited } from "./audit.ts";
import { type Context, keepingCatalog, note, phase, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { makeManifestAnew } from "./manifest_anew.ts";
import { recordOfArchive } from "./record_of_archive.ts";
import { relinkChains } from "./relink_chains.ts";
import { currentSettings } from "./settings.ts";

/** What became of one archive. */
export interface TakenIn {
  archive: string;
  backup_id: number | null;
  stack: string | null;
  /** Where its row comes from: it was there, from the record beside the archive, from the archive itself. */
  from: "catalogue" | "record" | "archive" | null;
  /** Why it was not taken in, or what is wrong with it. */
  error: ErrorData | null;
}

export interface RebuildOutcome {
  directories: string[];
  archives: TakenIn[];
  /** Stacks that this home did not know. */
  stacks: string[];
}

/**
 * Looks into `dirs` (absolute), or into all directories that the catalogue and the settings name. A
 * catalogue that is damaged is put aside first. Raises LOCKED, INTERRUPTED, and NOT_WRITABLE where a
 * given directory cannot be read.
 */
export async function rebuildCatalog(ctx: Context, dirs: string[]): Promise<RebuildOutcome> {
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const directories = dirs.length > 0 ? dirs : await archiveDirectories(ctx);
  const action = {
    type: "rebuild",
    description: "take archives into the catalogue",
    params: { directories },
  };
  return await audited(ctx, action, async () => {
    const archives: TakenIn[] = [];
    for (const archive of directories.flatMap(archivesIn).sort(byTime)) {
      const taken = await takeIn(ctx, archive);
      if (taken !== null) archives.push(taken);
    }
    await relinkChains(ctx);
    return { directories, archives, stacks: await rememberStacks(ctx) };
  }, ({ archives }) => {
    const bad = archives.filter(({ error }) => error !== null).length;
    const fresh = archives.filter(({ from }) => from === "record" || from === "archive").length;
    return {
      status: bad > 0 ? "partial" : "completed",
      message: `${archives.length} archives, ${fresh} of them new, ${bad} with problems`,
    };
  });
}

/** Every directory in which archives of this home may lie, as far as they exist. */
export async function archiveDirectories(ctx: Context): Promise<string[]> {
  const { auto_backup_directory } = await currentSettings(ctx);
  const records = await withCatalog(ctx, (catalog) => catalog.backups.list({}));
  const used = records.filter(({ backup_path }) => backup_path !== "-")
    .map(({ backup_path }) => join(backup_path, ".."));
  return [...new Set([auto_backup_directory, ctx.home.backups, ...used])].filter(exists);
}

/**
 * Absolute paths of what has an archive's name, older ones first: what builds on another comes behind
 * it. Raises NOT_WRITABLE.
 */
export function archivesIn(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)]
      .filter(({ isFile, name }) => isFile && compressionOf(name) !== null)
      .map(({ name }) => join(dir, name)).sort(byTime);
  } catch (cause) {
    throw new DuckbackError("NOT_WRITABLE", `Cannot read the directory "${dir}"`, {
      cause,
      hint: "Does it exist, and is it a directory that this user may read?",
    });
  }
}

function byTime(a: string, b: string): number {
  const [x, y] = [timeIn(a), timeIn(b)];
  return x < y ? -1 : x > y ? 1 : writtenAt(a) - writtenAt(b);
}

/** When a file was written last, in milliseconds; for names with the same second. */
function writtenAt(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch {
    return 0; // gone: whoever reads it says so
  }
}

/** The time that `backupName` put into a name, with the number behind it; the name, where it has none. */
function timeIn(archive: string): string {
  const name = basename(archive);
  const [, time, number = "1"] = TIME.exec(name) ?? [];
  return time === undefined ? name : time + number.padStart(6, "0");
}

const TIME = /(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?:_(\d+))?/;

/** Null for an archive of another program's, which is none of our business. */
async function takeIn(ctx: Context, archive: string): Promise<TakenIn | null> {
  const taken: TakenIn = { archive, backup_id: null, stack: null, from: null, error: null };
  try {
    const beside = readSidecar(archive);
    if (beside === null && !await isOurs(archive, { signal: ctx.signal })) {
      note(ctx, `"${archive}" was not made by duckback: left alone.`);
      return null;
    }
    const known = beside && await rowOf(ctx, beside.backup_name);
    if (known && isSame(known, archive)) {
      Object.assign(taken, { backup_id: known.id, stack: known.stack, from: "catalogue" });
      await requireParts(ctx, known);
      return taken;
    }
    phase(ctx, "verify", `Reading ${basename(archive)}`);
    const record = beside
      ? { ...beside, backup_path: archive }
      : await recordOfArchive(ctx, archive);
    taken.from = beside ? "record" : "archive";
    await refuseSecondCopy(ctx, record);
    const adopted = await withCatalog(ctx, (catalog) => catalog.backups.adopt(record));
    Object.assign(taken, { backup_id: adopted.id, stack: adopted.stack });
    // Its id may be another one now, its place too.
    writeSidecar(adopted);
    await requireParts(ctx, adopted);
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (error.code === "INTERRUPTED" || error.code === "CATALOG_WRITE") throw error;
    taken.error = error.toData();
  }
  return taken;
}

function rowOf(ctx: Context, name: string): Promise<BackupRecord | null> {
  return withCatalog(ctx, (catalog) => catalog.backups.findByName(name));
}

function isSame(row: BackupRecord, archive: string): boolean {
  return row.backup_path === archive && (row.status === "completed" || row.status === "partial");
}

/** One backup may have copies; a row speaks of one of them, and of one that is there. */
async function refuseSecondCopy(ctx: Context, record: BackupRecord) {
  const row = await rowOf(ctx, record.backup_name);
  if (!row || row.backup_path === record.backup_path || row.status === "failed") return;
  if (!exists(row.backup_path)) return;
  throw new DuckbackError(
    "REFUSED",
    `Cannot take in "${record.backup_path}": backup ${row.id} is the same, and lies at "${row.backup_path}"`,
    { hint: "Remove one of the two copies, or leave it as it is." },
  );
}

/** The archive is as long as its record says, and has a manifest: that is made anew where it is lost. */
async function requireParts(ctx: Context, record: BackupRecord) {
  const { size } = Deno.statSync(record.backup_path);
  if (record.backup_size !== null && record.backup_size !== size) {
    await withCatalog(ctx, (catalog) =>
      catalog.backups.update(record.id, {
        verify_status: "failed",
        verify_level: "quick",
        verified_at: ctx.now().toISOString(),
      }));
    throw new DuckbackError(
      "ARCHIVE_CORRUPT",
      `Cannot use "${record.backup_path}": it has ${formatBytes(size)}, its record says ` +
        formatBytes(record.backup_size),
      { hint: "It is marked and will not be offered. `duckback backup verify` reads it in full." },
    );
  }
  const { canReadManifest } = await import("../catalog/manifest.ts");
  const manifest = manifestPath(record.backup_path);
  if (!exists(manifest) || !await canReadManifest(manifest)) {
    phase(ctx, "verify", `Making the manifest of ${record.backup_name} anew`);
    await makeManifestAnew(ctx, record);
  }
}

/** So that `--stack NAME` finds the stacks of the archives again. */
async function rememberStacks(ctx: Context): Promise<string[]> {
  const known = new Set(registeredStacks(ctx.home).map(({ name }) => name));
  const fresh: string[] = [];
  for (const record of await withCatalog(ctx, (catalog) => catalog.backups.list({}))) {
    const work_dir = record.backup_metadata?.work_dir;
    if (known.has(record.stack) || work_dir === undefined || !exists(work_dir)) continue;
    known.add(record.stack);
    fresh.push(record.stack);
    const registered_at = ctx.now().toISOString();
    rememberStack(ctx.home, { name: record.stack, work_dir, compose_files: null, registered_at });
  }
  return fresh;
}
