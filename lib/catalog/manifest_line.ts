/** The columns of a manifest, and its rows as lines of text on their way there. */
import type { ManifestEntry } from "../core/model.ts";
import { encodePath, isUtf8, printable } from "../core/paths.ts";

/**
 * Parquet schema (zstd; rows in the archive's order, of an incremental backup in that of the paths):
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
 * | ctime_s, ctime_ns | BIGINT, INTEGER | change time; NULL where it proves nothing (lib/archive/quiet.ts) |
 * | ino, nlink | UBIGINT, INTEGER | inode and its number of names; NULL as with the change time |
 * | block_offset | BIGINT | where in the archive file the block with the entry's header begins |
 * | block_inner | BIGINT | offset of that header in the decompressed block |
 * | stored_in | VARCHAR | name of the backup whose archive that is: this one or one it was made against |
 *
 * Manifests of earlier versions have neither `ctime_s` to `nlink` nor `stored_in`.
 */
export const COLUMNS: readonly [name: string, type: string][] = [
  ["path", "VARCHAR"],
  ["path_raw", "BLOB"],
  ["type", "VARCHAR"],
  ["size", "BIGINT"],
  ["mode", "INTEGER"],
  ["uid", "BIGINT"],
  ["gid", "BIGINT"],
  ["mtime_s", "BIGINT"],
  ["mtime_ns", "INTEGER"],
  ["link", "VARCHAR"],
  ["link_raw", "BLOB"],
  ["sha256", "VARCHAR"],
  ["ctime_s", "BIGINT"],
  ["ctime_ns", "INTEGER"],
  ["ino", "UBIGINT"],
  ["nlink", "INTEGER"],
  ["block_offset", "BIGINT"],
  ["block_inner", "BIGINT"],
];

/** One entry as a line (with its newline) of NDJSON; raw bytes as hex. */
export function manifestLine(entry: ManifestEntry): string {
  // Built by hand: a million of these are written while services are down.
  const { seen } = entry;
  return `{"path":${json(entry.path)},"path_raw":${raw(entry.path)},"type":"${entry.type}",` +
    `"size":${entry.size},"mode":${entry.mode},"uid":${entry.uid},"gid":${entry.gid},` +
    `"mtime_s":${entry.mtime_s},"mtime_ns":${entry.mtime_ns},` +
    `"link":${entry.link === null ? "null" : json(entry.link)},` +
    `"link_raw":${entry.link === null ? "null" : raw(entry.link)},` +
    `"sha256":${entry.sha256 === null ? "null" : `"${entry.sha256}"`},` +
    (seen
      ? `"ctime_s":${seen.ctime_s},"ctime_ns":${seen.ctime_ns},"ino":${seen.ino},"nlink":${seen.nlink},`
      : "") +
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
