/** `duckback log`. */
import { Command } from "./commander.ts";
import type { ActionRecord, ActionStatus } from "../catalog/types.ts";
import { formatAge, formatDuration } from "../core/units.ts";
import { moment } from "./moment.ts";
import { examples, integer, oneOf } from "./options.ts";
import type { Session } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, table } from "./table.ts";

export function addLog(program: Command, session: Session) {
  const at = moment(session.terminal.now);
  program.command("log")
    .description("who changed what, and what came of it; newest first (--stack: of one stack)")
    .option("--since <when>", "not older: a date, a time or an age (7d)", at)
    .option("--until <when>", "not newer", at)
    .option("--type <type>", "of one type: backup, config, rollback, verify, ...")
    .option(
      "--status <status>",
      "running, completed, partial, failed or interrupted",
      oneOf("running", "completed", "partial", "failed", "interrupted"),
    )
    .option("--actor <name>", "of one user; the daemon is `schedule`")
    .option("--limit <n>", "at most so many", integer(1, 1_000_000), 50)
    .addHelpText(
      "after",
      examples(
        "duckback log",
        "duckback log --since 7d --status failed",
        "duckback log --type config --actor alice --json",
      ),
    )
    .action(async (options) => {
      const { listActions } = await import("../operations/log.ts");
      const actions = await listActions(session.context("log"), {
        action_type: options.type,
        status: options.status as ActionStatus | undefined,
        actor: options.actor,
        since: (options.since as Date | undefined)?.toISOString(),
        until: (options.until as Date | undefined)?.toISOString(),
        limit: options.limit as number,
      });
      session.result(
        { success: true, actions },
        () => logLines(actions, session.terminal.now(), session.out_style),
      );
    });
}

function logLines(actions: ActionRecord[], now: Date, style: Style): string[] {
  if (actions.length === 0) return ["Nothing like that was done."];
  return table(
    [
      { title: "AGE", align: "right" },
      { title: "WHO" },
      { title: "TYPE" },
      { title: "WHAT" },
      { title: "STATUS" },
      { title: "TIME", align: "right" },
      { title: "RESULT" },
    ],
    actions.map((row) => [
      formatAge(row.started_at, now),
      cell(row.actor),
      row.action_type,
      cell(row.action_description),
      statusText(row.status, style),
      row.duration_seconds === null ? "" : formatDuration(row.duration_seconds * 1000),
      cell(row.result_message?.replaceAll("\n", " ")),
    ]),
    style.bold,
  );
}

function statusText(status: ActionStatus, style: Style): string {
  if (status === "completed") return style.green(status);
  return status === "failed" ? style.red(status) : style.yellow(status);
}
