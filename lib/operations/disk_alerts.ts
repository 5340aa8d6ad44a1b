/** The alert that a disk with archives is filling up. */
import { formatBytes } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import { announce, announceWell } from "./announce.ts";
import { type Context, note } from "./context.ts";
import { currentSettings } from "./settings.ts";

/**
 * Announces `disk_low` where the file system of `dir` (the backup directory without one) is fuller than
 * `notify.disk_percent`, and that it is well again. The disk is every stack's, so it is told once.
 * Returns its state where it is too full.
 */
export async function watchDisk(ctx: Context, dir?: string): Promise<string | null> {
  const settings = await currentSettings(ctx);
  const limit = settings["notify.disk_percent"];
  const path = dir ?? settings.auto_backup_directory;
  if (limit === 0) return null;
  let used: number;
  let free: number;
  try {
    [used, free] = [posix.usedPercent(path), posix.freeSpace(path)];
  } catch {
    return null; // it is not there: whoever needs it says so
  }
  const news = { stack: null, backup_id: null };
  const state = `${path}: ${used} % used, ${formatBytes(free)} free`;
  if (used < limit) {
    announceWell(ctx, {
      ...news,
      title: "The archives' disk has room again",
      message: state,
    }, ["disk_low"]);
    return null;
  }
  note(ctx, `The disk of ${state} (notify.disk_percent is ${limit})`, "warning");
  announce(ctx, {
    ...news,
    kind: "disk_low",
    title: `The archives' disk is ${used} % full`,
    message: `${state}\nThe limit is ${limit} % (notify.disk_percent).`,
  });
  return state;
}
