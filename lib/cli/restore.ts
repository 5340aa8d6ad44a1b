/** `duckback restore`: takes things out of a backup, beside the live stack; or feeds a dump back. */
import { resolve } from "node:path";
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { count, formatBytes } from "../core/units.ts";
import type { DumpPreview } from "../operations/restore_dump.ts";
import { integer, oneOf } from "./options.ts";
import { restoreElsewhere } from "./restore_as.ts";
import { putBack } from "./restore_in_place.ts";
import type { Session } from "./session.ts";
import { cell, facts } from "./table.ts";

const ABOUT = `
Globs: * and ? within a name, ** across directories, {a,b}, [a-z]; hidden names match too. A path takes
all below it. A few entries are taken straight from their blocks, each checked by its SHA-256 before
anything is written; else the whole archive is checked first.`;

const EXAMPLES = `
Examples:
  duckback restore 12 --target /tmp/look
  duckback restore 12 data/uploads docker-compose.yml --target /tmp/look
  duckback restore 12 '**/*.{jpg,png}' --target /tmp/look --overwrite older
  duckback restore 12 conf/app.ini --in-place     (back with: duckback rollback --undo)
  duckback restore ./shop.tar.gz --target /srv/shop
  duckback restore ./shop.tar.gz --as shop2   a stack of its own: ./shop2, new volumes
  duckback restore 12 --dump db           replace what database db holds by its dump`;

export function addRestore(program: Command, session: Session) {
  program.command("restore")
    .description(
      "take a backup, or paths of it, out to a directory; or bring it in as another stack",
    )
    .argument("<id>", "the backup's id, or an archive's path")
    .argument("[path...]", "archive paths and globs to take (default: all)")
    .option("--target <dir>", "where to; made if it is not there")
    .option("--in-place", "put one path back where it came from; services go on")
    .option("--stop", "with --in-place: stop the services while the path is replaced")
    .option("--strip-components <n>", "leave out so many names at the start", integer(0, 1000), 0)
    .option(
      "--overwrite <when>",
      "write into a directory that is not empty; what is there stays (never), stays where it is " +
        "not older (older), or is replaced (always)",
      oneOf("never", "older", "always"),
    )
    .option("--chown <owner>", "give everything to USER[:GROUP]; setuid and setgid bits get lost")
    .option("--no-owner", "let everything belong to you; setuid and setgid bits get lost")
    .option("--as <name>", "bring all of it in as another stack: a new directory, new volumes")
    .option("--external-in-place", "with --as: what came from outside goes back where it was")
    .option("--dump <service>", "feed the dump of this service back to it, while it runs")
    .option("--force", "write into a directory that is not empty; with --dump: do not ask")
    .option("--allow-devices", "make the device nodes that the archive holds (as root)")
    .addHelpText("after", ABOUT)
    .addHelpText("after", EXAMPLES)
    .action(async (id, paths, options) => {
      const { cwd } = session.terminal;
      const from = /^\d+$/.test(id) ? Number(id) : resolve(cwd, id);
      const force = options.force ?? false;
      if (options.as !== undefined) {
        return await restoreElsewhere(session, from, {
          name: options.as,
          target: options.target,
          external_in_place: options.externalInPlace ?? false,
          allow_devices: options.allowDevices ?? false,
          others: paths.length > 0 || force || isForParts(options),
        });
      }
      if (options.externalInPlace) throw notWithoutAs();
      if (options.dump !== undefined) {
        if (options.target !== undefined || paths.length > 0) throw notBoth();
        return await feedDump(session, from, options.dump, force);
      }
      if (options.inPlace) return await putBack(session, from, paths, options);
      if (options.target === undefined) throw noTarget();
      if (options.chown !== undefined && !options.owner) throw notTwoOwners();
      const { restore } = await import("../operations/restore.ts");
      const done = await restore(session.context("restore"), {
        from,
        paths,
        target: resolve(cwd, options.target),
        force,
        allow_devices: options.allowDevices ?? false,
        strip: options.stripComponents,
        overwrite: options.overwrite ?? null,
        owner: options.owner ? options.chown ?? null : false,
      });
      const { report, ...rest } = done;
      session.result(
        { success: true, ...rest, ...report },
        () => [
          session.out_style.bold(session.out_style.green(`Restored to ${cell(done.target)}.`)),
          ...facts([
            ["entries", count(report.entries, "entry", "entries")],
            ["size", formatBytes(report.bytes)],
            ["kept", report.kept > 0 ? `${count(report.kept, "entry", "entries")} as before` : ""],
          ]),
          ...report.warnings.map((warning) =>
            `  ! ${cell(warning.path)}: ${cell(warning.message)}`
          ),
        ],
        report.warnings.length > 0 ? EXIT_CODES.PARTIAL : 0,
      );
    });
}

/** True where an option was given that picks or changes what is taken out. */
function isForParts(
  { dump, inPlace, stop, stripComponents, overwrite, chown, owner }: {
    dump?: string;
    inPlace?: boolean;
    stop?: boolean;
    stripComponents: number;
    overwrite?: string;
    chown?: string;
    owner: boolean;
  },
): boolean {
  return Boolean(dump ?? inPlace ?? stop ?? overwrite ?? chown) || stripComponents > 0 || !owner;
}

function notWithoutAs(): DuckbackError {
  return new DuckbackError("USAGE", "Cannot use --external-in-place: it goes with --as NAME", {
    hint: "duckback restore --help",
  });
}

function noTarget(): DuckbackError {
  return new DuckbackError("USAGE", "Cannot restore: it was not said where to", {
    hint:
      "Give --target DIR; --as NAME for a stack of its own; or --dump SERVICE to feed a database's dump back to it.",
  });
}

function notTwoOwners(): DuckbackError {
  return new DuckbackError("USAGE", "Cannot give files to --chown and to nobody", {
    hint: "Leave out --chown or --no-owner.",
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
