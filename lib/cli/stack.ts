/** `duckback init`, `status` and `recover`. */
import { Command } from "./commander.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { formatAge, formatLocalTime } from "../core/units.ts";
import type { StackView, StatusOutcome } from "../operations/stack_status.ts";
import { drillFact, sourceLines, statusText } from "./backup_view.ts";
import { labelLines } from "./label_view.ts";
import { serviceLines } from "./services.ts";
import { examples } from "./options.ts";
import type { Session } from "./session.ts";
import { cell, facts } from "./table.ts";

export function addStack(program: Command, session: Session) {
  program.command("init")
    .description("register the stack here, create the catalogue, say what would be backed up")
    .option("--force", "register it again if it is known already")
    .addHelpText(
      "after",
      examples("cd /srv/shop && duckback init", "duckback init --work-dir /srv/shop"),
    )
    .action(async (options) => {
      const { init } = await import("../operations/stack_status.ts");
      const done = await init(session.context("init"), { force: options.force ?? false });
      session.result({ success: true, ...done }, () => [
        session.out_style.bold(
          done.registered
            ? `Stack ${cell(done.stack.name)} is registered.`
            : `Stack ${cell(done.stack.name)} is known already.`,
        ),
        ...stackFacts(done.stack, done.catalogue),
        "",
        ...serviceLines(done.services, session.terminal.now(), session.out_style),
        ...sourceLines(done.stack.sources, done.stack.skipped, session.out_style),
        ...labelLines(done.stack.labels, session.out_style),
        ...noteLines(done.notes),
        "",
        "Next: duckback backup create",
      ]);
    });
  program.command("status")
    .description("stack, services, last backup, problems")
    .addHelpText(
      "after",
      "\nExit code 1: the last good backup is too long ago (notify.overdue_hours), or a run died and left " +
        "something to mend." +
        examples("duckback status", "duckback status --stack shop --json"),
    )
    .action(async () => {
      const { status } = await import("../operations/stack_status.ts");
      const found = await status(session.context("status"));
      const code = found.overdue || found.died ? EXIT_CODES.FAILED : 0;
      session.result({ success: true, ...found }, () => statusLines(session, found), code);
    });
  program.command("recover")
    .description(
      "bring back what a run that died left behind (every changing command does so first)",
    )
    .option("--give-up", "leave down for good what the engine refuses to start, and go on")
    .addHelpText(
      "after",
      examples("duckback recover", "duckback recover --json", "duckback recover --give-up"),
    )
    .action(async (options) => {
      const { recover } = await import("../operations/recover.ts");
      const done = await recover(session.context("recover"), { give_up: options.giveUp ?? false });
      const { given_up, missing, unhealthy, unreadable } = done;
      const incomplete = [...given_up, ...missing, ...unhealthy, ...unreadable];
      const code = incomplete.length > 0 ? EXIT_CODES.PARTIAL : 0;
      session.result({ success: true, ...done }, () => [
        ...done.services.map((name) => `Started ${cell(name)}.`),
        ...done.trees.map((path) => `Put ${cell(path)} back.`),
        ...done.settled.map((row) => `Backup ${row.id} is now ${row.status}.`),
        ...done.upgrades.map(({ message }) => `${cell(message)}.`),
        ...done.adopted.map((name) => `Took ${cell(name)} into the catalogue.`),
        ...done.removed.map((name) => `Removed the files of ${cell(name)}.`),
        ...done.drills.map((name) => `Removed what ${cell(name)} had made.`),
        ...done.unreadable.map((path) => `A journal cannot be read; it is kept as ${cell(path)}.`),
        ...done.maybe_down.map((name) =>
          `${cell(name)} may be one it had stopped, and does not run: docker start ${cell(name)}`
        ),
        ...done.missing.map((name) => `${cell(name)} ran before and exists no more.`),
        ...done.unhealthy.map((name) =>
          `${cell(name)} was started and is not well: docker logs ${cell(name)}`
        ),
        ...done.given_up.map((name) =>
          `GAVE UP on ${cell(name)}: it STAYS DOWN. By hand: docker start ${cell(name)}`
        ),
        ...(Object.values(done).every((list) => list.length === 0)
          ? ["Nothing was left behind: there is nothing to mend."]
          : []),
      ], code);
    });
}

function stackFacts(stack: StackView, catalogue?: string): string[] {
  return facts([
    ["directory", cell(stack.work_dir)],
    [
      "compose",
      stack.compose_files.map(cell).join(", ") || "no compose file: a stack without services",
    ],
    ["catalogue", catalogue && cell(catalogue)],
  ]);
}

function noteLines(notes: string[]): string[] {
  return notes.length > 0 ? ["", ...notes.map((note) => `  ! ${cell(note)}`)] : [];
}

function statusLines(session: Session, found: StatusOutcome): string[] {
  const style = session.out_style;
  const now = session.terminal.now();
  const last = found.last_backup;
  return [
    style.bold(`Stack ${cell(found.stack.name)}`),
    ...stackFacts(found.stack),
    ...facts([
      [
        "last backup",
        last
          ? `${last.id}, ${formatAge(last.created_at, now)}, ${statusText(last, style)}`
          : style.yellow("none"),
      ],
      ["next backup", found.next_run && formatLocalTime(found.next_run)],
      ["last drill", found.last_drill && `${found.last_drill.id}, ${drillFact(found.last_drill)}`],
      ["at work", found.running && cell(found.running)],
    ]),
    "",
    ...serviceLines(found.services, now, style),
    ...labelLines(found.stack.labels, style),
    ...noteLines(found.notes),
    "",
    ...(found.problems.length === 0
      ? [style.green("No problems.")]
      : found.problems.map((problem) => style.yellow(`! ${cell(problem)}`))),
  ];
}
