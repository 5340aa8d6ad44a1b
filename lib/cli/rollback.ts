/** `duckback rollback` and `rollback-data-only`. */
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import type { Role } from "../core/model.ts";
import { unhealthyLines } from "./backup_view.ts";
import { backupId, examples, integer } from "./options.ts";
import { answeredNo, chooseBackup } from "./rollback_choice.ts";
import { listDocument, outcomeLines, previewLines } from "./rollback_view.ts";
import type { Session } from "./session.ts";
import { cell } from "./table.ts";

const EXAMPLES = `
Before anything is replaced, the archive is checked in full, the space is computed, the stack is
compared with what it was then, and a safety backup is made of what will be replaced. If the services
do not come up again, everything is put back.

What is on disk but not in the backup goes with what was replaced; --merge keeps it. What was replaced
is kept for --undo until the next rollback (--keep-old N: until the N-th), for rollback.keep_old_days
days at most.

Examples:
  duckback rollback                       choose from a list
  duckback rollback 12                    compose files, configuration, secrets
  duckback rollback 12 --rollback-data    volumes and data directories too
  duckback rollback-data-only 12          only those
  duckback rollback 12 --dry-run          what would be created, changed and removed
  duckback rollback --undo                back to before the last rollback`;

interface Options {
  force?: boolean;
  yes?: boolean;
  merge?: boolean;
  keepOld?: number;
  listJson?: boolean;
  rollbackData?: boolean;
  autoStartService?: boolean;
  dryRun?: boolean;
  undo?: boolean;
}

const FORCE = "do not ask, and go on where the safety backup is only partial or a database would " +
  "not fit its service's image";

export function addRollback(program: Command, session: Session) {
  program.command("rollback")
    .description("put the stack back to a backup (files of role app; --rollback-data: all)")
    .argument("[id]", "the backup's id", backupId)
    .option("-y, --yes", "do not ask")
    .option("--force", FORCE)
    .option("--list-json", "print the backups one can roll back to, as one JSON document")
    .option("--rollback-data", "replace volumes and data directories too")
    .option("--merge", "keep what is on disk but not in the backup")
    .option("--keep-old <n>", "rollbacks to keep for --undo, this one included (1)", KEEP_OLD)
    .option("--no-auto-start-service", "leave the services stopped afterwards")
    .option("--dry-run", "say what would be created, changed and removed, and do nothing")
    .option("--undo", "put back what the last rollback replaced")
    .addHelpText("after", EXAMPLES)
    .action(async (id, options) => {
      const roles: Role[] = options.rollbackData ? ["app", "data"] : ["app"];
      await main(session, "rollback", id ?? null, roles, options);
    });
  program.command("rollback-data-only")
    .description("put volumes and data directories back to a backup")
    .argument("[id]", "the backup's id", backupId)
    .option("-y, --yes", "do not ask")
    .option("--force", FORCE)
    .option("--merge", "keep what is on disk but not in the backup")
    .option("--keep-old <n>", "rollbacks to keep for --undo, this one included (1)", KEEP_OLD)
    .option("--no-auto-start-service", "leave the services stopped afterwards")
    .option("--dry-run", "say what would be created, changed and removed, and do nothing")
    .addHelpText(
      "after",
      examples("duckback rollback-data-only 12", "duckback rollback-data-only 12 --force"),
    )
    .action(async (id, options) => {
      await main(session, "rollback-data-only", id ?? null, ["data"], options);
    });
}

const KEEP_OLD = integer(0, 1000);
/** Changes listed one by one: before the last question, in a dry run, and there with --verbose. */
const LISTED = { question: 10, dry_run: 200, verbose: Infinity };

async function main(
  session: Session,
  command: string,
  id: number | null,
  roles: Role[],
  options: Options,
) {
  const start_services = options.autoStartService ?? true;
  const ask = !options.force && !options.yes;
  if (options.listJson) {
    return session.result(await listDocument(session.context(command)), () => []);
  }
  if (options.undo) {
    if (options.dryRun) throw noDryUndo();
    return await undo(session, ask, start_services);
  }
  const ctx = session.context(command);
  if (!options.dryRun) {
    // What one is shown and asked about must be the stack as it is when the rollback begins.
    const { recover } = await import("../operations/recover.ts");
    await recover(ctx);
  }
  const chosen = id ?? await chooseBackup(session, command);
  if (options.dryRun || ask) {
    const { planPreview } = await import("../operations/rollback_preview.ts");
    const preview = await planPreview(ctx, chosen, roles, options.merge ?? false);
    if (options.dryRun) {
      const most = session.globals.verbose ? LISTED.verbose : LISTED.dry_run;
      return session.result(
        { success: true, dry_run: true, ...preview },
        () => previewLines(preview, most),
      );
    }
    const { refuseBreaking } = await import("../operations/then_and_now.ts");
    refuseBreaking(preview.differences, chosen, false);
    const lines = previewLines(preview, LISTED.question);
    await confirm(session, [...lines, `Roll back to backup ${chosen}?`]);
  }
  const { rollback } = await import("../operations/rollback.ts");
  const outcome = await rollback(ctx, {
    id: chosen,
    roles,
    force: options.force ?? false,
    start_services,
    merge: options.merge,
    keep_old: options.keepOld,
  });
  session.result(
    { success: true, ...outcome },
    () => outcomeLines(outcome, session.out_style),
    outcome.problems.length > 0 ? EXIT_CODES.PARTIAL : 0,
  );
}

function noDryUndo(): DuckbackError {
  return new DuckbackError("USAGE", "Cannot try --undo out: --dry-run does not go with it", {
    hint: "An undo can be undone: call it twice.",
  });
}

async function confirm(session: Session, lines: string[]) {
  if (!session.interactive) {
    throw new DuckbackError(
      "USAGE",
      "Cannot roll back without asking: there is no terminal to ask at",
      {
        hint: "Add --yes if you are sure; --dry-run shows what would be replaced.",
      },
    );
  }
  session.settle();
  for (const line of lines.slice(0, -1)) session.terminal.err(`${line}\n`);
  const { agree } = await import("./prompts.ts");
  if (await agree(lines.at(-1)!, session.terminal.signal)) return;
  throw answeredNo();
}

async function undo(session: Session, ask: boolean, start_services: boolean) {
  const { undoRollback } = await import("../operations/undo.ts");
  if (ask && session.interactive) {
    await confirm(session, ["Put back what the last rollback replaced?"]);
  }
  const done = await undoRollback(session.context("rollback --undo"), { start_services });
  session.result({ success: true, ...done }, () => [
    done.applied
      ? `The rollback to backup ${done.backup_id} is in force again.`
      : `The rollback to backup ${done.backup_id} is undone.`,
    ...done.restored.map((path) => `  ${cell(path)}`),
    ...unhealthyLines(done.health),
  ]);
}
