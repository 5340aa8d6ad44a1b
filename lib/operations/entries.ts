/** What an archive holds: from the manifest beside it, else from its headers, which takes reading it. */
import type { Archives } from "../archive/chain_reader.ts";
import { list } from "../archive/list.ts";
import type { ManifestPart } from "../catalog/manifest.ts";
import { DuckbackError } from "../core/errors.ts";
import type { ManifestEntry } from "../core/model.ts";
import { isUtf8, printable } from "../core/paths.ts";
import { manifestPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { chainOf, chainOfFile } from "./chain.ts";
import type { Context } from "./context.ts";
import { note } from "./context.ts";
import { requireManifest } from "./extract_backup.ts";
import { findBackup, type ListedBackup } from "./list.ts";
import { isBelow } from "./patterns.ts";
import { requireRestorable } from "./usable.ts";

/** An archive whose entries are asked for. */
export interface Entries {
  archive: string;
  /** That, and those that it needs. */
  archives: Archives;
  /** Null where no catalogue knows the archive. */
  record: ListedBackup | null;
  /** Path of the manifest; null where there is none that can be read. */
  manifest: string | null;
}

/**
 * Finds a backup by its id, or an archive by its path. The archive itself is not looked at. Raises
 * NO_SUCH_BACKUP, ARCHIVE_MISSING, and ARCHIVE_CORRUPT for one that is known to be damaged, unless
 * `require` asks for less.
 */
export async function findEntries(
  ctx: Context,
  from: number | string,
  require = requireRestorable,
): Promise<Entries> {
  const record = typeof from === "number" ? await findBackup(ctx, from) : null;
  if (record !== null) require(record);
  const archive = record?.backup_path ?? from as string;
  if (!exists(archive)) {
    throw new DuckbackError(
      "ARCHIVE_MISSING",
      `Cannot read archive "${archive}": it does not exist`,
      { hint: "Give a backup's id (`duckback backup list`) or the path of an archive." },
    );
  }
  const { archives } = record !== null
    ? await chainOf(ctx, record)
    : await chainOfFile(ctx, archive);
  if (archives.earlier.size > 0) requireManifest(archive);
  return { archive, archives, record, manifest: await usableManifest(ctx, archive) };
}

async function usableManifest(ctx: Context, archive: string): Promise<string | null> {
  const path = manifestPath(archive);
  const { canReadManifest } = await import("../catalog/manifest.ts");
  if (exists(path) && await canReadManifest(path)) return path;
  const state = exists(path) ? `Its manifest "${path}" cannot be read` : "It has no manifest";
  note(ctx, `${state}: reading the archive instead, which takes longer.`, "warning");
  return null;
}

/**
 * Entries in the archive's order, in batches; without a manifest their `sha256` is null. Of an entry
 * that was read twice only the second one counts. Raises ARCHIVE_CORRUPT, IO, INTERRUPTED.
 */
export async function* rowsOf(
  ctx: Context,
  { archive, manifest }: Entries,
  parts: readonly ManifestPart[],
): AsyncGenerator<ManifestEntry[]> {
  if (manifest === null) return yield* fromHeaders(ctx, archive, parts);
  const { readManifest } = await import("../catalog/manifest.ts");
  for (let at = 0; at < parts.length; at += PARTS_AT_ONCE) {
    yield* readManifest(manifest, parts.slice(at, at + PARTS_AT_ONCE));
  }
}

/** Parts that one query asks for. */
const PARTS_AT_ONCE = 500;
const BATCH = 2048;

async function* fromHeaders(
  ctx: Context,
  archive: string,
  parts: readonly ManifestPart[],
): AsyncGenerator<ManifestEntry[]> {
  let batch: ManifestEntry[] = [];
  let last: ManifestEntry | null = null;
  for await (const entry of list(archive, { signal: ctx.signal })) {
    if (!parts.some((part) => isIn(entry.path, part))) continue;
    if (last !== null && last.path !== entry.path) batch.push(last);
    last = entry;
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (last !== null) batch.push(last);
  yield batch;
}

function isIn(path: string, { path: wanted, take }: ManifestPart): boolean {
  const shown = isUtf8(path) ? path : printable(path);
  return [path, shown].some((text) => {
    if (take === "self") return text === wanted;
    if (take === "all") return isBelow(text, wanted);
    const rest = wanted === "" ? text : text.slice(wanted.length + 1);
    return text !== wanted && text !== "." && isBelow(text, wanted) && !rest.includes("/");
  });
}

/** The entry at an archive path, the last one where an archive of another program's has several. */
export async function entryAt(
  ctx: Context,
  entries: Entries,
  path: string,
): Promise<ManifestEntry | null> {
  let found: ManifestEntry | null = null;
  for await (const batch of rowsOf(ctx, entries, [{ path, take: "self" }])) {
    // A path that is exactly this one counts before one whose stand-in it is.
    for (const row of batch) if (found === null || row.path === path) found = row;
  }
  return found;
}

/** Raises NO_SUCH_PATH. */
export function noSuchPath(paths: readonly string[], from: number | string): DuckbackError {
  const named = paths.map((path) => `"${path}"`).join(", ");
  return new DuckbackError(
    "NO_SUCH_PATH",
    `Cannot find ${named}: the archive holds no such path`,
    { hint: `\`duckback ls ${from}\` shows what it holds.` },
  );
}
