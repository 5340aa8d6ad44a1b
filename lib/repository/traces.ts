/** What a run leaves beside an archive that it did not finish. */
import { removeQuietly } from "./durable.ts";
import {
  droppedRowsPath,
  gonePathsPath,
  manifestPath,
  manifestRowsPath,
  notesPath,
  parentRowsPath,
  partialPath,
  recipeRowsPath,
  sidecarPath,
  spoolPath,
  unfinishedManifests,
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
  removeQuietly(recipeRowsPath(archive));
  removeQuietly(gonePathsPath(archive));
  for (const path of unfinishedManifests(archive)) removeQuietly(path);
  removeSpool(spoolPath(archive));
  removeQuietly(`${sidecarPath(archive)}.tmp`);
  if (exists(archive)) return;
  removeQuietly(manifestPath(archive));
  removeQuietly(sidecarPath(archive));
}
