/** `duckback restore`: takes things out of a backup, beside the live stack; or feeds a dump back. */
import { resolve } from "node:path";
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { count, formatBytes } from "../core/units.ts";
import type { DumpPreview } from "../operations/restore_dump.ts";
import type { Session } from "./session.ts";
import { cell, facts } from "./table.ts";

const EXAMPLES = `
Examples:
  duckback restore 12 --target /tmp/look
  duckback restore 12 data/uploads docker-compose.yml --target /tmp/look
  duckback restore ./shop.tar.gz --target /srv/shop
  duckback restore 12 --dump db           replace what database db holds by its dump`;

export function addRestore(program: Command, session: Session) {
  program.command("restore")
    .description("take a backup, or paths of it, out to a directory; nothing live is touched")
    .argument("<id>", "the backup's id, or an archive's path")
    .argument("[path...]", "archive paths to take (default: all)")
    .option("--target <dir>", "where to; made if it is not there")
    .option("--dump <service>", "feed the dump of this service back to it, while it runs")
    .option("--force", "write into a directory that is not empty; with --dump: do not ask")
    .option("--allow-devices", "make the device nodes that the archive holds (as root)")
    .addHelpText("after", EXAMPLES)
    .action(async (id, paths, options) => {
      const { cwd } = session.terminal;
      const from = /^\d+$/.test(id) ? Number(id) : resolve(cwd, id);
      const force = options.force ?? false;
      if (options.dump !== undefined) {
        if (options.target !== undefined || paths.length > 0) throw notBoth();
        return await feedDump(session, from, options.dump, force);
      }
      if (options.target === undefined) throw noTarget();
      const { restore } = await import("../operations/restore.ts");
      const done = await restore(session.context("restore"), {
        from,
        paths,
        target: resolve(cwd, options.target),
        force,
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

function noTarget(): DuckbackError {
  return new DuckbackError("USAGE", "Cannot restore: it was not said where to", {
    hint: "Give --target DIR; or --dump SERVICE to feed a database's dump back to it.",
  });
}

function notBoth(): DuckbackError {
  return new DuckbackError("USAGE", "Cannot restore a dump to a directory and to its service", {
    hint: "Leave out --dump to take files out; leave out --target and paths to feed the dump back.",
  });
}

async function feedDump(session: Session, from: number | string, service: string, force: boolean) {
  const { previewDump, restoreDump } = await import("../operations/restore_dump.ts");
  const ctx = session.context("restore --dump");
  if (!force) await confirm(session, await previewDump(ctx, { from, service }));
  const done = await restoreDump(ctx, { from, service });
  session.result({ success: true, ...done }, () => [
    session.out_style.bold(session.out_style.green(`${cell(service)} has what its dump holds.`)),
    ...facts([
      ["container", cell(done.container)],
      ["dump", `${cell(done.dump.path)} (${formatBytes(done.dump.bytes)})`],
      ["archive", cell(done.archive)],
    ]),
    ...done.notes.map((note) => `  ${cell(note)}`),
  ]);
}

/** All that the database holds is replaced: never without a yes. */
async function confirm(session: Session, { container, dump }: DumpPreview) {
  const question = `Replace what ${cell(container)} (${dump.kind}) holds by ${cell(dump.path)}?`;
  if (!session.interactive) {
    throw new DuckbackError(
      "USAGE",
      "Cannot restore a dump without asking: there is no terminal to ask at",
      { hint: `${question} Add --force if you are sure.` },
    );
  }
  const { agree } = await import("./prompts.ts");
  if (await agree(question, session.terminal.signal)) return;
  throw new DuckbackError("REFUSED", "Nothing was restored");
}
