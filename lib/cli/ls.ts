/** `duckback ls`: what a backup holds. */
import { resolve } from "node:path";
import { Command } from "./commander.ts";
import { putRows } from "./json_rows.ts";
import { entryJson, entryLine } from "./ls_view.ts";
import { examples } from "./options.ts";
import type { Session } from "./session.ts";

const ABOUT = `
Names are read from the manifest beside the archive; without one the archive is read through.
Characters that could drive a terminal are shown as \\x1b and the like. With --json each entry has
the manifest's columns.`;

export function addLs(program: Command, session: Session) {
  program.command("ls")
    .description("list what a backup holds")
    .argument("<id>", "the backup's id, or an archive's path")
    .argument("[path]", "archive path to list (default: the top)")
    .option("-l, --long", "mode, owner, size, time and where links lead")
    .option("-R, --recursive", "everything below, with whole paths")
    .addHelpText("after", ABOUT)
    .addHelpText(
      "after",
      examples("duckback ls 12", "duckback ls 12 data/uploads -l", "duckback ls 12 -R --json"),
    )
    .action(async (id, path, options) => {
      const { ls } = await import("../operations/ls.ts");
      const recursive = options.recursive ?? false;
      const found = await ls(session.context("ls"), {
        from: backupOrArchive(id, session.terminal.cwd),
        path: path ?? "",
        recursive,
      });
      session.settle();
      if (session.json !== null) {
        const { rows, ...about } = found;
        return await putRows(session, about, "entries", async (put) => {
          for await (const batch of rows) put(batch.map(entryJson));
          return {};
        });
      }
      const view = { long: options.long ?? false, recursive };
      for await (const batch of found.rows) {
        if (session.globals.quiet) continue;
        session.terminal.out(batch.map((row) => `${entryLine(row, view)}\n`).join(""));
      }
    });
}

/** What commands that read an archive take: "12" is a backup, all else a path. */
export function backupOrArchive(text: string, cwd: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : resolve(cwd, text);
}
