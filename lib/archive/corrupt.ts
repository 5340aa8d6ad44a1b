/** The one error of reading an archive: which archive, which entry, at which byte, what is wrong. */
import { DuckbackError } from "../core/errors.ts";
import { printable } from "../core/paths.ts";

/** Where in an archive something was found. */
export interface Place {
  /** Byte offset in the archive file; of the block, where the archive is compressed. */
  offset: number;
  /** Offset in the decompressed block. */
  inner?: number;
  /** Path of the entry. */
  entry?: string;
}

/** ARCHIVE_CORRUPT: `Cannot read "x.tar.gz": the block is damaged (entry "a/b", offset 1048576)`. */
export function corrupt(archive: string, state: string, place?: Place, cause?: unknown) {
  const where: string[] = [];
  if (place?.entry !== undefined) where.push(`entry "${printable(place.entry)}"`);
  if (place !== undefined) where.push(`offset ${place.offset}${inner(place)}`);
  const suffix = where.length === 0 ? "" : ` (${where.join(", ")})`;
  return new DuckbackError(
    "ARCHIVE_CORRUPT",
    `Cannot read "${printable(archive)}": ${state}${suffix}`,
    {
      cause,
      hint: "Restore from another backup; `duckback backup verify --all` shows which are sound.",
      details: place === undefined ? {} : { offset: place.offset, entry: place.entry ?? null },
    },
  );
}

function inner(place: Place): string {
  return place.inner === undefined ? "" : ` + ${place.inner} in its block`;
}
