/** How backups look to people. */
import type { BackupRecord, SkippedMount } from "../core/model.ts";
import {
  count,
  formatAge,
  formatBytes,
  formatDuration,
  formatLocalTime,
  grouped,
} from "../core/units.ts";
import type { BackupOutcome } from "../operations/backup.ts";
import type { BackupPlan } from "../operations/backup_plan.ts";
import { DIED } from "../operations/died.ts";
import type { ListedBackup } from "../operations/list.ts";
import type { Estimate } from "../operations/preflight.ts";
import { whatToDo } from "../operations/suspicion.ts";
import type { Style } from "./style.ts";
import { cell, facts, table } from "./table.ts";

/** The end of `backup create`. */
export function backupLines({ backup, problems, health }: BackupOutcome, style: Style): string[] {
  const good = problems.length === 0;
  const head = good
    ? style.green(`Backup ${backup.id} is complete.`)
    : style.yellow(`Backup ${backup.id} is ${backup.status}: not all is as it should be.`);
  const down = backup.downtime_ms === null
    ? ""
    : `, services down for ${formatDuration(backup.downtime_ms)}`;
  return [
    style.bold(head),
    ...facts([
      ["archive", backup.backup_path === "-" ? "standard output" : cell(backup.backup_path)],
      ["size", sizeText(backup)],
      ["time", formatDuration(backup.duration_ms ?? 0) + down],
      ["consistency", consistencyText(backup)],
      ["dumps", dumpsText(backup)],
      ["verified", verdict(backup)],
      [
        "services",
        health && health.healthy.length > 0
          ? `${count(health.healthy.length, "container")} running`
          : null,
      ],
    ]),
    ...problems.map((problem) => style.yellow(`  ! ${cell(problem)}`)),
    ...suspicionLines(backup, style),
    ...(backup.backup_metadata?.skipped ?? []).map(skippedLine),
    ...unhealthyLines(health),
  ];
}

/** Loud until somebody has acknowledged it. */
function suspicionLines(backup: BackupRecord, style: Style): string[] {
  const { id, suspicion, suspicion_cleared_at } = backup;
  if (suspicion === null) return [];
  const cleared = suspicion_cleared_at !== null;
  const head = cleared
    ? `  suspicious, acknowledged ${formatLocalTime(suspicion_cleared_at)}:`
    : style.red(style.bold("  SUSPICIOUS: the data may have been damaged before it was backed up"));
  const lines = suspicion.map(({ message }) => `    ${cell(message)}`);
  return [head, ...lines, ...(cleared ? [] : [`    ${whatToDo(id, null)}`])];
}

function skippedLine({ name, service, reason }: SkippedMount): string {
  const where = service ? ` of ${cell(service)}` : "";
  return `  not backed up: ${cell(name)}${where}: ${cell(reason)}`;
}

/** The last log lines of services that did not come back. */
export function unhealthyLines(health: BackupOutcome["health"]): string[] {
  return (health?.unhealthy ?? []).flatMap((service) => [
    `  last lines of ${service.service}:`,
    ...service.log_tail.map((line) => `    ${cell(line)}`),
  ]);
}

function sizeText(backup: BackupRecord): string | null {
  if (backup.backup_size === null) return null;
  return `${formatBytes(backup.backup_size)} (from ${formatBytes(backup.source_bytes ?? 0)} in ` +
    `${count(backup.file_count ?? 0, "file")})`;
}

const CONSISTENCY: Record<string, string> = {
  stopped: "services were stopped in good order",
  killed: "CRASH-CONSISTENT: a service did not end in good order, or ran meanwhile",
  paused: "services were paused (crash-consistent)",
  live: "CRASH-CONSISTENT: services ran meanwhile",
  idle: "nothing ran",
};

function consistencyText(backup: BackupRecord): string | null {
  const consistency = backup.backup_metadata?.consistency;
  if (!consistency) return null;
  const dumped = (backup.backup_metadata?.dumps ?? []).length > 0;
  return consistency === "idle" && dumped
    ? "nothing ran but what was dumped"
    : CONSISTENCY[consistency];
}

function dumpsText({ backup_metadata }: BackupRecord): string | null {
  const dumps = (backup_metadata?.dumps ?? []).map(({ service, kind, bytes }) =>
    `${cell(service)} (${kind}, ${formatBytes(bytes)})`
  );
  return dumps.length > 0 ? dumps.join(", ") : null;
}

const PASSED = {
  quick: "yes, by its SHA-256",
  full: "yes, read back in full",
  drill: "yes, by a drill",
};

