/** How a rollback looks before and after. */
import { count, formatBytes, formatDuration } from "../core/units.ts";
import type { Change } from "../operations/live_changes.ts";
import type { RollbackOutcome } from "../operations/rollback.ts";
import { unhealthyLines } from "./backup_view.ts";
import type { Style } from "./style.ts";
import { cell, facts } from "./table.ts";

export type Preview = Awaited<
  ReturnType<typeof import("../operations/rollback_preview.ts").planPreview>
>;

/** The backups one can roll back to, in the shape front ends read; further fields follow. Times are UTC. */
export async function listDocument(ctx: import("../operations/context.ts").Context) {
  const { listBackups } = await import("../operations/list.ts");
  const backups = await listBackups(ctx);
  return {
    success: true,
    backups: backups.filter((backup) => backup.status !== "running").map((backup) => ({
      id: backup.id,
      backup_type: backup.trigger === "pre-upgrade" ? "PreUpgrade" : "Manual",
      created_at: backup.created_at.slice(0, 19).replace("T", " "),
      service_version: backup.source_version ?? "",
      file_path: backup.backup_path,
      file_size: backup.backup_size,
      file_exists: backup.file_exists,
      kind: backup.backup_type,
      trigger: backup.trigger,
      status: backup.status,
      stack: backup.stack,
    })),
    error: null,
  };
}

/** What will happen. At most `most` changes are listed one by one. */
export function previewLines(preview: Preview, most: number): string[] {
  const { totals, list, not_listed } = preview.changes;
  const shown = list.slice(0, most);
  const unlisted = list.length - shown.length + not_listed;
  const total = (verb: string, { entries, bytes }: typeof totals.create) =>
    entries > 0 ? `${verb} ${count(entries, "entry", "entries")} (${formatBytes(bytes)})` : "";
  const sums = [
    total("creates", totals.create),
    total("changes", totals.change),
    total("removes", totals.remove),
    total("keeps", totals.keep),
    total("leaves the same", totals.same),
  ].filter((text) => text !== "");
  return [
    `Rolling back stack ${
      cell(preview.stack)
    } to backup ${preview.backup_id} of ${preview.created_at}:`,
    ...preview.replaces.map((target) =>
      `  ${target.exists ? "replaces" : "creates "}  ${cell(target.path)}  (${target.role})`
    ),
    ...shown.map(changeLine),
    ...(unlisted > 0 ? [`    and ${count(unlisted, "path")} more`] : []),
    `  ${sums.join(", ")}`,
    ...preview.space.map(({ path, needed_bytes, free_bytes }) =>
      `  needs ${formatBytes(needed_bytes)} beside what is there in ${cell(path)}, ` +
      `${formatBytes(free_bytes)} are free`
    ),
    preview.would_stop.length > 0
      ? `  stops and starts ${preview.would_stop.join(", ")}`
      : "  no service runs",
    "  first makes a safety backup of what it replaces",
    ...[...preview.differences.map(({ message }) => message), ...preview.problems]
      .map((text) => `  ! ${cell(text)}`),
  ];
}

function changeLine({ action, path, type, entries, bytes, bytes_now }: Change): string {
  const name = type === "directory" ? `${path}/` : path;
  const size = action === "change" && bytes !== bytes_now
    ? `${formatBytes(bytes_now ?? 0)} now, ${formatBytes(bytes ?? 0)} then`
    : formatBytes(bytes ?? bytes_now ?? 0);
  const many = entries > 1 ? `${count(entries, "entry", "entries")}, ` : "";
  return `    ${action.padEnd(6)}  ${cell(name)}  ${many}${size}`;
}

export function outcomeLines(outcome: RollbackOutcome, style: Style): string[] {
  const { backup, safety_backup, problems, health } = outcome;
  const head = `The stack is back at backup ${backup.id}.`;
  return [
    style.bold(problems.length > 0 ? style.yellow(head) : style.green(head)),
    ...facts([
      [
        "restored",
        `${count(outcome.restored.length, "source")}, ${
          count(outcome.entries, "entry", "entries")
        }, ${formatBytes(outcome.bytes)}`,
      ],
      ["downtime", outcome.downtime_ms === null ? null : formatDuration(outcome.downtime_ms)],
      ["safety", safety_backup && `backup ${safety_backup.id} holds what was replaced`],
      ["undo", outcome.can_undo ? "duckback rollback --undo" : null],
    ]),
    ...outcome.differences.map(({ message }) => `  note: ${cell(message)}`),
    ...problems.map((problem) => style.yellow(`  ! ${cell(problem)}`)),
    ...unhealthyLines(health),
  ];
}
