/** `duckback catalog rebuild|check`. */
import { resolve } from "node:path";
import { Command } from "./commander.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { count } from "../core/units.ts";
import type { CheckOutcome } from "../operations/catalog_check.ts";
import type { RebuildOutcome } from "../operations/catalog_rebuild.ts";
import { examples } from "./options.ts";
import type { Session } from "./session.ts";
import { cell, table } from "./table.ts";

export function addCatalog(program: Command, session: Session) {
  const group = program.command("catalog").description("the catalogue as a whole");
  group.command("rebuild")
    .description("take archives into the catalogue, from their records or from themselves")
    .argument("[dir...]", "where they lie (default: wherever this home has put archives)")
    .addHelpText(
      "after",
      examples("duckback catalog rebuild", "duckback catalog rebuild /mnt/old-server/backups"),
    )
    .action(async (dirs) => {
      const { rebuildCatalog } = await import("../operations/catalog_rebuild.ts");
      const absolute = dirs.map((dir) => resolve(session.terminal.cwd, dir));
      const done = await rebuildCatalog(session.context("catalog rebuild"), absolute);
      const bad = done.archives.some(({ error }) => error !== null);
      session.result(
        { success: true, ...done },
        () => rebuildLines(session, done),
        bad ? EXIT_CODES.PARTIAL : 0,
      );
    });
  group.command("check")
    .description("compare catalogue, archives and their records, and mend what can be mended")
    .option("--dry-run", "mend nothing")
    .addHelpText("after", examples("duckback catalog check", "duckback catalog check --json"))
    .action(async (options) => {
      const { checkCatalog } = await import("../operations/catalog_check.ts");
      const dry_run = options.dryRun ?? false;
      const done = await checkCatalog(session.context("catalog check"), { dry_run });
      const open = done.findings.some(({ repaired }) => !repaired);
      session.result(
        { success: true, ...done },
        () => checkLines(session, done),
        open ? EXIT_CODES.PARTIAL : 0,
      );
    });
}

const ORIGINS = {
  catalogue: "known already",
  record: "taken in from its record",
  archive: "taken in from the archive itself",
};

function rebuildLines(session: Session, done: RebuildOutcome): string[] {
  const style = session.out_style;
  if (done.archives.length === 0) {
    return [`No archives in ${done.directories.map(cell).join(", ") || "any known directory"}.`];
  }
  const rows = done.archives.map(({ archive, backup_id, stack, from, error }) => [
    String(backup_id ?? "-"),
    cell(stack ?? "-"),
    cell(archive),
    error ? style.red(cell(error.message)) : ORIGINS[from!],
  ]);
  return [
    ...table(
      [{ title: "ID", align: "right" }, { title: "STACK" }, { title: "ARCHIVE" }, { title: "" }],
      rows,
      style.bold,
    ),
    ...(done.stacks.length > 0 ? ["", `Known again: ${done.stacks.map(cell).join(", ")}`] : []),
  ];
}

function checkLines(session: Session, { backups, findings, directories }: CheckOutcome): string[] {
  const style = session.out_style;
  const looked = `${count(backups, "backup")} in the catalogue, ${
    directories.map(cell).join(", ") || "no directory"
  }`;
  if (findings.length === 0) return [style.green(`All is as it should be: ${looked}.`)];
  const open = findings.filter(({ repaired }) => !repaired).length;
  return [
    ...table(
      [{ title: "ID", align: "right" }, { title: "WHAT" }, { title: "WHERE" }, { title: "" }],
      findings.map(({ backup_id, message, path, repaired }) => [
        String(backup_id ?? "-"),
        cell(message),
        cell(path),
        repaired ? style.green("repaired") : style.yellow("look at it"),
      ]),
      style.bold,
    ),
    "",
    `${looked}: ${findings.length - open} repaired, ${open} to look at.`,
  ];
}
