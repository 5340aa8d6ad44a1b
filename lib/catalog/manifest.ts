/** The manifest of an archive: a Parquet file beside it with one row an entry, readable by any tool. */
import { DuckbackError } from "../core/errors.ts";
import type { EntryType, ManifestEntry } from "../core/model.ts";
import { decodePath, encodePath, isUtf8, printable } from "../core/paths.ts";
import type { Database } from "./duckdb.ts";
import { failureKind, firstLine } from "./failure.ts";
import { fsyncPath, parentOf, removeIfThere } from "./files.ts";

/**
 * Parquet schema (zstd, rows in the archive's order):
 *
 * | column | type | |
 * | --- | --- | --- |
 * | path | VARCHAR | path in the archive; where its bytes are not UTF-8, a printable stand-in (`caf\xe9`) |
 * | path_raw | BLOB | the path's bytes where they are not UTF-8, else NULL |
 * | type | VARCHAR | file, directory, symlink, hardlink, fifo, char, block |
 * | size | BIGINT | bytes of content |
 * | mode | INTEGER | permission bits, 07777 |
 * | uid, gid | BIGINT | |
 * | mtime_s, mtime_ns | BIGINT, INTEGER | seconds since 1970 and nanoseconds on top of them |
 * | link | VARCHAR | symlink target or a hard link's archive path, stand-in as with path; or NULL |
 * | link_raw | BLOB | its bytes where they are not UTF-8, else NULL |
 * | sha256 | VARCHAR | hex, of a file's content; NULL for all else |
 * | block_offset | BIGINT | where in the archive file the block with the entry's header begins |
 * | block_inner | BIGINT | offset of that header in the decompressed block |
 */
const COLUMNS = [
  "path VARCHAR",
  "path_raw VARCHAR",
  "type VARCHAR",
  "size BIGINT",
  "mode INTEGER",
  "uid BIGINT",
  "gid BIGINT",
  "mtime_s BIGINT",
  "mtime_ns INTEGER",
  "link VARCHAR",
  "link_raw VARCHAR",
  "sha256 VARCHAR",
  "block_offset BIGINT",
  "block_inner BIGINT",
].map((column) => column.split(" ") as [string, string]);

/** Longest line DuckDB must take; it reserves a multiple of this. A path of 4 KiB needs 64 KiB at worst. */
const MAX_LINE = 1 << 20;

/** One entry as a line (with its newline) of the NDJSON that `writeManifest` reads; raw bytes as hex. */
export function manifestLine(entry: ManifestEntry): string {
  // Built by hand: a million of these are written while services are down.
  return `{"path":${json(entry.path)},"path_raw":${raw(entry.path)},"type":"${entry.type}",` +
    `"size":${entry.size},"mode":${entry.mode},"uid":${entry.uid},"gid":${entry.gid},` +
    `"mtime_s":${entry.mtime_s},"mtime_ns":${entry.mtime_ns},` +
    `"link":${entry.link === null ? "null" : json(entry.link)},` +
    `"link_raw":${entry.link === null ? "null" : raw(entry.link)},` +
    `"sha256":${entry.sha256 === null ? "null" : `"${entry.sha256}"`},` +
    `"block_offset":${entry.block_offset},"block_inner":${entry.block_inner}}\n`;
}

/** A line of `manifestLine`, without its newline, with its entry's place as `amend` gives it; null where that does. */
export function amendManifestLine(
  line: string,
  amend: (offset: number, inner: number) => { offset: number; inner: number } | null,
): string | null {
  const at = line.lastIndexOf(PLACE);
  const inner = line.lastIndexOf(INNER);
  const place = amend(
    Number(line.slice(at + PLACE.length, inner)),
    Number(line.slice(inner + INNER.length, -1)),
  );
  return place && `${line.slice(0, at)}${PLACE}${place.offset}${INNER}${place.inner}}`;
}

const PLACE = '"block_offset":';
const INNER = ',"block_inner":';

function json(path: string): string {
  return JSON.stringify(isUtf8(path) ? path : printable(path));
}

function raw(path: string): string {
  return isUtf8(path) ? "null" : `"${encodePath(path).toHex()}"`;
}

