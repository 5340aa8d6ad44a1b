/** `init` and `status`: what a stack is, what would be backed up, and what needs attention. */
import { nextRuns } from "../config/cron.ts";
import type { SkippedMount, Source } from "../core/model.ts";
import { formatAge } from "../core/units.ts";
import type { ServiceLabels } from "../docker/labels.ts";
import { vanished } from "../repository/archive_directory.ts";
import { listAside, listJournals } from "../repository/journal.ts";
import { lockHolder } from "../repository/lock.ts";
import { audited } from "./audit.ts";
import type { Context } from "./context.ts";
import { DIED } from "./died.ts";
import { beginExclusive } from "./exclusive.ts";
import { labelNotes, liveWriters, sharingFindings } from "./label_findings.ts";
import { isRestorable, listBackups, type ListedBackup } from "./list.ts";
import { type Overdue, overdueStacks } from "./overdue.ts";
import { type ServiceView, views } from "./services.ts";
import { currentSettings } from "./settings.ts";
import { findStack, type FoundStack, registerStack } from "./stacks.ts";
import { whatToDo } from "./suspicion.ts";

export interface StackView {
  name: string;
  work_dir: string;
  compose_files: string[];
  sources: Source[];
  skipped: SkippedMount[];
  /** The `duckback.*` labels in force, by service; services without any are not in it. */
  labels: Record<string, ServiceLabels>;
}

export interface InitOutcome {
  stack: StackView;
  services: ServiceView[];
  catalogue: string;
  /** False where this home knew the stack already. */
  registered: boolean;
  notes: string[];
}

/** Makes the catalogue and registers the stack; says what would be backed up. */
export async function init(ctx: Context, options: { force: boolean }): Promise<InitOutcome> {
  using _lock = await beginExclusive(ctx);
  const found = await findStack(ctx);
  const { stack } = found;
  const action = {
    type: "init",
    description: `register stack ${stack.name}`,
    params: { stack: stack.name, work_dir: stack.work_dir },
  };
  return await audited(ctx, action, () =>
    Promise.resolve({
      stack: stackView(found),
      services: views(stack),
      catalogue: ctx.home.catalog,
      registered: registerStack(ctx, stack) || options.force,
      notes: notesOf(found, { fatal: true }),
    }), (done) => ({ message: done.registered ? "registered" : "known already" }));
}

function stackView({ stack }: FoundStack): StackView {
  return {
    name: stack.name,
    work_dir: stack.work_dir,
    compose_files: stack.compose_files,
    sources: stack.sources,
    skipped: stack.skipped,
    labels: Object.fromEntries(stack.labels),
  };
}

function notesOf({ stack, docker_error }: FoundStack, options: { fatal: boolean }): string[] {
  const findings = [
    ...sharingFindings(stack, null),
    ...liveWriters(stack, { heed_labels: true }, "pause"),
  ];
  const notes = [
    ...stack.notes,
    ...labelNotes(stack.labels),
    ...(options.fatal ? labelNotes(stack.labels, { fatal: true }) : []),
    ...findings.map(({ path, message }) => `${path} ${message}`),
  ];
  if (!docker_error || stack.services.length === 0) return notes;
  return [...notes, `${docker_error.message} ${docker_error.hint ?? ""}`.trim()];
}

export interface StatusOutcome {
  stack: StackView;
  services: ServiceView[];
  last_backup: ListedBackup | null;
  /** The backup that was drilled last. */
  last_drill: ListedBackup | null;
  /** When the next automatic backup is due (ISO 8601 UTC); null while they are off. */
  next_run: string | null;
  /** Sentences that name something to do. */
  problems: string[];
  /** Set where the last good backup is too long ago; a problem too. */
  overdue: Overdue | null;
  /** True where a run died and left something to mend, services that are down perhaps; a problem too. */
  died: boolean;
  /** What holds the home's lock, if anything. */
  running: string | null;
  notes: string[];
}

