/** `duckback notify test` and `notify check`. */
import { Command } from "./commander.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { count, formatDuration } from "../core/units.ts";
import type { TriedReceiver } from "../operations/try_receivers.ts";
import { examples, oneOf } from "./options.ts";
import type { Session } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, table } from "./table.ts";

export function addNotify(program: Command, session: Session) {
  const group = program.command("notify")
    .description("alerts: webhooks, mail, pings and a command (settings notify.*)");
  addCheck(group, session);
  group.command("test")
    .description("send a test event and say what each receiver made of it")
    .option(
      "--channel <channel>",
      "webhook, mail, ping or command (default: all)",
      oneOf("webhook", "mail", "ping", "command"),
    )
    .addHelpText(
      "after",
      examples(
        "duckback notify test",
        "duckback notify test --channel mail",
        "SLACK_URL=https://... duckback notify test --channel webhook --json",
      ),
    )
    .action(async (options) => {
      const { tryReceivers } = await import("../operations/try_receivers.ts");
      const channel = (options.channel as TriedReceiver["channel"] | undefined) ?? null;
      const results = await tryReceivers(session.context("notify test"), channel);
      const bad = results.filter((result) => !result.ok);
      const error = bad.length === 0 ? {} : {
        error: {
          code: "FAILED",
          message: `Cannot tell "${bad[0].receiver}": ${bad[0].error}`,
          hint: null,
        },
      };
      session.result(
        { success: bad.length === 0, results, ...error },
        () => resultLines(results, session.out_style),
        bad.length > 0 ? EXIT_CODES.FAILED : 0,
      );
    });
}

function addCheck(group: Command, session: Session) {
  group.command("check")
    .description(
      "tell of backups that are overdue and a disk that is filling up, and send what waits " +
        "(the daemon does so each hour)",
    )
    .addHelpText("after", examples("duckback notify check", "duckback notify check --json"))
    .action(async () => {
      const { checkAndTell } = await import("../operations/check_alerts.ts");
      const { overdue, disk, deliveries } = await checkAndTell(session.context("notify check"));
      session.result({ success: true, overdue, disk, deliveries }, () => [
        ...overdue.map(({ text }) => cell(`${text}.`)),
        ...(disk ? [cell(disk)] : []),
        ...deliveries.filter(({ sent }) => sent > 0)
          .map(({ receiver, sent }) => cell(`Told ${receiver}: ${count(sent, "event")}.`)),
        ...(overdue.length === 0 && !disk ? ["Nothing is overdue, and the disk has room."] : []),
      ]);
    });
}

function resultLines(results: TriedReceiver[], style: Style): string[] {
  return table(
    [{ title: "CHANNEL" }, { title: "RECEIVER" }, { title: "TIME", align: "right" }, {
      title: "RESULT",
    }],
    results.map((result) => [
      result.channel,
      cell(result.receiver),
      formatDuration(result.duration_ms),
      result.ok ? style.green("told") : style.red(`FAILED: ${cell(result.error)}`),
    ]),
    style.bold,
  );
}
