/** The manifest of the backup that an incremental one is made against, as the archive's making reads it. */
import { throwIfAborted } from "../core/errors.ts";
import type { ManifestEntry, Source } from "../core/model.ts";
import {
  entriesOf,
  fileLiteral,
  manifestError,
  openMemory,
  textLiteral,
  WALK_KEY,
} from "./manifest.ts";
import type { Database } from "./duckdb.ts";
import { removeIfThere } from "./files.ts";
import { literal } from "./text.ts";

/**
 * Writes the rows of a manifest to a private file, as lib/archive/row_log.ts reads them: in the order in
 * which a walk of `sources` comes by them. False where an earlier version wrote the manifest, which does
 * not say enough. Throws DISK_FULL, IO, INTERRUPTED.
 */
export async function exportRows(
  parquetPath: string,
  sources: readonly Source[],
  path: string,
  signal?: AbortSignal,
): Promise<boolean> {
  let db: Database | undefined;
  const interrupt = () => db?.interrupt();
  signal?.addEventListener("abort", interrupt);
  try {
    removeIfThere(path);
    Deno.writeFileSync(path, new Uint8Array(), { mode: 0o600, createNew: true });
    db = await openMemory(parquetPath);
    throwIfAborted(signal);
    const from = `read_parquet(${fileLiteral(parquetPath)}, hive_partitioning = false,
      file_row_number = true)`;
    await db.run(
      `COPY (SELECT ${FIELDS.join(", ")}
        FROM (SELECT *, ${sourceOf(sources)} AS source, ${text("path")} AS path_text,
            CASE WHEN type = 'hardlink' THEN ${text("link")} ELSE '' END AS link_text
          FROM ${from})
        ORDER BY source, ${WALK_KEY})
      TO ${literal(path)} (FORMAT csv, HEADER false, DELIMITER ' ', QUOTE '', ESCAPE '')`,
    );
    return true;
  } catch (error) {
    removeIfThere(path);
    throwIfAborted(signal);
    if ((error as Error).message.includes('"ctime_s"')) return false;
    throw manifestError("read", parquetPath, error);
  } finally {
    signal?.removeEventListener("abort", interrupt);
    await db?.close();
  }
}

/** Rows of a manifest by their numbers, counted from 0. Throws IO. */
export async function rowsAt(
  parquetPath: string,
  rows: readonly number[],
): Promise<Map<number, ManifestEntry>> {
  const found = new Map<number, ManifestEntry>();
  const sorted = [...new Set(rows)].sort((a, b) => a - b);
  for (let at = 0; at < sorted.length; at += ROWS_AT_ONCE) {
    const some = sorted.slice(at, at + ROWS_AT_ONCE);
    let i = 0;
    const where = ` WHERE file_row_number IN (${some.join(", ")}) ORDER BY file_row_number`;
    for await (const batch of entriesOf(parquetPath, where, true)) {
      for (const entry of batch) found.set(some[i++], entry);
    }
  }
  return found;
}

const ROWS_AT_ONCE = 5000;

/** See `Field` there. */
const FIELDS = [
  "strlen(path_text)",
  "strlen(link_text)",
  "(path_raw IS NOT NULL)::INT + 2 * (type = 'hardlink' AND link_raw IS NOT NULL)::INT",
  "file_row_number",
  "source",
  "CASE type WHEN 'directory' THEN 0 WHEN 'file' THEN 1 WHEN 'hardlink' THEN 2 ELSE 3 END",
  "size",
  "mode",
  "uid",
  "gid",
  "mtime_s",
  "mtime_ns",
  "coalesce(ctime_s, 0)",
  "coalesce(ctime_ns, -1)",
  "coalesce(ino, 0) % 9007199254740992",
  "coalesce(nlink, 0)",
  "coalesce(('0x' || sha256[1:13])::BIGINT, 0)",
  "coalesce(('0x' || sha256[14:26])::BIGINT, 0)",
  "path_text || link_text",
];

function text(column: string): string {
  return `CASE WHEN ${column}_raw IS NULL THEN ${column} ELSE hex(${column}_raw) END`;
}

/** Index of the source that a row is of; -1 for none. */
function sourceOf(sources: readonly Source[]): string {
  const cases = sources.map(({ archive_path }, i) => {
    if (archive_path === ".") return `WHEN true THEN ${i}`;
    const top = textLiteral(archive_path);
    return `WHEN path = ${top} OR starts_with(path, ${textLiteral(`${archive_path}/`)}) THEN ${i}`;
  });
  return cases.length === 0 ? "-1" : `CASE ${cases.join(" ")} ELSE -1 END`;
}
