/** Lists what an archive of some sources would hold now, by metadata alone: rows of a manifest-to-be. */
import { DuckbackError } from "../core/errors.ts";
import type { ManifestEntry, Source, Warning } from "../core/model.ts";
import { decodePath } from "../core/paths.ts";
import { silent } from "../core/progress.ts";
import type { WalkChoice } from "./archive_options.ts";
import { Pulse } from "./pulse.ts";
import { newWalker } from "./put_source.ts";
import type { Walker } from "./walk.ts";
import { Warnings } from "./warnings.ts";

/**
 * Hands every entry to `onEntry`, in the archive's order, without a SHA-256 or a place in an archive. A
 * source that is not there has none. Returns what could not be read. Raises SOURCE_UNREADABLE (the top
 * of a source), INTERRUPTED.
 */
export async function listLive(
  choice: WalkChoice,
  onEntry: (entry: ManifestEntry) => void,
): Promise<Warning[]> {
  const warnings = new Warnings();
  const pulse = new Pulse(choice.signal, silent, { files: 0, bytes: 0 });
  using walk = newWalker(choice, warnings, false);
  for (const source of choice.sources) {
    for (let more = begin(walk, source); more; more = walk.next()) {
      if (pulse.due()) await pulse.beat();
      onEntry(entryOf(walk));
    }
  }
  return warnings.all();
}

function begin(walk: Walker, source: Source): boolean {
  try {
    return walk.begin(source) || walk.next();
  } catch (thrown) {
    if (thrown instanceof DuckbackError && thrown.code === "SOURCE_MISSING") return false;
    throw thrown;
  }
}

function entryOf({ path, type, stat, link }: Walker): ManifestEntry {
  return {
    path,
    type,
    size: type === "file" ? stat.size : 0,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    mtime_s: stat.mtime_s,
    mtime_ns: stat.mtime_ns,
    link: link.length === 0 ? null : decodePath(link),
    sha256: null,
    block_offset: 0,
    block_inner: 0,
  };
}
