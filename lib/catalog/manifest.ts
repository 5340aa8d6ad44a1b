/** The manifest of an archive: a Parquet file beside it with one row an entry, readable by any tool. */
import { basename } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { EntryType, ManifestEntry } from "../core/model.ts";
import { decodePath, isUtf8, printable } from "../core/paths.ts";
import type { Database } from "./duckdb.ts";
import { failureKind, firstLine } from "./failure.ts";
import { fsyncPath, parentOf, removeIfThere } from "./files.ts";
import { openDatabase } from "./load_duckdb.ts";
import { COLUMNS } from "./manifest_line.ts";
import { literal } from "./text.ts";

export { amendManifestLine, manifestLine } from "./manifest_line.ts";

/** Longest line DuckDB must take; it reserves a multiple of this. A path of 4 KiB needs 64 KiB at worst. */
export const MAX_LINE = 1 << 20;

/** What the manifest of an incremental backup has in common with that of the backup it was made against. */
export interface ManifestBase {
  /** Path of that manifest. */
  parquet: string;
  /** File with the numbers, from 0 on, of its rows that do not hold any more, one a line; null for none. */
  dropped: string | null;
}

/**
 * Turns NDJSON of `manifestLine` rows, all stored in the archive of backup `name`, into a Parquet file:
 * written as `PATH.partial` with mode 0600, flushed, renamed. Rows of `base` come with them, in the order
 * of a walk then. Memory stays bounded whatever the number of rows. Throws DISK_FULL or IO; nothing is
 * left at `parquetPath` then, nor beside it.
 */
export async function writeManifest(
  ndjsonPath: string,
  parquetPath: string,
  name: string | null = null,
  base: ManifestBase | null = null,
): Promise<void> {
  await writeWhole(parquetPath, async (partial, open) => {
    if (base !== null && base.dropped === null && Deno.statSync(ndjsonPath).size === 0) {
      return Deno.copyFileSync(base.parquet, `${parquetPath}.partial`);
    }
    const db = await open();
    const rows = `SELECT ${NAMES} FROM (${ownRows(ndjsonPath, name)})`;
    if (base === null) return await db.run(`COPY (${rows}) TO ${partial}`);
    // As Parquet first: a sort of what comes from two kinds of sources does not make do with little memory.
    const own = `${parquetPath}.own.partial`;
    try {
      Deno.writeFileSync(own, new Uint8Array(), { mode: 0o600 });
      await db.run(`COPY (${rows}) TO ${literal(own)} (FORMAT parquet, USE_TMP_FILE false)`);
      await db.run(`CREATE TEMP TABLE dropped AS SELECT * FROM ${droppedRows(base)}`);
      const both = `read_parquet([${[own, base.parquet].map(fileLiteral).join(", ")}],
        hive_partitioning = false, file_row_number = true)`;
      await db.run(`COPY (SELECT ${NAMES} FROM ${both}
        WHERE stored_in IS NOT DISTINCT FROM ${name === null ? "NULL" : literal(name)}
          OR file_row_number NOT IN (SELECT n FROM dropped)
        ORDER BY ${WALK_KEY}) TO ${partial}`);
    } finally {
      removeIfThere(own);
    }
  });
}

/**
 * Has `fill` write a Parquet file: `partial` is what a COPY goes TO, `open` gives a database for it. Throws
 * as `writeManifest`.
 */
export async function writeWhole(
  parquetPath: string,
  fill: (partial: string, open: (memory_limit?: string) => Promise<Database>) => Promise<void>,
): Promise<void> {
  const partial = `${parquetPath}.partial`;
  let db: Database | undefined;
  try {
    // DuckDB opens what is there without changing its mode.
    Deno.writeFileSync(partial, new Uint8Array(), { mode: 0o600 });
    Deno.chmodSync(partial, 0o600);
    await fill(
      `${literal(partial)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480,
        USE_TMP_FILE false)`,
      async (memory_limit) => db = await openMemory(parquetPath, memory_limit),
    );
    fsyncPath(partial);
    Deno.renameSync(partial, parquetPath);
    fsyncPath(parentOf(parquetPath));
  } catch (error) {
    try {
      removeIfThere(partial);
    } catch { /* the first error is the one to tell */ }
    throw manifestError("write", parquetPath, error);
  } finally {
    await db?.close();
  }
}

const NAMES = [...COLUMNS.map(([name]) => name), "stored_in"].join(", ");

function ownRows(ndjsonPath: string, name: string | null): string {
  const stored_in = name === null ? "NULL::VARCHAR" : literal(name);
  return `SELECT *, ${stored_in} AS stored_in FROM ${ndjsonRows(ndjsonPath)}`;
}

