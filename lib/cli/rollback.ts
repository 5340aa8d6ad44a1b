/** `duckback rollback` and `rollback-data-only`. */
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import type { Role } from "../core/model.ts";
import { formatAge, formatBytes, formatDuration } from "../core/units.ts";
import type { ListedBackup } from "../operations/list.ts";
import type { RollbackOutcome } from "../operations/rollback.ts";
import { unhealthyLines } from "./backup_view.ts";
import { backupId, examples } from "./options.ts";
import type { Session } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, facts } from "./table.ts";

const EXAMPLES = `
Before anything is replaced, the archive is checked in full and a safety backup is made of what will
be replaced. If the services do not come up again, everything is put back.

Examples:
  duckback rollback                       choose from a list
  duckback rollback 12                    compose files, configuration, secrets
  duckback rollback 12 --rollback-data    volumes and data directories too
  duckback rollback-data-only 12          only those
  duckback rollback --undo                back to before the last rollback`;

interface Options {
  force?: boolean;
  listJson?: boolean;
  rollbackData?: boolean;
  autoStartService?: boolean;
  dryRun?: boolean;
  undo?: boolean;
}

export function addRollback(program: Command, session: Session) {
  program.command("rollback")
    .description("put the stack back to a backup (files of role app; --rollback-data: all)")
    .argument("[id]", "the backup's id", backupId)
    .option(
      "--force",
      "do not ask, and go on where the safety backup is only partial",
    )
    .option("--list-json", "print the backups one can roll back to, as one JSON document")
    .option("--rollback-data", "replace volumes and data directories too")
    .option("--no-auto-start-service", "leave the services stopped afterwards")
    .option("--dry-run", "say what would be replaced, and do nothing")
    .option("--undo", "put back what the last rollback replaced")
    .addHelpText("after", EXAMPLES)
    .action(async (id, options) => {
      const roles: Role[] = options.rollbackData ? ["app", "data"] : ["app"];
      await main(session, "rollback", id ?? null, roles, options);
    });
  program.command("rollback-data-only")
    .description("put volumes and data directories back to a backup")
    .argument("[id]", "the backup's id", backupId)
    .option(
      "--force",
      "do not ask, and go on where the safety backup is only partial",
    )
    .option("--no-auto-start-service", "leave the services stopped afterwards")
    .option("--dry-run", "say what would be replaced, and do nothing")
    .addHelpText(
      "after",
      examples("duckback rollback-data-only 12", "duckback rollback-data-only 12 --force"),
    )
    .action(async (id, options) => {
      await main(session, "rollback-data-only", id ?? null, ["data"], options);
    });
}

async function main(
  session: Session,
  command: string,
  id: number | null,
  roles: Role[],
  options: Options,
) {
  if (options.listJson) return await listJson(session, command);
  if (options.undo) return await undo(session, options.force ?? false);
  const ctx = session.context(command);
  if (!options.dryRun) {
    // What one is shown and asked about must be the stack as it is when the rollback begins.
    const { recover } = await import("../operations/recover.ts");
    await recover(ctx);
  }
  const chosen = id ?? await choose(session, command);
  const { planPreview } = await import("../operations/rollback_preview.ts");
  const preview = await planPreview(ctx, chosen, roles);
  if (options.dryRun) {
    return session.result(
      { success: true, dry_run: true, ...preview },
      () => previewLines(preview),
    );
  }
  if (!options.force) {
    await confirm(session, [...previewLines(preview), `Roll back to backup ${chosen}?`]);
  }
  const { rollback } = await import("../operations/rollback.ts");
  const outcome = await rollback(ctx, {
    id: chosen,
    roles,
    force: options.force ?? false,
    start_services: options.autoStartService ?? true,
  });
  session.result(
    { success: true, ...outcome },
    () => outcomeLines(outcome, session.out_style),
    outcome.problems.length > 0 ? EXIT_CODES.PARTIAL : 0,
  );
}

