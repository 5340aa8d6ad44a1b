/** What a run leaves beside an archive that it did not finish. */
import { removeQuietly } from "./durable.ts";
import {
  droppedRowsPath,
  manifestPath,
  manifestRowsPath,
  notesPath,
  parentRowsPath,
  partialPath,
  sidecarPath,
  spoolPath,
} from "./naming.ts";
import { exists } from "./pending_archive.ts";
import { removeSpool } from "./spool.ts";

/** Removes temporary files of an archive; its sidecars too where the archive itself never came to be. */
export function removeTraces(archive: string): void {
  removeQuietly(partialPath(archive));
  removeQuietly(manifestRowsPath(archive));
  removeQuietly(notesPath(archive));
  removeQuietly(parentRowsPath(archive));
  removeQuietly(droppedRowsPath(archive));
  removeSpool(spoolPath(archive));
  removeQuietly(`${sidecarPath(archive)}.tmp`);
  if (exists(archive)) return;
  removeQuietly(manifestPath(archive));
  removeQuietly(sidecarPath(archive));
}
