/**
 * When an automatic backup looks as if the data had been damaged before it was backed up. Pure.
 *
 * It shrank by more than half; or lost more than a third of its files; or files that compressed in the
 * backup before do not any more, as after ransomware. None of this proves anything: a cleaned-up log or
 * a database that was told to encrypt look the same. Nothing older is pruned until somebody has looked.
 */
import type { TreeFacts } from "../catalog/tree_change.ts";
import type { Suspicion } from "../core/model.ts";
import { count, formatBytes, grouped } from "../core/units.ts";

/** Some changed files, compressed as they are now and as they were. */
export interface CompressionFacts {
  /** Files of the sample that compressed before. */
  compressible: number;
  /** Those of them that do not any more, and their bytes now. */
  turned: number;
  turned_bytes: number;
}

export interface SuspicionFacts {
  before: TreeFacts;
  now: TreeFacts;
  /** Files of which neither path nor content is there any more. */
  lost: number;
  /** Null where the archives could not be read. */
  compression: CompressionFacts | null;
}

/** Files that must have turned; fewer count where they are a quarter of all bytes. */
const MANY_TURNED = 8;

/** Bytes after and before compression: at most this compressed, at least that does not. */
export const COMPRESSIBLE = 0.8;
export const INCOMPRESSIBLE = 0.95;

export function suspicionOf({ before, now, lost, compression }: SuspicionFacts): Suspicion[] {
  const found: Suspicion[] = [];
  if (now.bytes < before.bytes / 2) {
    const sizes = `${formatBytes(now.bytes)}, and it was ${formatBytes(before.bytes)}`;
    found.push({ code: "SHRUNK", message: `it is less than half as large as before: ${sizes}` });
  }
  if (lost > before.files / 3) {
    const share = `${grouped(lost)} of ${count(before.files, "file")}`;
    found.push({ code: "FILES_LOST", message: `${share} are gone, name and content` });
  }
  if (compression !== null && turnedAtOnce(compression, now)) {
    const { turned, compressible } = compression;
    found.push({
      code: "INCOMPRESSIBLE",
      message:
        `${turned} of ${
          count(compressible, "changed file")
        } that were looked into compressed before ` +
        "and do not any more, as if somebody had encrypted them",
    });
  }
  return found;
}

function turnedAtOnce({ compressible, turned, turned_bytes }: CompressionFacts, now: TreeFacts) {
  if (turned === 0 || turned < compressible / 2) return false;
  return turned >= MANY_TURNED || turned_bytes >= now.bytes / 4;
}

/** What the user is told to type; `before` is the backup that it was compared with, where that is known. */
export function whatToDo(id: number, before: number | null): string {
  const how = before === null ? "" : ` (duckback diff ${before} ${id})`;
  return `Look at it${how}; if all is well: duckback backup acknowledge ${id}. ` +
    "Until then nothing older is pruned.";
}
