/** `duckback auto-backup enabled|schedule|run|status|daemon|install|uninstall`. */
import { resolve } from "node:path";
import { Command, Option } from "./commander.ts";
import { DuckbackError, type ErrorData, EXIT_CODES } from "../core/errors.ts";
import type { InstallOptions, InstallOutcome } from "../schedule/install.ts";
import type { RunReport } from "../schedule/run_task.ts";
import type { TaskName } from "../schedule/state.ts";
import { examples, integer, oneOf } from "./options.ts";
import type { Session } from "./session.ts";

/** lib/schedule/tasks.ts has the same; it would load too much for a help text. */
const TASKS = ["backup", "prune", "catalog", "verify", "drill"] as const;

export function addAutoBackup(program: Command, session: Session) {
  const group = program.command("auto-backup")
    .description("backups by a schedule: the daemon, its settings, and how it fares");
  addEnabled(group, session);
  addSchedule(group, session);
  addRun(group, session);
  addStatus(group, session);
  addDaemon(group, session);
  addInstall(group, session);
  addPlan(group, session);
}

function addEnabled(group: Command, session: Session) {
  group.command("enabled")
    .description("switch automatic backups on or off")
    .requiredOption("--enable <bool>", "true or false", oneOf("true", "false"))
    .addHelpText("after", examples("duckback auto-backup enabled --enable true"))
    .action(async (options) => {
      const ctx = session.context("auto-backup enabled");
      const { changeSetting } = await import("../operations/change_setting.ts");
      await changeSetting(ctx, "auto_backup_enabled", options.enable);
      const { autoBackupStatus } = await import("../schedule/status.ts");
      const { enabledLines } = await import("./auto_backup_view.ts");
      const status = await autoBackupStatus(ctx);
      session.result(
        { success: true, ...status },
        () => enabledLines(status, session.out_style),
      );
    });
}

function addSchedule(group: Command, session: Session) {
  group.command("schedule")
    .description("when automatic backups are made, in words, with the next runs")
    .argument("[cron]", "five fields (minute hour day month weekday), or @daily and the like")
    .addHelpText(
      "after",
      examples(
        'duckback auto-backup schedule "30 2 * * *"',
        'duckback auto-backup schedule "*/15 8-18 * * 1-5"',
        "duckback auto-backup schedule @daily",
        "duckback config set auto_backup_timezone Europe/Berlin",
      ),
    )
    .action(async (cron) => {
      const ctx = session.context("auto-backup schedule");
      if (cron !== undefined) {
        const { changeSetting } = await import("../operations/change_setting.ts");
        await changeSetting(ctx, "auto_backup_schedule", cron);
      }
      const { describeSchedule } = await import("../schedule/describe.ts");
      const { scheduleLines } = await import("./auto_backup_view.ts");
      const found = await describeSchedule(ctx);
      session.result({ success: true, ...found }, () => scheduleLines(found, session.out_style));
    });
}

function addRun(group: Command, session: Session) {
  group.command("run")
    .description(
      "make the automatic backup now, of --stack or --work-dir, else of every registered stack",
    )
    .option("--task <task>", TASKS.join(", "), oneOf(...TASKS), "backup")
    .addOption(new Option("--slot <time>", "the moment it serves").hideHelp())
    .addHelpText(
      "after",
      examples(
        "duckback auto-backup run",
        "duckback auto-backup run --stack shop",
        "duckback auto-backup run --task verify",
      ),
    )
    .action(async (options) => {
      const ctx = session.context("auto-backup run");
      const { runTasks, wantedRuns } = await import("../schedule/run_task.ts");
      const task = options.task as TaskName;
      const slot = (options.slot as string | undefined) ?? null;
      if (slot !== null) ctx.actor = "schedule";
      const reports = await runTasks(ctx, wantedRuns(ctx, task, slot));
      const { runLines } = await import("./auto_backup_view.ts");
      const error = reports.find((report) => report.error)?.error;
      session.result(
        { success: !error, runs: reports, ...(error ? { error } : {}) },
        () => runLines(reports, session.out_style),
        codeOf(reports, error ?? null),
      );
    });
}

function codeOf(reports: RunReport[], error: ErrorData | null): number {
  if (error) return EXIT_CODES[error.code];
  if (reports.some(({ status }) => status === "failed")) return EXIT_CODES.FAILED;
  return reports.some(({ status }) => status === "partial") ? EXIT_CODES.PARTIAL : 0;
}

