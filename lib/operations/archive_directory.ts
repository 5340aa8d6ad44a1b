/** The archive directory: changing it, and missing it when its disk is not mounted. */
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import { forgetDirectory, rememberDirectory, vanished } from "../repository/archive_directory.ts";
import { exists } from "../repository/pending_archive.ts";
import { writeSettingsCopy } from "../repository/settings_copy.ts";
import { type Context, note, withCatalog } from "./context.ts";
import { moveArchives, type MoveOutcome } from "./move_archives.ts";

/**
 * Makes `directory` the one that archives go to; `value` is the setting (null: the default). With `move`
 * the archives go along, else they stay and are found where they are. Raises what
 * `moveArchives` does.
 */
export async function changeDirectory(
  ctx: Context,
  directory: string,
  value: string | null,
  move: boolean,
): Promise<MoveOutcome | null> {
  const switchTo = (paths: Map<number, string>) =>
    withCatalog(ctx, async (catalog) => {
      await catalog.relocate(paths, value, ctx.now());
      writeSettingsCopy(ctx.home, await catalog.settings.values());
    });
  const outcome = move ? await moveArchives(ctx, directory, switchTo) : null;
  if (!move) await switchTo(new Map());
  // Whoever says so has looked: from now on it is the known one, as it is.
  forgetDirectory(ctx.home);
  if (exists(directory)) noteDirectory(ctx, directory);
  return outcome;
}

/** Remembers the archive directory, so that it is missed when its disk is not mounted. Never throws. */
export function noteDirectory(ctx: Context, directory: string): void {
  try {
    rememberDirectory(ctx.home, directory);
  } catch (cause) {
    note(ctx, `${directory} could not be marked: ${asDuckbackError(cause).message}`);
  }
}

/**
 * A disk that is not mounted leaves its mount point: archives there would fill the disk below it. Raises
 * DIRECTORY_GONE.
 */
export function refuseVanished(ctx: Context, directory: string): void {
  const why = vanished(ctx.home, directory);
  if (why === null) return;
  throw new DuckbackError("DIRECTORY_GONE", `Cannot back up to "${directory}": ${why}`, {
    hint: "Is its disk mounted? To accept the place as it is now: " +
      `duckback config set auto_backup_directory '${directory}'`,
  });
}
