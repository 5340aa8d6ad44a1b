/** Takes a whole backup out of its archive: the one way in which operations do that. */
import type { Archives } from "../archive/chain_reader.ts";
import { extractArchive, type ExtractOptions, type ExtractReport } from "../archive/extract.ts";
import { extractRows } from "../archive/extract_rows.ts";
import { DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { chainOf } from "./chain.ts";
import type { Context } from "./context.ts";

/**
 * Extracts the entries of a backup as `options` route them, with the context's progress and signal and
 * no more content than its record says. The caller has proved the archive. Raises what
 * `extractArchive` does.
 */
export async function extractBackup(
  ctx: Context,
  record: BackupRecord,
  options: Omit<ExtractOptions, "progress" | "signal" | "max_bytes">,
): Promise<ExtractReport> {
  const { archives } = await chainOf(ctx, record);
  return await extractFrom(archives, {
    ...options,
    max_bytes: record.source_bytes ?? undefined,
    progress: ctx.progress,
    signal: ctx.signal,
  });
}

/** The same of a backup's archives; more than one are read by the manifest beside the own. */
export async function extractFrom(
  archives: Archives,
  options: ExtractOptions,
): Promise<ExtractReport> {
  if (archives.earlier.size === 0) return await extractArchive(archives.own, options);
  const manifest = requireManifest(archives.own);
  const { readManifest } = await import("../catalog/manifest.ts");
  return await extractRows(archives, () => readManifest(manifest), options);
}

/** Path of an incremental archive's manifest, without which nobody knows what it leaves to others. */
export function requireManifest(archive: string): string {
  const path = manifestPath(archive);
  if (exists(path)) return path;
  throw new DuckbackError(
    "ARCHIVE_MISSING",
    `Cannot read "${archive}": it is an incremental backup, and its manifest "${path}" is not there`,
    { hint: "Make it anew from the archives: duckback catalog rebuild DIR" },
  );
}
