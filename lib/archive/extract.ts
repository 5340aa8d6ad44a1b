/** Restores an archive, or parts of it, to places that the caller names and nowhere else. */
import type { Warning } from "../core/model.ts";
import { type ProgressSink, silent } from "../core/progress.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import { ArchiveFile } from "./archive_file.ts";
import { openSource } from "./open_source.ts";
import type { Overwrite } from "./overwrite.ts";
import type { OwnerChoice } from "./owners.ts";
import { Pulse } from "./pulse.ts";
import { Restore } from "./restore.ts";
import type { Route } from "./routes.ts";
import { readTar } from "./read_tar.ts";

export type { Route };

export interface ExtractOptions {
  routes: Route[];
  progress?: ProgressSink;
  /** From the catalogue; shown as the totals of the progress. */
  totals?: { files: number; bytes: number };
  signal?: AbortSignal;
  workers?: number;
  /** Sets recorded owners; by default where this is root. */
  owners?: boolean;
  /** Sets other owners than the recorded ones, or none. */
  owner?: OwnerChoice;
  /** Of the entries that a route takes, those for which this is true; all where it is not given. */
  wanted?: (path: string) => boolean;
  /** For few entries: each is flushed to disk by itself, not all that waits to be written there. */
  flush_each?: boolean;
  /** What happens to what is there already; by default it does not stay. */
  overwrite?: Overwrite;
  /** Makes device nodes; else they are warned of. */
  allow_devices?: boolean;
  /** Bytes of content that the whole archive may hold: what its record says; more is ARCHIVE_CORRUPT. */
  max_bytes?: number;
}

export interface ExtractReport {
  /** Entries restored. */
  entries: number;
  files: number;
  /** Bytes of file content that were written: holes are not counted. */
  bytes: number;
  /** Entries that were left out because something is in their place (`overwrite`). */
  kept: number;
  /** What was left out, counted by kind (NOT_RESTORED). */
  warnings: Warning[];
}

/**
 * Restores every entry that a route takes. Returns once everything is on disk. Entries of the
 * archive's own are never restored. Throws ARCHIVE_MISSING, ARCHIVE_CORRUPT, INTERRUPTED,
 * RESTORE_FAILED (a directory is in the way), DISK_FULL, NOT_WRITABLE, IO; what was restored until
 * then is left for the caller to remove.
 */
export async function extractArchive(
  path: string,
  options: ExtractOptions,
): Promise<ExtractReport> {
  using file = new ArchiveFile(path);
  using restore = new Restore(path, options);
  const { signal, workers, progress = silent } = options;
  const pulse = new Pulse(signal, progress, restore, options.totals);
  try {
    {
      using source = openSource(file, { signal, workers });
      await readTar(path, source, restore, pulse);
    }
    if (restore.beginSecondPass()) {
      // Hard links whose target no route takes: fetch the content from there.
      using again = new ArchiveFile(path);
      using source = openSource(again, { signal, workers });
      await readTar(path, source, restore, pulse);
    }
    await restore.finish(pulse);
  } catch (error) {
    throw error instanceof PosixError ? asFileFailure(error, "restore") : error;
  }
  pulse.report();
  return restore.report();
}
