/** Opens an archive's tar stream the fastest way its kind allows. */
import type { ArchiveFile } from "./archive_file.ts";
import { BlockReader, type BlockReaderOptions, type ChunkSource } from "./block_reader.ts";
import { ForeignReader } from "./foreign_reader.ts";

/** By blocks and in parallel where duckback made it, else as one stream. */
export function openSource(
  file: ArchiveFile,
  options: BlockReaderOptions,
): ChunkSource & Disposable {
  return file.blocks ? new BlockReader(file, options) : new ForeignReader(file, options);
}