/** Looks, changes nothing. */
export async function status(ctx: Context): Promise<StatusOutcome> {
  const found = await findStack(ctx);
  const { stack } = found;
  const backups = await listBackups({ ...ctx, stack: stack.name });
  const last = backups.find(isRestorable) ?? null;
  const holder = lockHolder(ctx.home.lock);
  const [overdue = null] = await overdueStacks(ctx, stack.name);
  const died = holder === null && listJournals(ctx.home).length > 0;
  return {
    stack: stackView(found),
    services: views(stack),
    last_backup: last,
    last_drill: lastDrill(backups),
    next_run: await nextRun(ctx),
    problems: [
      ...(overdue ? [`${overdue.text}.`] : []),
      ...await goneDirectory(ctx),
      ...problems(ctx, found, backups, last, died),
    ],
    overdue,
    died,
    running: holder && `${holder.operation} (pid ${holder.pid}, since ${holder.since})`,
    notes: notesOf({ ...found, docker_error: null }, { fatal: false }),
  };
}

/** Told before the next backup is refused for it. */
async function goneDirectory(ctx: Context): Promise<string[]> {
  const { auto_backup_directory: directory } = await currentSettings(ctx);
  const why = vanished(ctx.home, directory);
  return why === null ? [] : [`The archive directory ${directory} is not what it was: ${why}.`];
}

async function nextRun(ctx: Context): Promise<string | null> {
  const settings = await currentSettings(ctx);
  if (!settings.auto_backup_enabled) return null;
  const { auto_backup_schedule: schedule, auto_backup_timezone: timezone } = settings;
  return nextRuns(schedule, timezone, ctx.now(), 1)[0]?.toISOString() ?? null;
}

function lastDrill(backups: ListedBackup[]): ListedBackup | null {
  return backups.filter(({ drilled_at }) => drilled_at !== null)
    .sort((a, b) => a.drilled_at! < b.drilled_at! ? 1 : -1)[0] ?? null;
}

function problems(
  ctx: Context,
  { stack, docker_error }: FoundStack,
  backups: ListedBackup[],
  last: ListedBackup | null,
  died: boolean,
): string[] {
  const found: string[] = [];
  if (docker_error && stack.services.length > 0) found.push(docker_error.message);
  found.push(...labelNotes(stack.labels, { fatal: true }));
  if (died) {
    found.push(DIED);
  }
  for (const path of listAside(ctx.home)) {
    found.push(
      `The journal of a run that died could not be read: see that all services run, then delete ${path}`,
    );
  }
  if (!last) found.push("There is no good backup yet: run `duckback backup create`.");
  const newest = backups[0];
  if (newest?.status === "failed") {
    found.push(
      `The newest backup (${newest.id}, ${formatAge(newest.created_at, ctx.now())}) failed: ` +
        `${newest.error_message}`,
    );
  }
  const lastPass = backups.filter(({ drill_status }) => drill_status === "passed")
    .map(({ drilled_at }) => drilled_at!).sort().at(-1) ?? "";
  for (const { id, suspicion, suspicion_cleared_at } of backups) {
    if (suspicion === null || suspicion_cleared_at !== null) continue;
    const what = suspicion.map(({ message }) => message).join("; ");
    found.push(`Backup ${id} is suspicious: ${what}. ${whatToDo(id, null)}`);
  }
  for (const backup of backups) {
    if (backup.backup_path === "-" || !["completed", "partial"].includes(backup.status)) continue;
    if (!backup.file_exists) found.push(`The archive of backup ${backup.id} is missing.`);
    else if (backup.verify_status === "failed") {
      found.push(`The archive of backup ${backup.id} is damaged.`);
    } else if (backup.chain_problem !== undefined) {
      found.push(`Backup ${backup.id} cannot be restored: ${backup.chain_problem}.`);
    }
    if (backup.drill_status === "failed" && backup.drilled_at! > lastPass) {
      found.push(
        `The drill of backup ${backup.id} failed (${formatAge(backup.drilled_at!, ctx.now())}): ` +
          `see why with \`duckback backup verify ${backup.id} --level drill\`.`,
      );
    }
  }
  for (const container of stack.containers) {
    const bad = container.health === "unhealthy" || container.state === "restarting" ||
      container.state === "dead";
    if (bad) {
      found.push(
        `Service ${container.service ?? container.name} is ${container.health ?? container.state}.`,
      );
    }
  }
  return found;
}
