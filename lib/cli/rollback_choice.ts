/** The list that `rollback` without an id lets one choose from. */
import { DuckbackError } from "../core/errors.ts";
import { count, formatAge, formatBytes } from "../core/units.ts";
import type { ChangedSince } from "../operations/changed_since.ts";
import type { ListedBackup } from "../operations/list.ts";
import type { Session } from "./session.ts";
import { cell, table } from "./table.ts";

/** The id that was chosen. Raises USAGE without a terminal, NO_SUCH_BACKUP, INTERRUPTED. */
export async function chooseBackup(session: Session, command: string): Promise<number> {
  if (!session.interactive) {
    throw new DuckbackError("USAGE", "Cannot roll back: no backup was named", {
      hint: "Give its id; `duckback backup list` shows them.",
    });
  }
  const ctx = session.context(command);
  const { isRestorable, listBackups } = await import("../operations/list.ts");
  const backups = await listBackups(ctx);
  if (!backups.some(isRestorable)) {
    throw new DuckbackError(
      "NO_SUCH_BACKUP",
      "Cannot roll back: there is no backup to go back to",
      { hint: "Make one with `duckback backup create`." },
    );
  }
  const { changedSince } = await import("../operations/changed_since.ts");
  const changed = await changedSince(ctx, backups);
  const prompts = await import("./prompts.ts");
  session.settle();
  const [title, ...lines] = choiceLines(backups, changed, session.terminal.now());
  const id = await prompts.choose(
    "Roll back to which backup? (q: leave everything as it is)",
    title,
    backups.map((backup, n) => ({
      name: lines[n],
      value: backup.id,
      disabled: isRestorable(backup) ? undefined : `(${whyNot(backup)})`,
    })),
    session.terminal.signal,
  );
  if (id === null) throw answeredNo();
  return id;
}

/** The titles and one line for each backup, columns aligned. */
export function choiceLines(
  backups: ListedBackup[],
  changed: Map<number, ChangedSince>,
  now: Date,
): string[] {
  const several = new Set(backups.map(({ stack }) => stack)).size > 1;
  return table(
    [
      { title: "ID", align: "right" },
      { title: "AGE", align: "right" },
      { title: "STACK" },
      { title: "VERSION" },
      { title: "SIZE", align: "right" },
      { title: "TYPE" },
      { title: "STATUS" },
      { title: "CHANGED SINCE" },
      { title: "DESCRIPTION" },
    ],
    backups.map((backup) => [
      String(backup.id),
      formatAge(backup.created_at, now),
      several ? cell(backup.stack) : "",
      cell(backup.source_version),
      backup.backup_size === null ? "-" : formatBytes(backup.backup_size),
      `${backup.trigger} ${backup.backup_type}`,
      backup.status,
      changedText(changed.get(backup.id)),
      cell(backup.description),
    ]),
  );
}

function changedText(changed: ChangedSince | undefined): string {
  if (!changed) return "";
  const parts = [
    changed.compose_files ? "compose files" : "",
    changed.images.length > 0 ? `image of ${changed.images.map(cell).join(", ")}` : "",
    changed.files ? `${count(changed.files, "file")} (${formatBytes(changed.bytes!)})` : "",
  ].filter((part) => part !== "");
  if (parts.length > 0) return `${parts.join(", ")} until ${changed.newest_id}`;
  return changed.files === 0 ? `nothing until ${changed.newest_id}` : "";
}

function whyNot(backup: ListedBackup): string {
  if (backup.status === "failed") return "it failed";
  if (backup.status === "running") return "it is not done";
  if (!backup.file_exists) return "its archive is missing";
  return backup.chain_problem ?? "its archive is damaged";
}

/** Ends like an interruption (exit code 130), but says what it was. */
export function answeredNo(): DuckbackError {
  return new DuckbackError("INTERRUPTED", "Nothing was changed: the answer was no");
}
