/** The headers of a single entry, as they lie in their archive. */
import type { ManifestEntry } from "../core/model.ts";
import type { ChainReader } from "./chain_reader.ts";
import { corrupt } from "./corrupt.ts";
import type { EntryHead } from "./entry_header.ts";
import { readPax } from "./pax.ts";
import { BLOCK, readHeader, readOwners } from "./tar_header.ts";
import { type TarEntry, TarParser } from "./tar_parser.ts";

export interface EntryBytes {
  /** All headers of the entry, extended ones included. */
  bytes: Uint8Array;
  entry: TarEntry;
}

/** Reads the headers that a row points to. Throws ARCHIVE_CORRUPT, ARCHIVE_MISSING, IO, INTERRUPTED. */
export async function readEntryBytes(
  chain: ChainReader,
  row: Pick<ManifestEntry, "stored_in" | "block_offset" | "block_inner">,
): Promise<EntryBytes> {
  const archive = chain.archiveOf(row);
  const { block_offset: offset, block_inner: inner } = row;
  let entry = null as TarEntry | null;
  const parser = new TarParser(archive, {
    entry: (found) => void (entry ??= found),
    data() {},
    hole() {},
    end() {},
  });
  const { window } = chain.blocks(archive, offset);
  const pieces: Uint8Array[] = [];
  let block = await window.at(offset);
  for (let at = inner; entry === null;) {
    if (block === null) {
      throw corrupt(archive, "the archive is cut short", { offset, inner });
    }
    const piece = block.bytes.slice(at, at + BLOCK);
    if (piece.length > 0) {
      parser.feed(piece, block.offset, at);
      pieces.push(piece);
      at += piece.length;
    } else {
      block = await window.next();
      at = 0;
    }
  }
  return { bytes: joined(pieces), entry };
}

/** What must be known to write the entry's headers anew. */
export function headOf({ bytes, entry }: EntryBytes): Omit<EntryHead, "link" | "real_size"> {
  const records = new Map<string, Uint8Array>();
  const extended = readHeader(bytes, 0);
  if (extended.typeflag === "x") readPax(bytes.subarray(BLOCK, BLOCK + extended.size), records);
  const { uname, gname } = readOwners(bytes, bytes.length - BLOCK);
  return {
    path: NOTHING,
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    mtime_s: entry.mtime_s,
    mtime_ns: entry.mtime_ns,
    uname: records.get("uname") ?? uname,
    gname: records.get("gname") ?? gname,
    rdev_major: entry.rdev_major,
    rdev_minor: entry.rdev_minor,
    xattrs: entry.xattrs.flatMap(({ name, value }) => value === null ? [] : [{ name, value }]),
  };
}

const NOTHING = new Uint8Array(0);

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
