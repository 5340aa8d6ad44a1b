/** Lists an archive's entries from its headers alone. */
import type { ManifestEntry } from "../core/model.ts";
import { ArchiveFile } from "./archive_file.ts";
import { openSource } from "./open_source.ts";
import { isSelf } from "./self_entries.ts";
import { type TarEntry, TarParser } from "./tar_parser.ts";

/**
 * All entries but the archive's own, in the archive's order; `sha256` is always null, since tar
 * holds none. Throws ARCHIVE_MISSING, ARCHIVE_CORRUPT.
 */
export async function* list(
  path: string,
  options: { signal?: AbortSignal; workers?: number } = {},
): AsyncGenerator<ManifestEntry> {
  using file = new ArchiveFile(path);
  using source = openSource(file, options);
  const found: ManifestEntry[] = [];
  const parser = new TarParser(path, {
    entry(entry: TarEntry) {
      if (isSelf(entry.path)) return;
      const { rdev_major: _major, rdev_minor: _minor, xattrs: _xattrs, stored: _stored, ...rest } =
        entry;
      found.push(rest);
    },
    data() {},
    hole() {},
    end() {},
  });
  let offset = 0;
  for (let chunk = await source.next(); chunk !== null; chunk = await source.next()) {
    offset = chunk.offset;
    parser.feed(chunk.bytes, offset, chunk.inner);
    yield* found;
    found.length = 0;
  }
  parser.finish(offset);
}
