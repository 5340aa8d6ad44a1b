/** The stack as it is now, as a manifest that can be compared with those of backups. */
import { join } from "node:path";
import { listLive } from "../archive/list_live.ts";
import { count } from "../core/units.ts";
import { openScratch } from "../repository/scratch.ts";
import { TextFile } from "../repository/text_file.ts";
import { manifestPath } from "../repository/naming.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import type { ListedBackup } from "./list.ts";
import { locateSources } from "./rollback_plan.ts";
import { currentSettings } from "./settings.ts";

export interface LiveManifest extends Disposable {
  /** The backup it is compared with, but with the live manifest beside its archive's path. */
  record: ListedBackup;
  /** Where in the archive the sources lie that were looked at. */
  tops: string[];
  notes: string[];
}

/**
 * Lists what a backup of the same sources would hold if it was made now; content is not read. What
 * `backup.exclude` and labels leave out is left out here too. Raises NO_SUCH_STACK, DOCKER_UNREACHABLE,
 * SOURCE_UNREADABLE, DISK_FULL, INTERRUPTED.
 */
export async function liveManifest(ctx: Context, record: ListedBackup): Promise<LiveManifest> {
  const { stack, targets } = await locateSources(ctx, record, ["app", "data"], { look_only: true });
  const settings = await currentSettings(ctx);
  phase(ctx, "measure", `Looking at ${stack.name} as it is`);
  const scratch = openScratch(ctx.home);
  try {
    const archive = join(scratch.path, "live.tar");
    using lines = TextFile.create(join(scratch.path, "live.ndjson"));
    const { manifestLine, writeManifest } = await import("../catalog/manifest.ts");
    const warnings = await listLive({
      // A volume that is gone has no path, and nothing lies in it.
      sources: targets.filter(({ live }) => live.startsWith("/"))
        .map(({ source, live }) => ({ ...source, path: live })),
      exclude: [...settings["backup.exclude"], ...stack.excludes],
      skip_paths: [settings.auto_backup_directory, ctx.home.dir],
      signal: ctx.signal,
    }, (entry) => lines.append(manifestLine(entry)));
    lines.flush();
    await writeManifest(lines.path, manifestPath(archive));
    const unread = warnings.filter(({ incomplete }) => incomplete);
    return {
      record: { ...record, backup_path: archive },
      tops: targets.map(({ source }) => source.archive_path),
      notes: unread.length === 0 ? [] : [
        `${unread[0].path} ${unread[0].message}` +
        (unread.length > 1 ? `, and ${count(unread.length - 1, "more path")} like it` : ""),
      ],
      [Symbol.dispose]: () => scratch[Symbol.dispose](),
    };
  } catch (thrown) {
    scratch[Symbol.dispose]();
    throw thrown;
  }
}
