/** Counts what an archive would hold, by metadata alone. */
import { silent } from "../core/progress.ts";
import type { WalkChoice } from "./archive_options.ts";
import { newWalker } from "./put_source.ts";
import { contentBytes, type Totals } from "./totals.ts";
import { Pulse } from "./pulse.ts";
import { Warnings } from "./warnings.ts";

/**
 * Counts what `createArchive` would store, by metadata alone; content, owners of the archive and
 * pax headers are not in `bytes`. Throws SOURCE_MISSING and SOURCE_UNREADABLE (the top of a source),
 * INTERRUPTED.
 */
export async function measure(choice: WalkChoice): Promise<Totals> {
  const totals: Totals = { files: 0, bytes: 0, entries: 0 };
  const pulse = new Pulse(choice.signal, silent, totals);
  using walk = newWalker(choice, new Warnings(), false);
  for (const source of choice.sources) {
    for (let more = walk.begin(source) || walk.next(); more; more = walk.next()) {
      if (pulse.due()) await pulse.beat();
      totals.entries++;
      if (walk.type !== "file") continue;
      totals.files++;
      totals.bytes += contentBytes(walk.stat);
    }
  }
  return totals;
}

/** Whether `createArchive` would store anything; looks at the sources' tops alone. Throws the same. */
export function holdsAnything(choice: WalkChoice): boolean {
  using walk = newWalker(choice, new Warnings(), false);
  // Of each: whoever asks wants to know that none is missing.
  return choice.sources.filter((source) => walk.begin(source)).length > 0;
}