/** Rows of NDJSON of `manifestLine` rows, with more columns. */
export function ndjsonRows(path: string, more: typeof COLUMNS = []): string {
  const columns = [...COLUMNS, ...more]
    .map(([name, type]) => `${name}: '${type === "BLOB" ? "VARCHAR" : type}'`);
  const blobs = COLUMNS.filter(([, type]) => type === "BLOB")
    .map(([name]) => `unhex(${name}) AS ${name}`);
  return `(SELECT * REPLACE (${blobs.join(", ")}) FROM read_json(${fileLiteral(path)},
    format = 'newline_delimited', maximum_object_size = ${MAX_LINE},
    columns = {${columns.join(", ")}}))`;
}

function droppedRows({ dropped }: ManifestBase): string {
  return dropped === null ? "(SELECT 0::BIGINT AS n LIMIT 0)" : numbersIn(dropped, ["n"]);
}

/** Lines of whole numbers with a space between them: columns of a file. */
export function numbersIn(path: string, columns: readonly string[]): string {
  return `read_csv(${fileLiteral(path)}, header = false, delim = ' ',
    max_line_size = 4096, buffer_size = 1048576,
    columns = {${columns.map((name) => `${name}: 'BIGINT'`).join(", ")}})`;
}

/**
 * Sorts paths as a walk comes by them: by bytes, what is in a directory right behind it. Bytes that are
 * not UTF-8 are taken from `path_raw`; "." is the top of everything.
 */
export const WALK_KEY = `CASE WHEN path = '.' THEN ''::BLOB
  WHEN path_raw IS NULL THEN encode(replace(path, '/', chr(0)))
  ELSE unhex(replace(replace(regexp_replace(hex(path_raw), '(..)', '\\1 ', 'g'), '2F ', '00 '), ' ', ''))
  END`;

/**
 * Which entries of a manifest: the one at `path`, those directly in it, or it and all below it. "" is
 * the archive itself. Names that are not UTF-8 may be given as their stand-in too.
 */
export interface ManifestPart {
  path: string;
  take: "self" | "children" | "all";
}

/**
 * Entries of a manifest, or of parts of it, in the archive's order, in batches of at most 2048. What is
 * not asked for is not brought into memory. Throws IO.
 */
export async function* readManifest(
  parquetPath: string,
  parts?: readonly ManifestPart[],
): AsyncGenerator<ManifestEntry[]> {
  const where = parts === undefined ? "" : ` WHERE ${parts.map(condition).join(" OR ") || "false"}`;
  yield* entriesOf(parquetPath, where);
}

/**
 * The entries that lie in the archive of backup `name`, in the archive's order, in batches of at most
 * 2048. Throws IO.
 */
export async function* readOwnRows(
  parquetPath: string,
  name: string,
): AsyncGenerator<ManifestEntry[]> {
  const own = `stored_in IS NULL OR stored_in = ${literal(name)}`;
  yield* entriesOf(parquetPath, ` WHERE ${own} ORDER BY block_offset, block_inner`);
}

/** Rows that a WHERE clause (and more behind it) picks; `numbered` for one that asks for their numbers. */
export async function* entriesOf(
  parquetPath: string,
  where: string,
  numbered = false,
): AsyncGenerator<ManifestEntry[]> {
  const query = (stored: string) =>
    `SELECT ${AS_NUMBERS}, ${stored} FROM ${manifest(parquetPath, numbered)}${where}`;
  let any = false;
  try {
    // Text is what takes time to hand over; null means the manifest's own archive as well.
    const own = literal(basename(parquetPath, ".manifest.parquet"));
    for await (const batch of streamed(parquetPath, query(`NULLIF(stored_in, ${own})`))) {
      any = true;
      yield toEntries(batch);
    }
  } catch (error) {
    if (any || !(error as Error).message.includes('"stored_in"')) throw error;
    // An earlier version wrote it.
    for await (const batch of streamed(parquetPath, query("NULL::VARCHAR"))) yield toEntries(batch);
  }
}

/**
 * Names directly in `path` that no entry is about, though entries lie below them: "volumes" of
 * "volumes/x". Throws IO.
 */
export async function impliedDirectories(parquetPath: string, path: string): Promise<string[]> {
  const rest = below(path);
  const query = `SELECT first(path), first(path_raw)
    FROM (SELECT path, path_raw, ${rest} AS rest, contains(rest, '/') AS deep
      FROM ${manifest(parquetPath)} WHERE ${inside(path)} AND (deep OR type = 'directory'))
    GROUP BY split_part(rest, '/', 1) HAVING bool_and(deep) ORDER BY 1`;
  const found: string[] = [];
  for await (const [paths, raws] of streamed(parquetPath, query)) {
    for (const [at, text] of paths.entries()) {
      const depth = path === "" ? 1 : path.split("/").length + 1;
      found.push(restore(text, raws[at])!.split("/").slice(0, depth).join("/"));
    }
  }
  return found;
}

/** True where the manifest can be opened and has the columns that it must have. */
export async function canReadManifest(parquetPath: string): Promise<boolean> {
  try {
    for await (const _ of entriesOf(parquetPath, " LIMIT 0"));
    return true;
  } catch {
    return false;
  }
}

/** Only the next backup wants to know these. */
const SEEN = ["ctime_s", "ctime_ns", "ino", "nlink"];