function addStatus(group: Command, session: Session) {
  group.command("status")
    .description("schedule, last and next runs, disk; the exit code tells health, for monitoring")
    .addHelpText(
      "after",
      `
Exit codes: 0 all is well, or automatic backups are off; 1 a run failed or is overdue, or no
daemon runs; 3 the last run is incomplete.` +
        examples("duckback auto-backup status", "duckback auto-backup status --json"),
    )
    .action(async () => {
      const { autoBackupStatus } = await import("../schedule/status.ts");
      const { statusLines } = await import("./auto_backup_view.ts");
      const status = await autoBackupStatus(session.context("auto-backup status"));
      const code = !status.healthy ? 1 : status.problems.length > 0 ? EXIT_CODES.PARTIAL : 0;
      session.result(
        { success: true, ...status },
        () => statusLines(status, session.terminal.now(), session.out_style),
        code,
      );
    });
}

function addDaemon(group: Command, session: Session) {
  group.command("daemon")
    .description("run what is due, each minute, until a signal (`install` has systemd start it)")
    .option(
      "--log-format <format>",
      "text, or json: an object a line",
      oneOf("text", "json"),
      "text",
    )
    .option("--log-file <file>", "write the log here instead of to standard error")
    .option("--log-size <mib>", "MiB after which the file is put aside", integer(1, 10_000), 10)
    .option("--log-keep <n>", "files put aside that are kept", integer(1, 1000), 5)
    .option("--once", "one look at what is due, for cron")
    .addOption(new Option("--heartbeat <seconds>").argParser(integer(1, 60)).hideHelp())
    .addHelpText(
      "after",
      examples(
        "duckback auto-backup daemon",
        "duckback auto-backup daemon --log-format json --log-file /var/log/duckback.log",
      ),
    )
    .action(async (options) => {
      const { terminal, globals } = session;
      const ctx = session.context("auto-backup daemon");
      const { daemonLog } = await import("./daemon_log.ts");
      const log = daemonLog({
        format: options.logFormat as "text" | "json",
        file: options.logFile === undefined ? null : resolve(terminal.cwd, options.logFile),
        max_bytes: options.logSize * 2 ** 20,
        max_files: options.logKeep,
        verbose: globals.verbose ?? false,
        quiet: globals.quiet ?? false,
        timed: terminal.env.JOURNAL_STREAM === undefined || options.logFile !== undefined,
      }, terminal.err);
      const { runDaemon } = await import("../schedule/daemon.ts");
      const heartbeat = options.heartbeat as number | undefined;
      try {
        await runDaemon(ctx, log, {
          beat_ms: heartbeat === undefined ? null : heartbeat * 1000,
          once: options.once ?? false,
        });
      } catch (cause) {
        // cron asks each minute, and a run may take longer.
        const busy = cause instanceof DuckbackError && cause.code === "LOCKED";
        if (!busy || !options.once) throw cause;
      }
    });
}

function addInstall(group: Command, session: Session) {
  for (const name of ["install", "uninstall"] as const) {
    group.command(name)
      .description(
        name === "install"
          ? "have systemd run the daemon, or cron where there is no systemd"
          : "take away what `install` put there",
      )
      .option(
        "--method <how>",
        "systemd or cron (default: what this machine has)",
        oneOf("systemd", "cron"),
      )
      .option("--root <dir>", "write below this directory and start nothing: for images")
      .option("--dry-run", "say what would be done, and do nothing")
      .addHelpText(
        "after",
        examples(`duckback auto-backup ${name} --dry-run`, `duckback auto-backup ${name}`),
      )
      .action(async (options) => {
        const operations = await import("../schedule/install.ts");
        const { installLines } = await import("./auto_backup_view.ts");
        const request: InstallOptions = {
          method: (options.method as InstallOptions["method"]) ?? null,
          dry_run: options.dryRun ?? false,
          root: options.root === undefined ? null : resolve(session.terminal.cwd, options.root),
        };
        const done: InstallOutcome = await operations[name](
          session.context(`auto-backup ${name}`),
          request,
        );
        session.result(
          { success: true, ...done },
          () => installLines(name, done, session.out_style),
        );
      });
  }
}

/** For the daemon, which loads no DuckDB itself. */
function addPlan(group: Command, session: Session) {
  group.command("plan", { hidden: true }).action(async () => {
    const { currentPlan } = await import("../schedule/run_task.ts");
    const plan = await currentPlan(session.context("auto-backup plan"));
    session.result({ success: true, plan }, () => [JSON.stringify(plan)]);
  });
}
