/** Which entries of an archive paths and globs pick, and what else must be read for them. */
import { BLOCK_BYTES } from "../archive/codec.ts";
import { walkOrder } from "../archive/walk_log.ts";
import type { ManifestEntry } from "../core/model.ts";
import type { Context } from "./context.ts";
import { type Entries, noSuchPath, rowsOf } from "./entries.ts";
import type { Patterns } from "./patterns.ts";

export interface Picks {
  /** True for an entry that is picked, or a directory above one. */
  wanted: (path: string) => boolean;
  picked: (path: string) => boolean;
  /**
   * The picked entries with the directories above them, in the archive's order; null where they are too
   * many to be taken out one by one.
   */
  rows: ManifestEntry[] | null;
  /** Entries that picked hard links point to and that are not picked themselves. */
  sources: ManifestEntry[];
  /** Bytes of content in the picked files. */
  bytes: number;
}

/** Rows that are held in memory: some 10 MB. */
const MOST_ROWS = 20_000;
/** Tar stream that is always taken out entry by entry; of more, a quarter of the archive at most. */
const LITTLE = 64 << 20;

/** Raises NO_SUCH_PATH where a pattern picks nothing, USAGE, ARCHIVE_CORRUPT, IO. */
export async function pick(
  ctx: Context,
  entries: Entries,
  patterns: Patterns,
  from: number | string,
): Promise<Picks> {
  let rows: ManifestEntry[] | null = entries.manifest === null ? null : [];
  const above = new Set<string>();
  let bytes = 0;
  for await (const batch of rowsOf(ctx, entries, patterns.parts)) {
    for (const row of batch) {
      if (!patterns.take(row.path)) continue;
      bytes += row.size;
      for (const directory of directoriesAbove(row.path)) {
        if (above.has(directory)) break; // and so are all above it
        above.add(directory);
      }
      if (rows !== null && rows.push(row) > MOST_ROWS) rows = null;
    }
  }
  const { missed } = patterns;
  if (missed.length > 0) throw noSuchPath(missed, from);
  const picked = (path: string) => patterns.matches(path);
  const wanted = (path: string) => picked(path) || above.has(path);
  if (rows === null || !areFew(rows, bytes, entries)) {
    return { wanted, picked, rows: null, sources: [], bytes };
  }
  const parents = [...above].filter((path) => !picked(path));
  rows.push(...await rowsAt(ctx, entries, parents));
  return {
    ...{ wanted, picked, bytes },
    rows: rows.sort(orderOf(entries)),
    sources: await linked(ctx, entries, rows),
  };
}

/** "a/b" and "a" of "a/b/c". */
function* directoriesAbove(path: string): Generator<string> {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    yield path.slice(0, at);
  }
}

/** True where the blocks that hold the rows are so few that reading the whole archive takes longer. */
function areFew(rows: ManifestEntry[], bytes: number, { record, archive }: Entries): boolean {
  const block = BLOCK_BYTES[record?.compression_type ?? "gzip"];
  const blocks = new Set(rows.map((row) => row.block_offset)).size;
  const total = record?.source_bytes ?? Deno.statSync(archive).size;
  return blocks * block + bytes <= Math.max(LITTLE, total / 4);
}

async function rowsAt(ctx: Context, entries: Entries, paths: readonly string[]) {
  const found: ManifestEntry[] = [];
  const wanted = new Set(paths);
  const parts = paths.map((path) => ({ path, take: "self" as const }));
  for await (const batch of rowsOf(ctx, entries, parts)) {
    // What only looks like one of them is a name whose bytes are not UTF-8.
    found.push(...batch.filter((row) => wanted.has(row.path)));
  }
  return found;
}

async function linked(ctx: Context, entries: Entries, rows: ManifestEntry[]) {
  const picked = new Set(rows.map((row) => row.path));
  const links = rows.flatMap((row) => row.type === "hardlink" ? [row.link!] : []);
  const missing = [...new Set(links)].filter((path) => !picked.has(path));
  return (await rowsAt(ctx, entries, missing)).sort(orderOf(entries));
}

/** In which order they are read; parents come before what lies in them. */
function orderOf({ archives }: Entries) {
  if (archives.earlier.size === 0) return byPlace;
  return (a: ManifestEntry, b: ManifestEntry) => walkOrder(a.path, b.path);
}

function byPlace(a: ManifestEntry, b: ManifestEntry): number {
  return a.block_offset - b.block_offset || a.block_inner - b.block_inner;
}
