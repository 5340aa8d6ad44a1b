/** How `auto-backup` looks for people. */
import { formatAge, formatBytes, formatDuration } from "../core/units.ts";
import type { ScheduleView } from "../schedule/describe.ts";
import type { InstallOutcome } from "../schedule/install.ts";
import type { RunReport } from "../schedule/run_task.ts";
import { type RunEntry, runName } from "../schedule/state.ts";
import type { AutoBackupStatus } from "../schedule/status.ts";
import { zonedTime } from "../schedule/words.ts";
import type { Style } from "./style.ts";
import { cell, facts, table } from "./table.ts";

export function enabledLines(status: AutoBackupStatus, style: Style): string[] {
  if (!status.enabled) return ["Automatic backups are off."];
  return [
    style.bold("Automatic backups are on."),
    ...facts([
      ["schedule", scheduleText(status)],
      ["next run", status.next_run && zonedTime(new Date(status.next_run), status.timezone)],
    ]),
    ...problemLines(status, style),
  ];
}

export function scheduleLines(found: ScheduleView, style: Style): string[] {
  return [
    style.bold(found.schedule_text),
    ...facts([["schedule", found.schedule], ["time zone", found.timezone]]),
    "",
    "Next runs",
    ...found.next_runs.map((run) => `  ${zonedTime(new Date(run), found.timezone)}`),
    ...(found.enabled
      ? []
      : ["", "Automatic backups are off: duckback auto-backup enabled --enable true"]),
  ];
}

export function runLines(reports: RunReport[], style: Style): string[] {
  return reports.flatMap((report) => [
    `${cell(runName(report))}: ${statusText(report, style)}` +
    (report.message ? `, ${report.message.split("\n").map(cell).join("\n")}` : ""),
    ...(report.error?.hint ? [`  hint: ${cell(report.error.hint)}`] : []),
  ]);
}

export function statusLines(status: AutoBackupStatus, now: Date, style: Style): string[] {
  const { daemon, disk } = status;
  return [
    style.bold(`Automatic backups are ${status.enabled ? "on" : "off"}.`),
    ...facts([
      ["schedule", scheduleText(status)],
      ["next run", status.next_run && zonedTime(new Date(status.next_run), status.timezone)],
      [
        "last run",
        status.last_time && `${formatAge(status.last_time, now)}, ${cell(status.last_status)}`,
      ],
      ["daemon", daemonText(daemon, now)],
      ["archives", disk.directory],
      [
        "disk",
        `${formatBytes(disk.used_bytes)} in ${disk.backups} backups` +
        (disk.free_bytes === null ? "" : `, ${formatBytes(disk.free_bytes)} free`),
      ],
    ]),
    ...(status.tasks.length === 0 ? [] : [
      "",
      ...table(
        [{ title: "TASK" }, { title: "SCHEDULE" }, { title: "NEXT RUN" }, { title: "LAST RUN" }, {
          title: "RESULT",
        }, { title: "" }],
        status.tasks.map((task) => [
          cell(runName(task)),
          task.schedule,
          task.next_run ? zonedTime(new Date(task.next_run), status.timezone) : "never",
          task.last_run ? formatAge(task.last_run.started_at, now) : "",
          task.last_run ? statusText(task.last_run, style) : "",
          cell(task.waiting),
        ]),
        style.bold,
      ),
    ]),
    ...(status.history.length === 0 ? [] : [
      "",
      ...table(
        [
          { title: "RUN" },
          { title: "STARTED" },
          { title: "TOOK", align: "right" },
          { title: "RESULT" },
          { title: "" },
        ],
        status.history.map((run) => [
          cell(runName(run)),
          zonedTime(new Date(run.started_at), status.timezone),
          run.ended_at
            ? formatDuration(Math.max(0, Date.parse(run.ended_at) - Date.parse(run.started_at)))
            : "",
          statusText(run, style),
          cell((run.message ?? "").split("\n")[0]),
        ]),
        style.bold,
      ),
    ]),
    ...problemLines(status, style),
  ];
}

export function installLines(
  name: "install" | "uninstall",
  done: InstallOutcome,
  style: Style,
): string[] {
  const would = done.dry_run ? "would " : "";
  const lines = done.steps.flatMap((step) => {
    if (step.do === "command") return [`${would}run    ${step.command.map(cell).join(" ")}`];
    if (step.do === "remove") return [`${would}remove ${cell(step.path)}`];
    const content = step.content.trimEnd().split("\n").map((line) => style.dim(`  ${cell(line)}`));
    return [`${would}write  ${cell(step.path)}`, ...content];
  });
  if (lines.length === 0) return ["Nothing is installed."];
  if (done.dry_run) return lines;
  const next = name === "install" ? "Next: duckback auto-backup status" : "The daemon is gone.";
  return [...lines, "", next];
}

function scheduleText(status: AutoBackupStatus): string {
  return `${status.schedule_text} (${status.schedule}, ${status.timezone})`;
}

function daemonText(daemon: AutoBackupStatus["daemon"], now: Date): string {
  if (daemon.running) return `runs (pid ${daemon.pid}, since ${daemon.since})`;
  return daemon.last_beat ? `was last seen ${formatAge(daemon.last_beat, now)}` : "was never seen";
}

function statusText({ status }: Pick<RunEntry, "status">, style: Style): string {
  if (status === "completed") return style.green(status);
  return status === "running" || status === "partial" ? style.yellow(status) : style.red(status);
}

function problemLines({ problems }: AutoBackupStatus, style: Style): string[] {
  if (problems.length === 0) return [];
  return [
    "",
    ...problems.map(({ text }) => style.yellow(`! ${text.split("\n").map(cell).join(" ")}`)),
  ];
}
