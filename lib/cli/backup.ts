/** `duckback backup create|list|show|verify|delete|acknowledge`, and `list-backups`; prune.ts has the rest. */
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import type { Compression, QuiesceMode, Trigger, VerifyLevel } from "../core/model.ts";
import type { BackupRequest } from "../operations/backup_plan.ts";
import type { Context } from "../operations/context.ts";
import { addConsolidate } from "./consolidate.ts";
import { backupId, collect, examples, integer, oneOf } from "./options.ts";
import { addPin, addPrune } from "./prune.ts";
import type { Session } from "./session.ts";

const CREATE_EXAMPLES = `
Examples:
  duckback backup create --description "before the move"
  duckback backup create --type pre-upgrade --version 1.4.2
  duckback backup create --quiesce pause --compression zstd
  duckback backup create --source ./uploads --exclude '*.tmp' --exclude cache/
  duckback backup create --dump db --dump cache=redis
  duckback backup create --kind incremental
  duckback backup create --output - | ssh host 'cat > shop.tar.gz'`;

export function addBackup(program: Command, session: Session) {
  const backup = program.command("backup")
    .description("make, list, verify, prune and delete backups (without a command: create)");
  addCreate(backup, session);
  addList(backup, session, "list");
  addList(program, session, "list-backups");
  addShow(backup, session);
  addVerify(backup, session);
  addDelete(backup, session);
  addConsolidate(backup, session);
  addPrune(backup, session);
  addPin(backup, session, "pin");
  addPin(backup, session, "unpin");
  addAcknowledge(backup, session);
}

function addCreate(backup: Command, session: Session) {
  backup.command("create", { isDefault: true })
    .description("stop the services, archive what the stack keeps, start them, verify the archive")
    .option("--type <type>", "manual or pre-upgrade", oneOf("manual", "pre-upgrade"), "manual")
    .option(
      "--kind <kind>",
      "full, incremental or data-only",
      oneOf("full", "incremental", "data-only"),
      "full",
    )
    .option("--version <v>", "version of the application, part of the archive's name")
    .option("--source <path>", "back this up as well; may be given more than once", collect)
    .option(
      "--exclude <glob>",
      "leave this out (as in .gitignore); may be given more than once",
      collect,
    )
    .option(
      "--compression <c>",
      "gzip, zstd or none (default: as configured)",
      oneOf("gzip", "zstd", "none"),
    )
    .option("--level <n>", "gzip 0 to 9, zstd 1 to 22 (default: as configured)", integer(0, 22))
    .option(
      "--quiesce <how>",
      "stop, pause or none (default: as configured)",
      oneOf("stop", "pause", "none"),
    )
    .option("--require-stopped", "refuse (exit code 4) if any service runs, and stop none")
    .option(
      "--stop-sharing",
      "stop containers of other projects that write to the same volumes too",
    )
    .option("--no-precopy", "read everything while the services are down, not just what changed")
    .option(
      "--dump [service]",
      "dump this database by its own tool instead of stopping it (SERVICE or SERVICE=KIND; alone: " +
        "every one known by its image); may be given more than once",
      collectDumps,
    )
    .option("--dump-keep-raw", "back up the files of dumped databases too, crash-consistent")
    .option("--anonymous-volumes", "back up volumes without a name too")
    .option("--one-file-system", "leave out what is mounted inside a source")
    .option("--exclude-caches", "leave out what lies in directories with a CACHEDIR.TAG")
    .option("--output <file>", "write the archive here, or to standard output with -")
    .option("--description <text>", "a note kept with the backup")
    .option(
      "--expires-in <days>",
      "keep it for so many days, no more and no less (default: by the policy)",
      integer(1, 36_500),
    )
    .option("--nice", "give way to other programs: low priority for processor and disk")
    .option("--no-verify", "do not read the archive back")
    .option("--dry-run", "say what would be done, and do nothing")
    .addHelpText("after", CREATE_EXAMPLES)
    .action(async (options) => {
      const request: BackupRequest = {
        trigger: options.type as Trigger,
        kind: options.kind as BackupRequest["kind"],
        version: options.version ?? null,
        sources: options.source ?? [],
        exclude: options.exclude ?? [],
        compression: (options.compression as Compression | undefined) ?? null,
        level: options.level ?? null,
        quiesce: (options.quiesce as QuiesceMode | undefined) ?? null,
        require_stopped: options.requireStopped ?? false,
        stop_sharing: options.stopSharing ?? false,
        precopy: options.precopy,
        dump: options.dump === true ? "all" : options.dump ?? [],
        dump_keep_raw: options.dumpKeepRaw ?? false,
        files_only: false,
        anonymous_volumes: options.anonymousVolumes ?? false,
        one_file_system: options.oneFileSystem ?? false,
        exclude_caches: options.excludeCaches ?? false,
        output: options.output ?? null,
        description: options.description ?? null,
        expires_days: options.expiresIn ?? null,
        verify: options.verify ? null : false,
        scheduled_for: null,
      };
      checkRequest(session, request);
      if (options.nice) (await import("../posix/priority.ts")).lowerPriority();
      if (options.dryRun) await preview(session, request);
      else await create(session, request);
    });
}

