/** The commands of duckback, put together; each group of them is one file beside this one. */
import { Command, CommanderError } from "./commander.ts";
import { databaseAtRest, expectDatabase } from "../catalog/load_duckdb.ts";
import { DuckbackError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { collect, examples, oneOf } from "./options.ts";
import { addAutoBackup } from "./auto_backup.ts";
import { addBackup } from "./backup.ts";
import { addCat } from "./cat.ts";
import { addCatalog } from "./catalog.ts";
import { addConfig } from "./config.ts";
import { addLog } from "./log.ts";
import { addHistory } from "./history.ts";
import { addLs } from "./ls.ts";
import { addNotify } from "./notify.ts";
import { addQuery } from "./query.ts";
import { addRestore } from "./restore.ts";
import { addRollback } from "./rollback.ts";
import { addServices } from "./services.ts";
import { Session, type Terminal } from "./session.ts";
import { addStack } from "./stack.ts";
import { addUpgrade } from "./upgrade.ts";

const EPILOG = `
Examples:
  duckback init                          register the stack in this directory
  duckback backup create                 stop, archive, start, verify
  duckback backup list                   what there is
  duckback rollback 3                    put configuration back to backup 3
  duckback rollback 3 --rollback-data    and the data with it
  duckback rollback --undo               as if the last rollback had not been

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 incomplete, 4 refused (services run),
10 no such backup or stack, 11 locked by another run, 12 archive corrupt or missing,
13 Docker not reachable, 130 interrupted.`;

/** Words of commands that never open the catalogue, the daemon in its own process. */
const WITHOUT_CATALOG = ["version", "daemon", "help", "--help", "-h"];

/** Runs one command line; returns the process's exit code. Throws nothing. */
export async function run(args: string[], terminal: Terminal): Promise<number> {
  const session = new Session(terminal);
  const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  if (own.includes("--list-json")) session.json = "list";
  else if (own.includes("--json")) session.json = "document";
  // `--version` is an option of `backup create`, so the program itself takes it in first place only.
  if (["--version", "-V"].includes(args[0])) args = ["version", ...args.slice(1)];
  if (args.length > 0 && !args.some((arg) => WITHOUT_CATALOG.includes(arg))) expectDatabase();
  try {
    await build(session).parseAsync(args, { from: "user" });
  } catch (thrown) {
    if (thrown instanceof CommanderError) usage(session, thrown);
    else session.fail(thrown);
  }
  await session.tellOthers();
  await databaseAtRest();
  return session.exit_code;
}

function build(session: Session): Command {
  const program = new Command("duckback")
    .description("Backs up and restores Docker Compose stacks.")
    .option("--json", "print one JSON document on standard output")
    .option("-q, --quiet", "print errors and warnings only")
    .option("-v, --verbose", "print each step, and the causes of errors")
    .option("--home <dir>", "duckback's home (default: $DUCKBACK_HOME, /var/lib/duckback for root)")
    .option("--work-dir <dir>", "the stack's directory (default: the current one)")
    .option("--stack <name>", "a stack known by name")
    .option(
      "--progress <how>",
      "auto (a line at a terminal), json (events as JSON lines on standard error) or none",
      oneOf("auto", "json", "none"),
      "auto",
    )
    .option("-f, --file <file>", "compose file, may be given more than once", collect)
    .addHelpText("after", EPILOG)
    .showHelpAfterError(false)
    .configureHelp({ showGlobalOptions: true })
    .helpCommand("help [command]", "help for a command");
  // Sub-commands inherit these, so they are set before any is added.
  program.exitOverride();
  program.configureOutput({
    writeOut: (text) => session.terminal.out(text),
    writeErr: () => {}, // told once, by usage()
  });
  program.hook("preAction", (root) => {
    session.globals = root.opts();
  });
  addStack(program as unknown as Command, session);
  addBackup(program as unknown as Command, session);
  addRollback(program as unknown as Command, session);
  addRestore(program as unknown as Command, session);
  addLs(program as unknown as Command, session);
  addCat(program as unknown as Command, session);
  addUpgrade(program as unknown as Command, session);
  addHistory(program as unknown as Command, session);
  addQuery(program as unknown as Command, session);
  addServices(program as unknown as Command, session);
  addAutoBackup(program as unknown as Command, session);
  addConfig(program as unknown as Command, session);
  addCatalog(program as unknown as Command, session);
  addNotify(program as unknown as Command, session);
  addLog(program as unknown as Command, session);
  program.command("version").description("print the version")
    .addHelpText("after", examples("duckback version", "duckback version --json")).action(() => {
      session.result({ success: true, version: VERSION }, () => [`duckback ${VERSION}`]);
    });
  return program as unknown as Command;
}

/** Commander's own complaints; help and version are none. */
function usage(session: Session, error: CommanderError) {
  if (error.exitCode === 0) return;
  if (error.code === "commander.help") { // a group without a command: its help went to stderr
    session.fail(
      new DuckbackError("USAGE", "Cannot run: no command was given", { hint: "duckback --help" }),
    );
    return;
  }
  const message = error.message.replace(/^error: /, "");
  session.fail(
    new DuckbackError("USAGE", message.charAt(0).toUpperCase() + message.slice(1), {
      hint: "duckback --help lists the commands, duckback COMMAND --help their options.",
    }),
  );
}
