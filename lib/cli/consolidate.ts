/** `duckback backup consolidate`. */
import { Command } from "./commander.ts";
import { EXIT_CODES } from "../core/errors.ts";
import type { Compression } from "../core/model.ts";
import { backupId, examples, oneOf } from "./options.ts";
import type { Session } from "./session.ts";

export function addConsolidate(backup: Command, session: Session) {
  backup.command("consolidate")
    .description("write a full backup out of an incremental one and those it needs")
    .argument("<id>", "the incremental backup's id", backupId)
    .option(
      "--compression <c>",
      "gzip, zstd or none (default: as the chain's full one, whose blocks can be copied)",
      oneOf("gzip", "zstd", "none"),
    )
    .option("--description <text>", "a note kept with the backup")
    .option("--nice", "give way to other programs: low priority for processor and disk")
    .option("--no-verify", "do not read the archive back")
    .addHelpText(
      "after",
      examples(
        "duckback backup consolidate 12",
        'duckback backup consolidate 12 --compression zstd --description "end of the year"',
      ),
    )
    .action(async (id, options) => {
      if (options.nice) (await import("../posix/priority.ts")).lowerPriority();
      const { consolidateBackup } = await import("../operations/consolidate.ts");
      const { consolidateLines } = await import("./consolidate_view.ts");
      const outcome = await consolidateBackup(session.context("backup consolidate"), {
        id,
        compression: (options.compression as Compression | undefined) ?? null,
        description: options.description ?? null,
        verify: options.verify ? null : false,
      });
      session.result(
        { success: true, ...outcome },
        () => consolidateLines(outcome, session.out_style),
        outcome.problems.length > 0 ? EXIT_CODES.PARTIAL : 0,
      );
    });
}
