/** Takes single entries straight out of their blocks, each proved before anything is written. */
import type { ManifestEntry } from "../core/model.ts";
import { silent } from "../core/progress.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import { type Archives, ChainReader } from "./chain_reader.ts";
import type { ExtractOptions, ExtractReport } from "./extract.ts";
import { Pulse } from "./pulse.ts";
import { Restore } from "./restore.ts";

export interface PickOptions extends ExtractOptions {
  /** Entries that picked hard links point to, where those are not picked; in the archive's order. */
  sources: readonly ManifestEntry[];
}

/** Entries that are flushed to disk one by one faster than all that waits to be written. */
const FEW = 50;

const NOTHING = { entry() {}, data() {}, hole() {}, end() {} };

/**
 * Restores the entries of `rows`, which are in the backup's order, parents before what lies in them.
 * Reads their blocks twice and no others: every file's SHA-256 is right before the first is written.
 * Throws as `extractArchive` does.
 */
export async function extractPicked(
  archives: Archives,
  rows: readonly ManifestEntry[],
  options: PickOptions,
): Promise<ExtractReport> {
  const { signal, sources, progress = silent, totals } = options;
  using reader = new ChainReader(archives, signal);
  using restore = new Restore(archives.own, { ...options, flush_each: rows.length <= FEW });
  const pulse = new Pulse(signal, progress, restore, totals);
  const pause = () => pulse.due() ? pulse.beat() : undefined;
  try {
    for (const row of [...rows, ...sources]) await reader.read(row, NOTHING, pause);
    for (const row of rows) await reader.read(row, restore, pause);
    if (restore.beginSecondPass()) {
      // Also of what is picked: something else may have been kept in its place.
      for (const row of [...sources, ...rows]) {
        if (restore.awaits(row.path)) await reader.read(row, restore, pause);
      }
    }
    await restore.finish(pulse);
  } catch (error) {
    throw error instanceof PosixError ? asFileFailure(error, "restore") : error;
  }
  pulse.report();
  return restore.report();
}
