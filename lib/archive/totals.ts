/** What an archive comes to. */
import type { EntryType } from "../core/model.ts";
import type { Stat } from "../posix/stat.ts";

export interface Totals {
  /** Regular files; further names of the same inode are not counted. */
  files: number;
  /** All entries but the archive's own. */
  entries: number;
  /** Bytes of content; holes of sparse files are not counted. */
  bytes: number;
}

export function add(totals: Totals, more: Totals): void {
  totals.files += more.files;
  totals.entries += more.entries;
  totals.bytes += more.bytes;
}

export function subtract(totals: Totals, less: Totals): void {
  totals.files -= less.files;
  totals.entries -= less.entries;
  totals.bytes -= less.bytes;
}

/** What one entry that was not read adds: of a sparse file about its data. */
export function countedOf(type: EntryType, stat: Stat): Totals {
  if (type !== "file") return { files: 0, entries: 1, bytes: 0 };
  return { files: 1, entries: 1, bytes: contentBytes(stat) };
}

/** About what will be stored of a file: holes are not. */
export function contentBytes(stat: Stat): number {
  // File systems may keep small files elsewhere than in blocks.
  return stat.size < SMALL ? stat.size : Math.min(stat.size, stat.blocks * 512);
}

const SMALL = 64 << 10;
