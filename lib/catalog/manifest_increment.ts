/**
 * The manifest of an incremental backup made anew: what of the parent's manifest holds on, and what that
 * knows of the content that recipes stand for. Sets of a million paths stay in the database.
 */
import type { ManifestEntry } from "../core/model.ts";
import {
  AS_NUMBERS,
  fileLiteral,
  manifest,
  manifestError,
  MAX_LINE,
  ndjsonRows,
  openMemory,
  streamed,
  toEntries,
} from "./manifest.ts";
import type { Database } from "./duckdb.ts";
import { COLUMNS, manifestLine } from "./manifest_line.ts";
import { literal } from "./text.ts";

/** A row of a parent's manifest, by where it lies. */
export interface RowPlace {
  /** Name of the backup in whose archive. */
  stored_in: string;
  offset: number;
  inner: number;
}

/**
 * A line of NDJSON for a file that a recipe is for; `whole` is the row whose content it has, null where it
 * is made of more than that.
 */
export function recipeLine(file: ManifestEntry, whole: RowPlace | null): string {
  const place = whole === null ? "" : `,"whole_in":${JSON.stringify(whole.stored_in)},` +
    `"whole_offset":${whole.offset},"whole_inner":${whole.inner}`;
  return `${manifestLine(file).slice(0, -2)}${place}}\n`;
}

/**
 * The files of `recipeLine`s, in batches, with their SHA-256 where the manifest of the backup `parent`, at
 * `parquetPath`, knows it. Throws IO.
 */
export async function* knownRecipes(
  parquetPath: string,
  parent: string,
  linesPath: string,
): AsyncGenerator<ManifestEntry[]> {
  const columns = COLUMNS.map(([name]) => name === "sha256" ? "old.sha256" : `new.${name}`);
  const query = `SELECT ${AS_NUMBERS}, NULL::VARCHAR FROM (SELECT ${columns.join(", ")}
    FROM ${ndjsonRows(linesPath, WHOLE)} new LEFT JOIN ${manifest(parquetPath)} old
      ON old.type = 'file' AND old.size = new.size
      AND coalesce(old.stored_in, ${literal(parent)}) = new.whole_in
      AND old.block_offset = new.whole_offset AND old.block_inner = new.whole_inner)`;
  for await (const batch of streamed(parquetPath, query)) yield toEntries(batch);
}

const WHOLE = [
  ["whole_in", "VARCHAR"],
  ["whole_offset", "BIGINT"],
  ["whole_inner", "BIGINT"],
] as typeof COLUMNS;

/** What a backup has in place of rows of its parent's manifest. */
export interface Instead {
  /** NDJSON of its own rows. */
  rows: string;
  /** Paths at and below which nothing holds any more: their bytes in hex, one a line; null for none. */
  gone: string | null;
}

/**
 * Writes the numbers of the rows of a manifest that do not hold any more into the file at `to`, one a
 * line. False where there are none. Throws DISK_FULL, IO.
 */
export async function writeDropped(
  parquetPath: string,
  { rows, gone }: Instead,
  to: string,
): Promise<boolean> {
  let db: Database | undefined;
  try {
    db = await openMemory(to);
    const replaced = `SELECT n FROM ${keyed(parquetPath)}
      WHERE key IN (SELECT ${KEY} FROM ${ndjsonRows(rows)})`;
    await db.run(
      `COPY (${gone === null ? replaced : `${replaced} UNION ${below(parquetPath, gone)}`})
       TO ${literal(to)} (FORMAT csv, HEADER false, USE_TMP_FILE false)`,
    );
    return Deno.statSync(to).size > 0;
  } catch (error) {
    throw manifestError("compare with", parquetPath, error);
  } finally {
    await db?.close();
  }
}

/** A path's bytes. */
const KEY = "CASE WHEN path_raw IS NULL THEN encode(path) ELSE path_raw END";

function keyed(parquetPath: string): string {
  return `(SELECT file_row_number AS n, ${KEY} AS key FROM ${manifest(parquetPath, true)})`;
}

/** Rows at or below the paths in `gone`: each row's path and all that lead to it are looked up there. */
function below(parquetPath: string, gone: string): string {
  // The bytes of raw paths as "HH HH ": "2F " then stands for a slash and nothing else.
  const spaced = "regexp_replace(hex(path_raw), '(..)', '\\1 ', 'g')";
  return `SELECT n FROM (
      SELECT n, CASE WHEN raw THEN unhex(replace(array_to_string(parts[1:depth], '2F '), ' ', ''))
        ELSE encode(array_to_string(parts[1:depth], '/')) END AS key
      FROM (SELECT n, raw, parts, unnest(range(1, len(parts) + 1)) AS depth
        FROM (SELECT file_row_number AS n, path_raw IS NOT NULL AS raw,
            CASE WHEN path_raw IS NULL THEN string_split(path, '/')
              ELSE string_split(${spaced}, '2F ') END AS parts
          FROM ${manifest(parquetPath, true)})))
    WHERE key IN (SELECT unhex(hex) FROM read_csv(${fileLiteral(gone)}, header = false,
      auto_detect = false, delim = ' ', quote = '', escape = '', max_line_size = ${MAX_LINE * 3},
      columns = {hex: 'VARCHAR'}))`;
}
