/** `duckback backup prune`, `pin` and `unpin`. */
import { Command } from "./commander.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { backupId, examples } from "./options.ts";
import type { Session } from "./session.ts";

export function addPrune(backup: Command, session: Session) {
  backup.command("prune")
    .description("remove backups that are past their time, by the policy in the settings")
    .option("--dry-run", "say what would be removed, and what stays and why")
    .option("--force", "remove at once what is past its time, however much it is")
    .addHelpText(
      "after",
      examples(
        "duckback backup prune --dry-run",
        "duckback backup prune --stack shop",
        "duckback config set backup.keep_weekly 8",
      ),
    )
    .action(async (options) => {
      const { prune } = await import("../operations/prune.ts");
      const { pruneDocument, pruneLines } = await import("./prune_view.ts");
      const outcome = await prune(session.context("backup prune"), {
        dry_run: options.dryRun ?? false,
        force: options.force ?? false,
      });
      session.result(
        pruneDocument(outcome),
        () => pruneLines(outcome, session.out_style),
        outcome.problems.length > 0 ? EXIT_CODES.PARTIAL : 0,
      );
    });
}

export function addPin(backup: Command, session: Session, verb: "pin" | "unpin") {
  backup.command(verb)
    .description(verb === "pin" ? "never prune this backup" : "let a pinned backup be pruned again")
    .argument("<id>", "the backup's id", backupId)
    .addHelpText("after", examples(`duckback backup ${verb} 12`))
    .action(async (id) => {
      const { setPinned } = await import("../operations/pin.ts");
      const backup = await setPinned(session.context(`backup ${verb}`), id, verb === "pin");
      session.result(
        { success: true, backup },
        () => [
          verb === "pin"
            ? `Backup ${id} is pinned: it is kept until \`duckback backup unpin ${id}\`.`
            : `Backup ${id} is not pinned: the policy decides on it.`,
        ],
      );
    });
}
