/** Archives: make, prove, list and restore them. */
export type {
  Amend,
  ArchiveResult,
  ArchiveSummary,
  CreateOptions,
  WalkChoice,
} from "./archive_options.ts";
export { ArchiveRun, createArchive } from "./create.ts";
export { extractArchive, type ExtractOptions, type ExtractReport, type Route } from "./extract.ts";
export { list } from "./list.ts";
export { measure } from "./measure.ts";
export { readSelf } from "./self.ts";
export { FIRST_ENTRY, isSelf, LAST_ENTRY } from "./self_entries.ts";
export { verifyArchive, type VerifyOptions, type VerifyReport } from "./verify.ts";