/** A number, not text, for each row. */
const TYPES: EntryType[] = ["file", "directory", "symlink", "hardlink", "fifo", "char", "block"];
export const AS_ENUM = `type::ENUM(${TYPES.map(literal).join(", ")}) AS type`;

/** One text, not two: the SHA-256, or a dash for none, and the path. */
const DIGEST_AND_PATH = "coalesce(rpad(sha256, 64, ' '), '-') || path AS digest_and_path";
const DIGEST = 64;

/**
 * The columns that `toEntries` takes, with `stored_in` behind them. As DOUBLE, exact up to 2^53, integers
 * arrive as numbers and not as slow bigints.
 */
export const AS_NUMBERS = COLUMNS.filter(([name]) => ![...SEEN, "sha256"].includes(name))
  .map(([name, type]) => {
    if (name === "path") return DIGEST_AND_PATH;
    if (name === "type") return AS_ENUM;
    return type === "VARCHAR" || type === "BLOB" ? name : `${name}::DOUBLE AS ${name}`;
  }).join(", ");

export function manifest(parquetPath: string, numbered = false): string {
  const number = numbered ? ", file_row_number = true" : "";
  return `read_parquet(${fileLiteral(parquetPath)}, hive_partitioning = false${number})`;
}

export async function* streamed(parquetPath: string, query: string): AsyncGenerator<unknown[][]> {
  let db: Database | undefined;
  try {
    db = await openMemory(parquetPath);
    yield* db.stream(query);
  } catch (error) {
    throw manifestError("read", parquetPath, error);
  } finally {
    await db?.close();
  }
}

function condition({ path, take }: ManifestPart): string {
  if (take === "self") return `path = ${textLiteral(path)}`;
  if (take === "children") return `(${inside(path)} AND NOT contains(${below(path)}, '/'))`;
  return path === "" ? "true" : `(path = ${textLiteral(path)} OR ${inside(path)})`;
}

function inside(path: string): string {
  return path === "" ? "path <> '.'" : `starts_with(path, ${textLiteral(`${path}/`)})`;
}

/** What of an entry's path lies behind "PATH/". */
function below(path: string): string {
  return path === "" ? "path" : `substr(path, length(${textLiteral(`${path}/`)}) + 1)`;
}

/** Paths are in the column `path` as their stand-ins, where they are not UTF-8. */
export function textLiteral(path: string): string {
  return literal(isUtf8(path) ? path : printable(path));
}

export function toEntries(columns: unknown[][]): ManifestEntry[] {
  const [texts, pathRaw, type, size, mode, uid, gid, mtimeS, mtimeNs, link, linkRaw] = columns;
  const [blockOffset, blockInner, storedIn] = columns.slice(11);
  return (texts as string[]).map((text, at) => ({
    path: restore(text.slice(text[0] === "-" ? 1 : DIGEST), pathRaw[at])!,
    type: type[at] as EntryType,
    size: size[at] as number,
    mode: mode[at] as number,
    uid: uid[at] as number,
    gid: gid[at] as number,
    mtime_s: mtimeS[at] as number,
    mtime_ns: mtimeNs[at] as number,
    link: restore(link[at], linkRaw[at]),
    sha256: text[0] === "-" ? null : text.slice(0, DIGEST),
    block_offset: blockOffset[at] as number,
    block_inner: blockInner[at] as number,
    ...(storedIn[at] === null ? {} : { stored_in: storedIn[at] as string }),
  }));
}

function restore(text: unknown, raw: unknown): string | null {
  return raw === null ? text as string | null : decodePath((raw as { bytes: Uint8Array }).bytes);
}

/** A database in memory: the catalogue is not touched, nor its lock needed. */
export async function openMemory(
  parquetPath: string,
  memory_limit = "128MB",
): Promise<Database> {
  return await openDatabase(":memory:", {
    temp_directory: `${parquetPath}.tmp`,
    // One thread and small row groups: a million rows in 180 MB and hardly slower than with two.
    threads: 1,
    memory_limit,
  });
}

/** The literal of a file to read: DuckDB takes such a path for a pattern. */
export function fileLiteral(path: string): string {
  return literal(asPattern(path));
}

/** The pattern that only `path` matches. */
export function asPattern(path: string): string {
  return path.replace(/[*?[]/g, "[$&]");
}

export function manifestError(act: string, path: string, cause: unknown): DuckbackError {
  if (cause instanceof DuckbackError) return cause;
  const full = failureKind(cause) === "full";
  return new DuckbackError(
    full ? "DISK_FULL" : "IO",
    `Cannot ${act} the manifest "${path}": ${
      full ? "no space left on its disk" : firstLine(cause)
    }`,
    {
      cause,
      hint: full ? "Free some space there and try again." : undefined,
      details: { manifest: path },
    },
  );
}

/** True of an error that says that a manifest cannot be read, which says nothing of its archive. */
export function isUnreadable(error: unknown): error is DuckbackError {
  return error instanceof DuckbackError && error.code === "IO" && "manifest" in error.details;
}