function verdict(backup: BackupRecord): string {
  if (backup.verify_status === "passed") return PASSED[backup.verify_level ?? "full"];
  return backup.verify_status === "failed" ? "FAILED" : "no";
}

/** The table of `backup list`. */
export function listLines(backups: ListedBackup[], now: Date, style: Style): string[] {
  if (backups.length === 0) return ["There are no backups yet. Make one: duckback backup create"];
  const died = backups.some((backup) => backup.died);
  return [...backupTable(backups, now, style), ...(died ? ["", `! ${DIED}`] : [])];
}

function backupTable(backups: ListedBackup[], now: Date, style: Style): string[] {
  return table(
    [
      { title: "ID", align: "right" },
      { title: "AGE", align: "right" },
      { title: "CREATED" },
      { title: "STACK" },
      { title: "TRIGGER" },
      { title: "TYPE" },
      { title: "VERSION" },
      { title: "SIZE", align: "right" },
      { title: "FILES", align: "right" },
      { title: "STATUS" },
      { title: "VERIFIED" },
      { title: "KEPT" },
      { title: "DESCRIPTION" },
    ],
    backups.map((backup) => [
      String(backup.id),
      formatAge(backup.created_at, now),
      formatLocalTime(backup.created_at),
      cell(backup.stack),
      backup.trigger,
      backup.backup_type,
      cell(backup.source_version),
      backup.backup_size === null ? "-" : formatBytes(backup.backup_size),
      backup.file_count === null ? "-" : grouped(backup.file_count),
      statusText(backup, style),
      verifiedText(backup),
      keptText(backup),
      cell(backup.description),
    ]),
    style.bold,
  );
}

/** What keeps it from being pruned, or when it may be; "" leaves it to the policy. */
function keptText({ pinned, expires_at }: BackupRecord): string {
  if (pinned) return "pinned";
  return expires_at === null ? "" : `until ${formatLocalTime(expires_at).slice(0, 10)}`;
}

/** "passed", with what a drill said; "-" where it was never verified. */
function verifiedText({ verify_status, drill_status, drill_seconds }: BackupRecord): string {
  if (verify_status === null) return "-";
  if (drill_status === null) return verify_status;
  const drill = drill_status === "failed" ? "FAILED" : formatDuration((drill_seconds ?? 0) * 1000);
  return `${verify_status}, drill ${drill}`;
}

/** Status of a backup, or of its file where that is worse. */
export function statusText(backup: ListedBackup, style: Style): string {
  if (backup.status === "failed") return style.red("failed");
  if (backup.died) return style.red("died");
  if (backup.status === "running") return style.cyan("running");
  if (backup.backup_path === "-") return "streamed";
  if (!backup.file_exists) return style.red("file missing");
  if (backup.verify_status === "failed") return style.red("damaged");
  if (backup.chain_problem !== undefined) return style.red("base unusable");
  if (backup.suspicion !== null && backup.suspicion_cleared_at === null) {
    return style.red("suspicious");
  }
  return backup.status === "partial" ? style.yellow("partial") : style.green("completed");
}

/** What an incremental backup needs, nearest first; null for any other. */
function chainText({ parent_id, backup_metadata }: BackupRecord): string | null {
  const length = backup_metadata?.chain?.length ?? 0;
  if (length === 0) return null;
  return length === 1 ? `backup ${parent_id}` : `backup ${parent_id} and ${length - 1} before it`;
}

/** `backup show`. */
export function showLines(backup: ListedBackup, now: Date, style: Style): string[] {
  const { backup_metadata: meta } = backup;
  const lines = [
    style.bold(`Backup ${backup.id}  ${cell(backup.backup_name)}`),
    ...facts([
      ["status", statusText(backup, style)],
      ["error", cell(backup.error_message)],
      ["problem", cell(backup.chain_problem ?? null)],
      ["stack", `${cell(backup.stack)} in ${cell(meta?.work_dir)}`],
      ["created", `${formatLocalTime(backup.created_at)} (${formatAge(backup.created_at, now)})`],
      ["type", `${backup.backup_type}, ${backup.trigger}`],
      ["needs", chainText(backup)],
      ["version", cell(backup.source_version)],
      ["description", cell(backup.description)],
      ["kept", keptText(backup)],
      ["archive", backup.backup_path === "-" ? "standard output" : cell(backup.backup_path)],
      ["size", sizeText(backup)],
      ["compression", `${backup.compression_type} ${meta?.level ?? ""}`.trim()],
      ["sha256", backup.backup_hash],
      ["duration", backup.duration_ms === null ? null : formatDuration(backup.duration_ms)],
      ["downtime", backup.downtime_ms === null ? null : formatDuration(backup.downtime_ms)],
      ["consistency", consistencyText(backup)],
      ["dumps", dumpsText(backup)],
      [
        "verified",
        backup.verified_at && `${verdict(backup)} (${formatLocalTime(backup.verified_at)})`,
      ],
      ["drill", drillFact(backup)],
    ]),
  ];
  lines.push(...suspicionLines(backup, style));
  if (meta) lines.push(...sourceLines(meta.sources, meta.skipped, style));
  if (backup.warnings.length > 0) {
    lines.push("", style.bold("Warnings"));
    for (const warning of backup.warnings) {
      lines.push(`  ${warning.code}  ${cell(warning.path)}: ${cell(warning.message)}`);
    }
  }
  return lines;
}

