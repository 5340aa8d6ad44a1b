/** Takes a whole backup out of its archive: the one way in which operations do that. */
import { extractArchive, type ExtractOptions, type ExtractReport } from "../archive/extract.ts";
import type { BackupRecord } from "../core/model.ts";
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
  return await extractArchive(record.backup_path, {
    ...options,
    max_bytes: record.source_bytes ?? undefined,
    progress: ctx.progress,
    signal: ctx.signal,
  });
}