/** The shape front ends read since the Rust tool; further fields follow. Times are UTC. */
async function listJson(session: Session, command: string) {
  const { listBackups } = await import("../operations/list.ts");
  const backups = await listBackups(session.context(command));
  const document = {
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
  session.result(document, () => []);
}

async function choose(session: Session, command: string): Promise<number> {
  if (!session.interactive) {
    throw new DuckbackError("USAGE", "Cannot roll back: no backup was named", {
      hint: "Give its id; `duckback backup list` shows them.",
    });
  }
  const { isRestorable, listBackups } = await import("../operations/list.ts");
  const backups = await listBackups(session.context(command));
  if (!backups.some(isRestorable)) {
    throw new DuckbackError(
      "NO_SUCH_BACKUP",
      "Cannot roll back: there is no backup to go back to",
      {
        hint: "Make one with `duckback backup create`.",
      },
    );
  }
  const prompts = await import("./prompts.ts");
  const now = session.terminal.now();
  session.settle();
  return await prompts.choose(
    "Roll back to which backup?",
    [
      ...backups.map((backup) => ({
        name: choiceText(backup, now),
        value: backup.id,
        disabled: isRestorable(backup) ? undefined : whyNot(backup),
      })),
      { name: "none: leave everything as it is", value: 0 },
    ],
    session.terminal.signal,
  ).then((id) => {
    if (id === 0) throw answeredNo();
    return id;
  });
}

function choiceText(backup: ListedBackup, now: Date): string {
  const size = backup.backup_size === null ? "-" : formatBytes(backup.backup_size);
  return [
    String(backup.id).padStart(4),
    formatAge(backup.created_at, now).padStart(12),
    cell(backup.source_version ?? "").padEnd(10),
    size.padStart(10),
    `${backup.trigger} ${backup.backup_type}`.padEnd(18),
    backup.status,
    cell(backup.description),
  ].join("  ");
}

function whyNot(backup: ListedBackup): string {
  if (backup.status === "failed") return "(it failed)";
  if (backup.status === "running") return "(it is not done)";
  if (!backup.file_exists) return "(its archive is missing)";
  return "(its archive is damaged)";
}

async function confirm(session: Session, lines: string[]) {
  if (!session.interactive) {
    throw new DuckbackError(
      "USAGE",
      "Cannot roll back without asking: there is no terminal to ask at",
      {
        hint: "Add --force if you are sure; --dry-run shows what would be replaced.",
      },
    );
  }
  session.settle();
  for (const line of lines.slice(0, -1)) session.terminal.err(`${line}\n`);
  const { agree } = await import("./prompts.ts");
  if (await agree(lines.at(-1)!, session.terminal.signal)) return;
  throw answeredNo();
}

/** Ends like an interruption (exit code 130), but says what it was. */
function answeredNo(): DuckbackError {
  return new DuckbackError("INTERRUPTED", "Nothing was changed: the answer was no");
}

type Preview = Awaited<ReturnType<typeof import("../operations/rollback_preview.ts").planPreview>>;

function previewLines(preview: Preview): string[] {
  return [
    `Rolling back stack ${
      cell(preview.stack)
    } to backup ${preview.backup_id} of ${preview.created_at}:`,
    ...preview.replaces.map((target) =>
      `  ${target.exists ? "replaces" : "creates "}  ${cell(target.path)}  (${target.role})`
    ),
    preview.would_stop.length > 0
      ? `  stops and starts ${preview.would_stop.join(", ")}`
      : "  no service runs",
    "  first makes a safety backup of what it replaces",
  ];
}

function outcomeLines(outcome: RollbackOutcome, style: Style): string[] {
  const { backup, safety_backup, problems, health } = outcome;
  const head = `The stack is back at backup ${backup.id}.`;
  return [
    style.bold(problems.length > 0 ? style.yellow(head) : style.green(head)),
    ...facts([
      [
        "restored",
        `${outcome.restored.length} sources, ${outcome.entries} entries, ${
          formatBytes(outcome.bytes)
        }`,
      ],
      ["downtime", outcome.downtime_ms === null ? null : formatDuration(outcome.downtime_ms)],
      ["safety", safety_backup && `backup ${safety_backup.id} holds what was replaced`],
      ["undo", "duckback rollback --undo"],
    ]),
    ...problems.map((problem) => style.yellow(`  ! ${cell(problem)}`)),
    ...unhealthyLines(health),
  ];
}

async function undo(session: Session, force: boolean) {
  const { undoRollback } = await import("../operations/undo.ts");
  if (!force && session.interactive) {
    await confirm(session, ["Put back what the last rollback replaced?"]);
  }
  const done = await undoRollback(session.context("rollback --undo"));
  const bad = (done.health?.unhealthy.length ?? 0) > 0;
  session.result({ success: true, ...done }, () => [
    done.applied
      ? `The rollback to backup ${done.backup_id} is in force again.`
      : `The rollback to backup ${done.backup_id} is undone.`,
    ...done.restored.map((path) => `  ${cell(path)}`),
    ...unhealthyLines(done.health),
  ], bad ? EXIT_CODES.PARTIAL : 0);
}
