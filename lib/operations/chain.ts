/** The archives that a backup needs besides its own, and where they lie. */
import { dirname, join } from "node:path";
import { alone, type Archives } from "../archive/chain_reader.ts";
import { isOurs } from "../archive/read_through.ts";
import { readSelf } from "../archive/self.ts";
import { ancestorsOf } from "../core/chain.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord, ChainLink } from "../core/model.ts";
import { exists } from "../repository/pending_archive.ts";
import { readSidecar } from "../repository/sidecar.ts";
import type { Context } from "./context.ts";
import { withCatalog } from "./context.ts";
import type { ListedBackup } from "./list.ts";

export interface Chain {
  archives: Archives;
  /** Base first, without the backup itself; empty but for an incremental one. */
  links: ChainLink[];
  /** The rows of `links` in the catalogue; null for one that it does not know. */
  records: (BackupRecord | null)[];
}

/** What of a record tells its chain. */
export type Chained = Pick<BackupRecord, "backup_type" | "backup_path" | "backup_metadata">;

/**
 * Finds the archives that a backup needs: where the catalogue says they are, else beside its own. Raises
 * ARCHIVE_MISSING, which names every one that is not there.
 */
export async function chainOf(
  ctx: Context,
  backup: Chained,
  verb: "restore from" | "take in" = "restore from",
): Promise<Chain> {
  const { backup_path: own, backup_type, backup_metadata } = backup;
  if (backup_type !== "INCREMENTAL") return { archives: alone(own), links: [], records: [] };
  const links = backup_metadata?.chain ?? [];
  const known = await withCatalog(
    ctx,
    ({ backups }) => backups.findByNames(links.map(({ backup_name }) => backup_name)),
  );
  const records = links.map(({ backup_name }) => known.get(backup_name) ?? null);
  const earlier = new Map<string, string>();
  const missing: string[] = [];
  links.forEach(({ backup_name, file }, i) => {
    const beside = join(dirname(own), file);
    const recorded = records[i]?.backup_path;
    const path = [recorded, beside].find((path) => path !== undefined && exists(path));
    if (path === undefined) missing.push(recorded ?? beside);
    else earlier.set(backup_name, path);
  });
  if (missing.length > 0 || links.length === 0) throw lost(verb, own, missing);
  return { archives: { own, earlier }, links, records };
}

function lost(verb: string, own: string, missing: string[]): DuckbackError {
  const state = missing.length === 0
    ? "it does not say which"
    : `${missing.map((path) => `"${path}"`).join(", ")} ${
      missing.length === 1 ? "is" : "are"
    } not there`;
  return new DuckbackError(
    "ARCHIVE_MISSING",
    `Cannot ${verb} "${own}": it is an incremental backup and needs earlier archives; ${state}`,
    { hint: "Put them where they were, or beside it.", details: { missing } },
  );
}

/** The same of an archive that no catalogue knows: by the record beside it, or by what it says of itself. */
export async function chainOfFile(ctx: Context, archive: string): Promise<Chain> {
  return await chainOf(ctx, { ...await describedIn(ctx, archive), backup_path: archive });
}

async function describedIn(ctx: Context, archive: string): Promise<Omit<Chained, "backup_path">> {
  const beside = readSidecar(archive);
  if (beside !== null) return beside;
  if (!await isOurs(archive, { signal: ctx.signal })) return FOREIGN;
  const { first } = await readSelf(archive);
  return first as BackupRecord;
}

const FOREIGN = { backup_type: "FULL" as const, backup_metadata: null };

/** The chain of a backup made against `parent`. */
export function chainAfter(parent: BackupRecord): ChainLink[] {
  return [...parent.backup_metadata?.chain ?? [], {
    backup_name: parent.backup_name,
    file: parent.backup_path.slice(parent.backup_path.lastIndexOf("/") + 1),
    bytes: parent.backup_size!,
    sha256: parent.backup_hash!,
  }];
}

/** Why a backup cannot be restored although its own archive is there, in half a sentence; else null. */
export function chainProblem(backup: ListedBackup, all: readonly ListedBackup[]): string | null {
  if (backup.backup_type !== "INCREMENTAL") return null;
  const { ancestors, missing } = ancestorsOf(all, backup.id);
  const bad = ancestors.find(({ file_exists }) => !file_exists);
  if (bad) return `backup ${bad.id}, which it needs, has lost its archive`;
  const damaged = ancestors.find(({ verify_status }) => verify_status === "failed");
  if (damaged) return `backup ${damaged.id}, which it needs, is damaged`;
  const unusable = ancestors.find(({ status }) => status !== "completed" && status !== "partial");
  if (unusable) return `backup ${unusable.id}, which it needs, is ${unusable.status}`;
  const known = new Set(ancestors.map(({ backup_name }) => backup_name));
  const lost = chainOfRecord(backup.backup_metadata).find((name) => !known.has(name));
  if (missing === null && lost === undefined && ancestors.length > 0) return null;
  return `${lost ?? `backup ${missing}`}, which it needs, is not in the catalogue`;
}

function chainOfRecord(metadata: BackupMetadata | null): string[] {
  return (metadata?.chain ?? []).map(({ backup_name }) => backup_name);
}
