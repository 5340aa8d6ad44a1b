/** `duckback restore`: takes things out of a backup, beside the live stack. */
import { resolve } from "node:path";
import { Command } from "./commander.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { count, formatBytes } from "../core/units.ts";
import type { Session } from "./session.ts";
import { cell, facts } from "./table.ts";

const EXAMPLES = `
Examples:
  duckback restore 12 --target /tmp/look
  duckback restore 12 data/uploads docker-compose.yml --target /tmp/look
  duckback restore ./shop.tar.gz --target /srv/shop`;

export function addRestore(program: Command, session: Session) {
  program.command("restore")
    .description("take a backup, or paths of it, out to a directory; nothing live is touched")
    .argument("<id>", "the backup's id, or an archive's path")
    .argument("[path...]", "archive paths to take (default: all)")
    .requiredOption("--target <dir>", "where to; made if it is not there")
    .option("--force", "write into a directory that is not empty")
    .option("--allow-devices", "make the device nodes that the archive holds (as root)")
    .addHelpText("after", EXAMPLES)
    .action(async (from, paths, options) => {
      const { restore } = await import("../operations/restore.ts");
      const { cwd } = session.terminal;
      const done = await restore(session.context("restore"), {
        from: /^\d+$/.test(from) ? Number(from) : resolve(cwd, from),
        paths,
        target: resolve(cwd, options.target),
        force: options.force ?? false,
        allow_devices: options.allowDevices ?? false,
      });
      const { report, ...rest } = done;
      session.result(
        { success: true, ...rest, ...report },
        () => [
          session.out_style.bold(session.out_style.green(`Restored to ${cell(done.target)}.`)),
          ...facts([
            ["entries", count(report.entries, "entry", "entries")],
            ["size", formatBytes(report.bytes)],
          ]),
          ...report.warnings.map((warning) =>
            `  ! ${cell(warning.path)}: ${cell(warning.message)}`
          ),
        ],
        report.warnings.length > 0 ? EXIT_CODES.PARTIAL : 0,
      );
    });
}