/** "passed, back within 12.3 s (2026-...)"; null where it was never drilled. */
export function drillFact({ drill_status, drilled_at, drill_seconds }: BackupRecord) {
  if (drill_status === null || drilled_at === null) return null;
  const how = drill_status === "failed"
    ? "FAILED"
    : `passed, back within ${formatDuration((drill_seconds ?? 0) * 1000)}`;
  return `${how} (${formatLocalTime(drilled_at)})`;
}

/** What is backed up and what is not, for `init`, `show` and `--dry-run`. */
export function sourceLines(
  sources: BackupPlan["sources"],
  skipped: BackupPlan["stack"]["skipped"],
  style: Style,
): string[] {
  const lines = ["", style.bold("Backed up")];
  lines.push(
    ...table(
      [{ title: "" }, { title: "" }, { title: "" }, { title: "" }],
      sources.map((source) => [
        `  ${source.role}`,
        source.kind,
        cell(source.name),
        style.dim(cell(source.origin)),
      ]),
    ).filter((line) => line.trim() !== ""),
  );
  if (skipped.length === 0) return lines;
  lines.push("", style.bold("Not backed up"));
  for (const mount of skipped) {
    const where = mount.service ? ` of ${cell(mount.service)}` : "";
    lines.push(`  ${cell(mount.name)}${where}: ${cell(mount.reason)}`);
  }
  return lines;
}

/** Services; of other projects the containers. */
function stopNames(plan: BackupPlan): string[] {
  return (plan.quiesce?.items ?? []).map((item) =>
    item.sharing ? item.name : item.service ?? item.name
  );
}

type Preview = { plan: BackupPlan; estimate: Estimate };

/** `backup create --dry-run --json`. */
export function previewDocument({ plan, estimate }: Preview): Record<string, unknown> {
  return {
    success: true,
    dry_run: true,
    stack: plan.stack.name,
    sources: plan.sources,
    skipped: plan.stack.skipped,
    would_stop: stopNames(plan),
    would_dump: plan.dumps.map(({ service, kind, archive_path }) => ({
      service,
      kind,
      path: archive_path,
    })),
    archive: plan.path,
    estimate,
    notes: plan.notes,
  };
}

function freeText({ free_bytes, min_free_bytes }: Estimate): string | null {
  if (free_bytes === null) return null;
  const stay = min_free_bytes > 0 ? ` (${formatBytes(min_free_bytes)} of it to stay free)` : "";
  return formatBytes(free_bytes) + stay;
}

/** `backup create --dry-run`. */
export function previewLines({ plan, estimate }: Preview, style: Style): string[] {
  const stops = stopNames(plan);
  return [
    style.bold(`Would back up ${cell(plan.stack.name)}; nothing was done.`),
    ...facts([
      ["archive", cell(plan.path)],
      ["files", `${count(estimate.files, "file")}, ${formatBytes(estimate.bytes)}`],
      [
        "archive size",
        estimate.archive_bytes === null
          ? "not known before the first backup"
          : `about ${formatBytes(estimate.archive_bytes)}` +
            (estimate.runs > 0 ? `, by the last ${count(estimate.runs, "run")}` : ""),
      ],
      ["free", freeText(estimate)],
      [plan.mode === "pause" ? "would pause" : "would stop", stops.join(", ") || "nothing"],
      [
        "would dump",
        plan.dumps.map(({ service, kind }) => `${cell(service)} (${kind})`).join(", ") || null,
      ],
    ]),
    ...sourceLines(plan.sources, plan.stack.skipped, style),
    ...plan.notes.map((note) => style.yellow(`  ! ${cell(note)}`)),
  ];
}
