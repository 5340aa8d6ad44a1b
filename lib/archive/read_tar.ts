/** Reads an archive through: what comes from a source goes through the parser to a handler. */
import type { ChunkSource } from "./block_reader.ts";
import type { Pulse } from "./pulse.ts";
import { BLOCK } from "./tar_header.ts";
import { type TarHandler, TarParser } from "./tar_parser.ts";

/** Bytes parsed between two looks at the clock: a few hundred entries at most. */
const SLICE_BYTES = 256 << 10;

/** Entries that can begin in bytes parsed at once. */
export const SLICE_ENTRIES = SLICE_BYTES / BLOCK + 1;

/**
 * Feeds all of `source` to `handler` and checks that the archive is complete. `prepare` is called
 * (and awaited) before at most SLICE_ENTRIES entries are handed over. Throws ARCHIVE_CORRUPT, IO, INTERRUPTED and whatever the handler throws.
 */
export async function readTar(
  archive: string,
  source: ChunkSource,
  handler: TarHandler,
  pulse: Pulse,
  prepare?: () => Promise<void> | undefined,
): Promise<void> {
  const parser = new TarParser(archive, handler);
  let offset = 0;
  for (let chunk = await source.next(); chunk !== null; chunk = await source.next()) {
    offset = chunk.offset;
    for (let at = 0; at < chunk.bytes.length;) {
      const wait = prepare?.();
      if (wait !== undefined) await wait;
      const slice = chunk.bytes.subarray(at, at + SLICE_BYTES);
      at += parser.feedSome(slice, offset, chunk.inner + at);
      if (pulse.due()) await pulse.beat();
    }
  }
  parser.finish(offset);
}