/** `--dump` alone means all, whatever else is named. Commander itself gives true for it. */
function collectDumps(service: string, before: string[] | true | undefined): string[] | true {
  return before === true ? true : [...(before ?? []), service];
}

function checkRequest(session: Session, request: BackupRequest) {
  if (request.output === "-" && session.json !== null) {
    throw new DuckbackError(
      "USAGE",
      "Cannot use --json with --output -: both want standard output",
      { hint: "Leave --json out; `duckback backup list --json` has the record afterwards." },
    );
  }
  if (request.output === "-" && session.terminal.stdout_terminal) {
    throw new DuckbackError("USAGE", "Cannot write an archive to a terminal", {
      hint: "Pipe it: duckback backup create --output - | ssh host 'cat > x.tar.gz'",
    });
  }
}

async function create(session: Session, request: BackupRequest) {
  const { createBackup } = await import("../operations/backup.ts");
  const { backupLines } = await import("./backup_view.ts");
  const outcome = await createBackup(session.context("backup create"), request);
  const code = outcome.problems.length > 0 ? EXIT_CODES.PARTIAL : 0;
  if (request.output === "-") session.aside(backupLines(outcome, session.err_style), code);
  else {
    const { backup, health, problems, notes } = outcome;
    session.result(
      { success: true, backup, health, problems, notes },
      () => backupLines(outcome, session.out_style),
      code,
    );
  }
}

async function preview(session: Session, request: BackupRequest) {
  const { previewBackup } = await import("../operations/backup.ts");
  const { previewDocument, previewLines } = await import("./backup_view.ts");
  const found = await previewBackup(session.context("backup create --dry-run"), request);
  session.result(previewDocument(found), () => previewLines(found, session.out_style));
}

function addList(parent: Command, session: Session, name: string) {
  const full = name === "list" ? "backup list" : name;
  parent.command(name)
    .description("list backups, newest first")
    .addHelpText("after", examples(`duckback ${full}`, `duckback ${full} --stack shop --json`))
    .action(async () => {
      const { listBackups } = await import("../operations/list.ts");
      const { listLines } = await import("./backup_view.ts");
      const backups = await listBackups(session.context(full));
      session.result(
        { success: true, backups },
        () => listLines(backups, session.terminal.now(), session.out_style),
      );
    });
}

function addShow(backup: Command, session: Session) {
  backup.command("show")
    .description("everything the catalogue knows of one backup")
    .argument("<id>", "the backup's id", backupId)
    .addHelpText("after", examples("duckback backup show 12", "duckback backup show 12 --json"))
    .action(async (id) => {
      const { findBackup } = await import("../operations/list.ts");
      const { showLines } = await import("./backup_view.ts");
      const found = await findBackup(session.context("backup show"), id);
      session.result(
        { success: true, backup: found },
        () => showLines(found, session.terminal.now(), session.out_style),
      );
    });
}

