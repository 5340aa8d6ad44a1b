/** `duckback upgrade --to V -- COMMAND...`, `upgrade list`, `upgrade show`. */
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { formatBytes, formatDuration, formatLocalTime } from "../core/units.ts";
import type { UpgradeRecord } from "../catalog/types.ts";
import { backupId, examples, integer } from "./options.ts";
import type { Session } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, facts, table } from "./table.ts";

const EXAMPLES = `
A backup is made first; then COMMAND runs in the stack's directory, as it is (for a shell's words:
sh -c '...'). Where it fails, or a service is not well after it, files, data and containers go back to
what they were, and the exit code is 1. What COMMAND puts out is shown and kept.

Examples:
  duckback upgrade --to 2.0 -- docker compose up -d --pull always
  duckback upgrade --to 2.0 -- sh -c 'sed -i s/:1.9/:2.0/ .env && docker compose up -d'
  duckback upgrade list
  duckback upgrade show 3                 with what its command put out`;

export function addUpgrade(program: Command, session: Session) {
  const group = program.command("upgrade")
    .description("back up, upgrade, wait for health, go back if it fails")
    .argument("[command...]", "what upgrades the stack, after --")
    .option("--to <version>", "the version it goes to")
    .option(
      "--from <version>",
      "the version it comes from (default: as the last upgrade or backup)",
    )
    .option("--no-backup", "make no backup before; there is no way back then")
    .option(
      "--health-timeout <seconds>",
      "how long services may take to be well (default: backup.health_timeout_seconds)",
      integer(0, 86_400),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (command, options) => {
      if (options.to === undefined || command.length === 0) throw nothingToRun(options.to);
      const { upgrade } = await import("../operations/upgrade.ts");
      const done = await upgrade(session.context("upgrade"), {
        to_version: options.to,
        from_version: options.from ?? null,
        command,
        backup: options.backup,
        health_timeout_s: options.healthTimeout ?? null,
        onOutput: (text) => session.passThrough(text),
      });
      session.result({ success: true, ...done }, () => [
        session.out_style.bold(
          session.out_style.green(`Upgraded to ${cell(done.upgrade.to_version)}.`),
        ),
        ...upgradeFacts(done.upgrade, session.out_style),
        ...done.problems.map((text) => session.out_style.yellow(`  ! ${cell(text)}`)),
      ], done.problems.length > 0 ? EXIT_CODES.PARTIAL : 0);
    });
  group.command("list")
    .description("the upgrades there were, newest first")
    .addHelpText("after", examples("duckback upgrade list", "duckback upgrade list --json"))
    .action(async () => {
      const { listUpgrades } = await import("../operations/upgrade_list.ts");
      const upgrades = await listUpgrades(session.context("upgrade list"));
      session.result({ success: true, upgrades }, () => listLines(upgrades, session.out_style));
    });
  group.command("show")
    .description("one upgrade, with what its command put out")
    .argument("<id>", "the upgrade's id", backupId)
    .addHelpText("after", examples("duckback upgrade show 3"))
    .action(async (id) => {
      const { findUpgrade } = await import("../operations/upgrade_list.ts");
      const upgrade = await findUpgrade(session.context("upgrade show"), id);
      session.result({ success: true, upgrade }, () => [
        session.out_style.bold(`Upgrade ${upgrade.id}`),
        ...upgradeFacts(upgrade, session.out_style),
        ...upgrade.upgrade_log === null
          ? []
          : ["", ...upgrade.upgrade_log.trimEnd().split("\n").map((line) => `  ${cell(line)}`)],
      ]);
    });
}

function nothingToRun(to: string | undefined): DuckbackError {
  const missing = to === undefined ? "not said to which version" : "not said how";
  return new DuckbackError("USAGE", `Cannot upgrade: it was ${missing}`, {
    hint: "duckback upgrade --to VERSION -- COMMAND ARGUMENTS",
  });
}

function upgradeFacts(upgrade: UpgradeRecord, style: Style): string[] {
  const { from_version, to_version, started_at, backup_id, upgrade_log } = upgrade;
  return facts([
    ["stack", cell(upgrade.stack)],
    ["version", `${cell(from_version ?? "?")} -> ${cell(to_version)}`],
    ["status", statusText(upgrade, style)],
    ["started", started_at && formatLocalTime(started_at)],
    ["time", timeText(upgrade)],
    ["backup", backup_id === null ? "none" : `${backup_id}, made before it`],
    ["why", cell(upgrade.rollback_reason ?? upgrade.error_message)],
    ["log", upgrade_log && formatBytes(upgrade_log.length)],
  ]);
}

function listLines(upgrades: UpgradeRecord[], style: Style): string[] {
  if (upgrades.length === 0) return ["There were no upgrades."];
  return table(
    [
      { title: "ID", align: "right" },
      { title: "STARTED" },
      { title: "STACK" },
      { title: "FROM" },
      { title: "TO" },
      { title: "STATUS" },
      { title: "TIME", align: "right" },
      { title: "BACKUP", align: "right" },
      { title: "WHY" },
    ],
    upgrades.map((upgrade) => [
      String(upgrade.id),
      upgrade.started_at ? formatLocalTime(upgrade.started_at) : "",
      cell(upgrade.stack),
      cell(upgrade.from_version),
      cell(upgrade.to_version),
      statusText(upgrade, style),
      timeText(upgrade) ?? "",
      upgrade.backup_id === null ? "" : String(upgrade.backup_id),
      firstLine(upgrade.rollback_reason ?? upgrade.error_message ?? ""),
    ]),
    style.bold,
  );
}

function firstLine(text: string): string {
  const [line] = text.split("\n");
  return cell(line.length > 60 ? `${line.slice(0, 59)}…` : line);
}

function statusText({ status }: UpgradeRecord, style: Style): string {
  if (status === "SUCCESS") return style.green(status);
  return status === "RUNNING" ? status : style.yellow(status);
}

function timeText({ started_at, completed_at }: UpgradeRecord): string | null {
  if (started_at === null || completed_at === null) return null;
  return formatDuration(Date.parse(completed_at) - Date.parse(started_at));
}