/**
 * Turns NDJSON of `manifestLine` rows into a Parquet file: written as `PATH.partial` with mode 0600,
 * flushed, renamed. Memory stays bounded whatever the number of rows. Throws DISK_FULL or IO;
 * nothing is left at `parquetPath` then, nor beside it.
 */
export async function writeManifest(ndjsonPath: string, parquetPath: string): Promise<void> {
  const partial = `${parquetPath}.partial`;
  let db: Database | undefined;
  try {
    // DuckDB opens what is there without changing its mode.
    Deno.writeFileSync(partial, new Uint8Array(), { mode: 0o600 });
    Deno.chmodSync(partial, 0o600);
    db = await openMemory(parquetPath);
    await db.run(
      `COPY (
         SELECT * REPLACE (unhex(path_raw) AS path_raw, unhex(link_raw) AS link_raw)
         FROM read_json(${fileLiteral(ndjsonPath)}, format = 'newline_delimited',
           maximum_object_size = ${MAX_LINE},
           columns = {${COLUMNS.map(([name, type]) => `${name}: '${type}'`).join(", ")}})
       ) TO ${literal(partial)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480,
         USE_TMP_FILE false)`,
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
    db?.close();
  }
}

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
  const query = `SELECT ${AS_NUMBERS} FROM ${manifest(parquetPath)}${where}`;
  for await (const batch of streamed(parquetPath, query)) yield toEntries(batch);
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
    const query = `SELECT ${AS_NUMBERS} FROM ${manifest(parquetPath)} LIMIT 0`;
    for await (const _ of streamed(parquetPath, query));
    return true;
  } catch {
    return false;
  }
}

// As DOUBLE, exact up to 2^53, integers arrive as numbers and not as slow bigints.
const AS_NUMBERS = COLUMNS.map(([name, type]) =>
  type === "VARCHAR" ? name : `${name}::DOUBLE AS ${name}`
).join(", ");

function manifest(parquetPath: string): string {
  return `read_parquet(${fileLiteral(parquetPath)}, hive_partitioning = false)`;
}

async function* streamed(parquetPath: string, query: string): AsyncGenerator<unknown[][]> {
  let db: Database | undefined;
  try {
    db = await openMemory(parquetPath);
    yield* db.stream(query);
  } catch (error) {
    throw manifestError("read", parquetPath, error);
  } finally {
    db?.close();
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
function textLiteral(path: string): string {
  return literal(isUtf8(path) ? path : printable(path));
}

function toEntries(columns: unknown[][]): ManifestEntry[] {
  const [path, pathRaw, type, size, mode, uid, gid, mtimeS, mtimeNs, link, linkRaw, sha256] =
    columns;
  const [blockOffset, blockInner] = columns.slice(12);
  return path.map((text, at) => ({
    path: restore(text, pathRaw[at])!,
    type: type[at] as EntryType,
    size: size[at] as number,
    mode: mode[at] as number,
    uid: uid[at] as number,
    gid: gid[at] as number,
    mtime_s: mtimeS[at] as number,
    mtime_ns: mtimeNs[at] as number,
    link: restore(link[at], linkRaw[at]),
    sha256: sha256[at] as string | null,
    block_offset: blockOffset[at] as number,
    block_inner: blockInner[at] as number,
  }));
}

function restore(text: unknown, raw: unknown): string | null {
  return raw === null ? text as string | null : decodePath((raw as { bytes: Uint8Array }).bytes);
}

/** A database in memory: the catalogue is not touched, nor its lock needed. */
async function openMemory(parquetPath: string): Promise<Database> {
  const { Database } = await import("./duckdb.ts");
  return await Database.open(":memory:", {
    temp_directory: `${parquetPath}.tmp`,
    // One thread and small row groups: a million rows in 180 MB and hardly slower than with two.
    threads: 1,
    memory_limit: "128MB",
  });
}

function literal(text: string): string {
  if (!isUtf8(text)) throw new Error("its path is not UTF-8");
  return `'${text.replaceAll("'", "''")}'`;
}

/** The literal of a file to read: DuckDB takes such a path for a pattern. */
function fileLiteral(path: string): string {
  return literal(path.replace(/[*?[]/g, "[$&]"));
}

function manifestError(act: string, path: string, cause: unknown): DuckbackError {
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