function addVerify(backup: Command, session: Session) {
  backup.command("verify")
    .description("prove that archives are what was recorded, or that a stack comes up from one")
    .argument("[id]", "the backup's id", backupId)
    .option("--all", "verify every backup that has an archive")
    .option(
      "--level <level>",
      "quick (size and SHA-256), full (every entry read) or drill (restored beside the live stack " +
        "and started there; without an id the newest backup)",
      oneOf("quick", "full", "drill"),
      "full",
    )
    .addHelpText(
      "after",
      examples(
        "duckback backup verify 12",
        "duckback backup verify --all --level quick --json",
        "duckback backup verify 12 --level drill",
        "duckback backup verify --level drill --stack shop",
      ),
    )
    .action(async (id, options) => {
      const level = options.level as VerifyLevel;
      const all = options.all ?? false;
      if (id !== undefined && all || id === undefined && !all && level !== "drill") {
        throw new DuckbackError("USAGE", "Cannot verify: give either a backup's id or --all");
      }
      const { verifyBackups } = await import("../operations/verify.ts");
      const { verifyCode, verifyLines } = await import("./verify_view.ts");
      const ctx = session.context("backup verify");
      const results = await verifyBackups(ctx, { id: id ?? null, level, all });
      const bad = results.filter((result) => !result.ok);
      const error = bad.length === 0 ? {} : { error: bad[0].error };
      session.result(
        { success: bad.length === 0, results, ...error },
        () => verifyLines(results, session.out_style),
        verifyCode(results),
      );
    });
}

function addDelete(backup: Command, session: Session) {
  backup.command("delete")
    .description("delete a backup and its archive")
    .requiredOption("--id <id>", "the backup's id", backupId)
    .option("--cascade", "with all incremental backups that need it")
    .option("--yes", "do not ask")
    .option("--force", "even the only good one, and without asking")
    .addHelpText(
      "after",
      examples("duckback backup delete --id 12", "duckback backup delete --id 12 --cascade --yes"),
    )
    .action(async (options) => {
      const { cascade = false, force = false, yes = false } = options;
      if (cascade && !session.interactive && !force && !yes) {
        throw new DuckbackError("USAGE", "Cannot ask whether to delete what needs the backup too", {
          hint: "Add --yes to do it without asking.",
        });
      }
      const context = session.context("backup delete");
      if (session.interactive && !force && !yes) {
        const { agree } = await import("./prompts.ts");
        const question = await deleteQuestion(context, options.id, cascade);
        const sure = await agree(question, session.terminal.signal);
        if (!sure) return session.result({ success: false }, () => ["Nothing was deleted."]);
      }
      const { deleteBackup } = await import("../operations/delete.ts");
      const deleted = await deleteBackup(context, options.id, { force, cascade });
      session.result(
        { success: true, backup: deleted.at(-1), deleted },
        () => deleted.map((one) => `Backup ${one.id} (${one.backup_name}) is deleted.`),
      );
    });
}

async function deleteQuestion(context: Context, id: number, cascade: boolean): Promise<string> {
  if (!cascade) return `Delete backup ${id}?`;
  const { listBackups } = await import("../operations/list.ts");
  const { whoNeeds } = await import("../operations/delete.ts");
  const ids = whoNeeds(await listBackups({ ...context, stack: null }), id).map((one) => one.id);
  return ids.length === 0
    ? `Delete backup ${id}?`
    : `Delete backup ${id}, and ${ids.sort((a, b) => a - b).join(", ")}, which need it?`;
}

function addAcknowledge(backup: Command, session: Session) {
  backup.command("acknowledge")
    .description("say that what is suspicious about a backup is none: pruning goes on")
    .argument("<id>", "the backup's id", backupId)
    .addHelpText("after", examples("duckback backup acknowledge 12"))
    .action(async (id) => {
      const { acknowledge } = await import("../operations/acknowledge.ts");
      const backup = await acknowledge(session.context("backup acknowledge"), id);
      session.result(
        { success: true, backup },
        () => [`Backup ${backup.id} (${backup.backup_name}) is no longer under suspicion.`],
      );
    });
}
