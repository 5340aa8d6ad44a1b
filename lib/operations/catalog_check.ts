/**
 * `catalog check`: catalogue, archives and the records beside them, compared in both directions. What
 * can be mended without a doubt is mended: a record is written beside its archive again, or a row
 * from it. Nothing is ever removed.
 */
import { basename, join } from "node:path";
import type { BackupRecord } from "../core/model.ts";
import { compressionOf, manifestPath, sidecarPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { readSidecar, writeSidecar } from "../repository/sidecar.ts";
import { audited } from "./audit.ts";
import { archiveDirectories, archivesIn } from "./catalog_rebuild.ts";
import { type Context, keepingCatalog, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { relinkChains } from "./relink_chains.ts";

export type FindingCode =
  | "ARCHIVE_GONE"
  | "ARCHIVE_SIZE"
  | "ARCHIVE_UNKNOWN"
  | "RECORD_MISSING"
  | "RECORD_DIFFERS"
  | "MANIFEST_MISSING"
  | "ROW_MISSING"
  | "PARENT_GONE"
  | "ORPHAN";

/** One thing that is not as it should be. */
export interface Finding {
  code: FindingCode;
  path: string;
  backup_id: number | null;
  message: string;
  /** True where it is well now. */
  repaired: boolean;
}

export interface CheckOutcome {
  directories: string[];
  backups: number;
  findings: Finding[];
}

/**
 * Looks at sizes and records; `backup verify` reads archives. With `dry_run` nothing is mended. Raises
 * LOCKED, CATALOG_WRITE.
 */
export async function checkCatalog(
  ctx: Context,
  { dry_run }: { dry_run: boolean },
): Promise<CheckOutcome> {
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  const directories = await archiveDirectories(ctx);
  const action = { type: "check", description: "check the catalogue", params: { dry_run } };
  return await audited(ctx, action, async () => {
    const rows = await withCatalog(ctx, (catalog) => catalog.backups.list({}));
    const findings = rows.flatMap((row) => findingsOf(row, rows, dry_run));
    for (const dir of directories) findings.push(...await strangers(ctx, dir, rows, dry_run));
    if (findings.some(({ code, repaired }) => code === "ROW_MISSING" && repaired)) {
      await relinkChains(ctx);
    }
    return { directories, backups: rows.length, findings };
  }, ({ findings }) => {
    const open = findings.filter(({ repaired }) => !repaired).length;
    return {
      status: open > 0 ? "partial" : "completed",
      message: `${findings.length - open} repaired, ${open} to look at`,
    };
  });
}

function findingsOf(row: BackupRecord, rows: BackupRecord[], dry_run: boolean): Finding[] {
  const path = row.backup_path;
  if (path === "-" || (row.status !== "completed" && row.status !== "partial")) return [];
  const finding = (code: FindingCode, message: string, at = path, mend?: () => void): Finding => {
    const repaired = mend !== undefined && !dry_run;
    if (repaired) mend();
    return { code, path: at, backup_id: row.id, message, repaired };
  };
  const found: Finding[] = [];
  if (
    row.backup_type === "INCREMENTAL" && !rows.some(({ id }) => id === row.parent_id)
  ) {
    const parent = row.backup_metadata?.chain?.at(-1)?.backup_name ?? `backup ${row.parent_id}`;
    const text = `it builds on ${parent}, which the catalogue does not have`;
    found.push(finding("PARENT_GONE", text));
  }
  if (!exists(path)) return [...found, finding("ARCHIVE_GONE", "the archive is not there")];
  const { size } = Deno.statSync(path);
  if (row.backup_size !== null && size !== row.backup_size) {
    const text = `the archive has ${size} bytes, the catalogue says ${row.backup_size}`;
    found.push(finding("ARCHIVE_SIZE", text));
  }
  const beside = readSidecar(path);
  const mend = () => writeSidecar(row);
  if (beside === null) {
    const text = "the record beside the archive is missing or cannot be read";
    found.push(finding("RECORD_MISSING", text, sidecarPath(path), mend));
  } else if (beside.backup_hash !== row.backup_hash || beside.backup_name !== row.backup_name) {
    const text = "the record beside the archive speaks of another archive";
    found.push(finding("RECORD_DIFFERS", text, sidecarPath(path)));
  } else if (!sameRecord(beside, row)) {
    const text = "the record beside the archive was not up to date";
    found.push(finding("RECORD_DIFFERS", text, sidecarPath(path), mend));
  }
  if (!exists(manifestPath(path))) {
    const text = "the manifest is missing; `duckback catalog rebuild` makes it anew";
    found.push(finding("MANIFEST_MISSING", text, manifestPath(path)));
  }
  return found;
}

function sameRecord(a: BackupRecord, b: BackupRecord): boolean {
  const text = (record: BackupRecord) =>
    JSON.stringify(Object.entries(record).sort(([x], [y]) => x < y ? -1 : 1));
  return text(a) === text(b);
}

/** What lies in a directory and is in no row. */
async function strangers(
  ctx: Context,
  dir: string,
  rows: BackupRecord[],
  dry_run: boolean,
): Promise<Finding[]> {
  const known = new Set(rows.map(({ backup_path }) => backup_path));
  const archives = archivesIn(dir);
  const found: Finding[] = [];
  for (const archive of archives.filter((path) => !known.has(path))) {
    const beside = readSidecar(archive);
    if (beside === null || rows.some(({ backup_name }) => backup_name === beside.backup_name)) {
      const message = beside === null
        ? "no row and no record speak of it; `duckback catalog rebuild` reads it"
        : "it is a copy of a backup that lies elsewhere";
      found.push({
        ...{ code: "ARCHIVE_UNKNOWN", path: archive, backup_id: null },
        ...{ message, repaired: false },
      });
      continue;
    }
    const adopted = dry_run ? null : await withCatalog(
      ctx,
      (catalog) => catalog.backups.adopt({ ...beside, backup_path: archive }),
    );
    const message = "the catalogue did not have it";
    const backup_id = adopted?.id ?? null;
    found.push({ code: "ROW_MISSING", path: archive, backup_id, message, repaired: !dry_run });
  }
  return [...found, ...orphans(dir, archives)];
}

const PARTS = /(\.manifest\.parquet|\.json|\.partial|\.spool|\.json\.tmp)$/;

/** Parts of backups whose archive is not there, by their names. */
function orphans(dir: string, archives: string[]): Finding[] {
  const stems = new Set(
    archives.map((path) => basename(path).replace(/\.tar(\.gz|\.zst)?$/, "")),
  );
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort()
    .filter((name) => name.startsWith("backup_") && PARTS.test(name))
    .filter((name) => name.endsWith(".partial") || !stems.has(name.replace(PARTS, "")))
    .filter((name) => compressionOf(name) === null)
    .map((name) => ({
      code: "ORPHAN" as const,
      path: join(dir, name),
      backup_id: null,
      message: "it belongs to no archive: a run that is at work, or was killed, of another home " +
        "perhaps; else it can be removed",
      repaired: false,
    }));
}
