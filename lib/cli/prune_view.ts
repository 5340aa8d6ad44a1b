/** How a prune looks to people, and to programs. */
import { count, formatBytes, formatLocalTime } from "../core/units.ts";
import type { PruneOutcome } from "../operations/prune.ts";
import type { Verdict } from "../retention/policy.ts";
import type { Style } from "./style.ts";
import { cell, table } from "./table.ts";

/** `backup prune --json`. */
export function pruneDocument({ verdicts, ...outcome }: PruneOutcome): Record<string, unknown> {
  return {
    success: true,
    ...outcome,
    backups: verdicts.map(({ backup, action, reasons }) => ({
      id: backup.id,
      backup_name: backup.backup_name,
      backup_path: backup.backup_path,
      stack: backup.stack,
      created_at: backup.created_at,
      trigger: backup.trigger,
      backup_type: backup.backup_type,
      status: backup.status,
      backup_size: backup.backup_size,
      action,
      reasons,
    })),
  };
}

/** `backup prune`: a line a backup, what goes and what stays, and why. */
export function pruneLines(outcome: PruneOutcome, style: Style): string[] {
  if (outcome.verdicts.length === 0) return ["There are no backups to decide on."];
  const rows = outcome.verdicts.map(({ backup, action, reasons }) => [
    String(backup.id),
    formatLocalTime(backup.created_at),
    cell(backup.stack),
    backup.trigger,
    backup.backup_type,
    backup.backup_size === null ? "-" : formatBytes(backup.backup_size),
    ACTIONS[action](style),
    cell(reasons.map(({ text }) => text).join("; ")),
  ]);
  const columns = ["ID", "CREATED", "STACK", "TRIGGER", "TYPE", "SIZE", "", "WHY"];
  return [
    ...table(
      columns.map((title) => ({ title, align: ["ID", "SIZE"].includes(title) ? "right" : "left" })),
      rows,
      style.bold,
    ),
    "",
    ...summary(outcome, style),
  ];
}

const ACTIONS: Record<Verdict["action"], (style: Style) => string> = {
  keep: (style) => style.green("keep"),
  remove: (style) => style.red("remove"),
  remove_files: (style) => style.yellow("remove files"),
};

function summary(outcome: PruneOutcome, style: Style): string[] {
  const { removed, held, freed_bytes, kept_bytes, over_limit_bytes, problems, dry_run } = outcome;
  const verb = dry_run ? "Would remove" : "Removed";
  const lines = [
    style.bold(
      removed.length === 0 && freed_bytes === 0
        ? `Nothing ${dry_run ? "would be" : "was"} removed.`
        : `${verb} ${count(removed.length, "backup")}, ${formatBytes(freed_bytes)}.`,
    ) + ` ${formatBytes(kept_bytes)} of archives stay.`,
  ];
  if (held.length > 0) {
    lines.push(style.yellow(
      `! ${count(held.length, "backup")} past their time stay for now; --force removes them.`,
    ));
  }
  if (over_limit_bytes > 0) {
    lines.push(style.yellow(
      `! That is ${
        formatBytes(over_limit_bytes)
      } over backup.max_total_bytes: the rest is protected.`,
    ));
  }
  return [...lines, ...problems.map((problem) => style.yellow(`! ${cell(problem)}`))];
}
