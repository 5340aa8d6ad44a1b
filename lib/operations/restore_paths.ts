/** The part of `restore` that takes paths and globs: out of their blocks, or reading the archive through. */
import { join } from "node:path";
import type { ExtractOptions, ExtractReport } from "../archive/extract.ts";
import { extractPicked } from "../archive/pick.ts";
import { stripped } from "../archive/routes.ts";
import { statxIfExists } from "../posix/mod.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import { type Entries, findEntries } from "./entries.ts";
import { extractFrom } from "./extract_backup.ts";
import { Patterns } from "./patterns.ts";
import { pick, type Picks } from "./picks.ts";
import type { RestoreRequest } from "./restore.ts";

export interface PathsRestored {
  archive: string;
  backup_id: number | null;
  report: ExtractReport;
}

export interface PathsSteps {
  /** Proves the whole archive; called where entries are too many to be proved one by one. */
  prove(): Promise<unknown>;
  /** Raises where so many bytes cannot go to the target; makes it where they can. */
  makeRoom(bytes: number): void;
  /** The options of every extraction. */
  options(max_bytes: number | undefined): ExtractOptions;
}

/** Raises NO_SUCH_PATH, USAGE, and what the steps and the extraction raise. */
export async function restorePaths(
  ctx: Context,
  request: RestoreRequest,
  steps: PathsSteps,
): Promise<PathsRestored> {
  const entries = await findEntries(ctx, request.from);
  phase(ctx, "preflight", "Looking up what to restore");
  const picks = await pick(ctx, entries, new Patterns(request.paths), request.from);
  if (picks.rows === null) await steps.prove();
  steps.makeRoom(picks.bytes);
  phase(ctx, "extract", `Extracting to ${request.target}`);
  const report = await extract(entries, picks, request, steps);
  return { archive: entries.archive, backup_id: entries.record?.id ?? null, report };
}

async function extract(
  { archives, record }: Entries,
  { rows, sources, wanted, picked }: Picks,
  { target, strip }: RestoreRequest,
  steps: PathsSteps,
): Promise<ExtractReport> {
  // A directory above what is picked gets its metadata where it is made, and stays as it is else.
  const takes = (path: string) => wanted(path) && (picked(path) || !isThere(target, path, strip));
  const options = steps.options(record?.source_bytes ?? undefined);
  if (rows === null) return await extractFrom(archives, { ...options, wanted: takes });
  const taken = rows.filter((row) => takes(row.path));
  const paths = new Set(taken.map((row) => row.path));
  return await extractPicked(archives, taken, {
    ...options,
    sources,
    wanted: (path) => paths.has(path),
  });
}

function isThere(target: string, path: string, strip: number): boolean {
  const rest = stripped(path, strip);
  return rest !== null && statxIfExists(join(target, rest)) !== null;
}
