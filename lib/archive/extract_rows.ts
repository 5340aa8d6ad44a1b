/** Restores a backup by the rows of its manifest, from all the archives that they lie in. */
import type { ManifestEntry } from "../core/model.ts";
import { silent } from "../core/progress.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import { type Archives, ChainReader } from "./chain_reader.ts";
import type { ExtractOptions, ExtractReport } from "./extract.ts";
import { Pulse } from "./pulse.ts";
import { Restore } from "./restore.ts";

/**
 * Restores what a route takes of the entries that `rows` gives, parents before what lies in them; it may
 * be called twice. Each file's SHA-256 is checked as it is written. Throws as `extractArchive` does.
 */
export async function extractRows(
  archives: Archives,
  rows: () => AsyncIterable<ManifestEntry[]>,
  options: ExtractOptions,
): Promise<ExtractReport> {
  const { signal, progress = silent, totals, routes, wanted } = options;
  using reader = new ChainReader(archives, signal, true);
  // Every row says how long its content is: no need to bound their sum.
  using restore = new Restore(archives.own, { ...options, max_bytes: undefined });
  const pulse = new Pulse(signal, progress, restore, totals);
  const pause = () => pulse.due() ? pulse.beat() : undefined;
  const tops = routes.map(({ from }) => from.replace(/^(\.\/)+|\/+$/g, "")).map((from) =>
    from === "." ? "" : from
  );
  const takes = (path: string) =>
    wanted?.(path) !== false &&
    tops.some((top) => top === "" || path === top || path.startsWith(`${top}/`));
  try {
    for await (const batch of rows()) {
      for (const row of batch) if (takes(row.path)) await reader.read(row, restore, pause);
    }
    if (restore.beginSecondPass()) {
      // Hard links whose target no route takes: fetch the content from there.
      for await (const batch of rows()) {
        for (const row of batch) {
          if (restore.awaits(row.path)) await reader.read(row, restore, pause);
        }
      }
    }
    await restore.finish(pulse);
  } catch (error) {
    throw error instanceof PosixError ? asFileFailure(error, "restore") : error;
  }
  pulse.report();
  return restore.report();
}
