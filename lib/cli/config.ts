/** `duckback config list|get|set|unset|export|import`. */
import { resolve } from "node:path";
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { count, formatBytes } from "../core/units.ts";
import type { ChangedSetting } from "../operations/change_setting.ts";
import type { MoveOutcome } from "../operations/move_archives.ts";
import type { SettingView } from "../operations/settings.ts";
import { examples } from "./options.ts";
import type { Session } from "./session.ts";
import { cell, table } from "./table.ts";

export function addConfig(program: Command, session: Session) {
  const group = program.command("config").description("duckback's settings");
  group.command("list").description("all settings with their values")
    .addHelpText("after", examples("duckback config list")).action(async () => {
      const { listSettings } = await import("../operations/settings.ts");
      const settings = await listSettings(session.context("config list"));
      const { strayVariables } = await import("../config/environment.ts");
      const { formatSetting } = await import("../config/settings.ts");
      const stray = strayVariables(session.terminal.env);
      session.result(
        { success: true, settings, stray_variables: stray },
        () => [
          ...listLines(session, settings, formatSetting),
          ...stray.map((name) => `! ${cell(name)} in the environment stands for no setting.`),
        ],
      );
    });
  group.command("get").description("one setting's value").argument("<key>")
    .addHelpText("after", examples("duckback config get backup.compression")).action(
      async (key) => {
        const { getSetting } = await import("../operations/settings.ts");
        show(session, await getSetting(session.context("config get"), key));
      },
    );
  group.command("set")
    .description("change a setting")
    .addHelpText(
      "after",
      examples(
        "duckback config set backup.compression zstd",
        "duckback config set auto_backup_directory /mnt/backups",
        "duckback config set backup.exclude '*.tmp,cache/'",
      ),
    )
    .argument("<key>")
    .argument("<value>")
    .option("--no-move", "leave the archives where they are when auto_backup_directory changes")
    .action(async (key, value, { move }) => {
      const { changeSetting } = await import("../operations/change_setting.ts");
      changed(session, await changeSetting(session.context("config set"), key, value, { move }));
    });
  group.command("unset")
    .description("put a setting back to its default")
    .addHelpText("after", examples("duckback config unset backup.compression"))
    .argument("<key>")
    .option("--no-move", "leave the archives where they are when auto_backup_directory changes")
    .action(async (key, { move }) => {
      const { changeSetting } = await import("../operations/change_setting.ts");
      changed(session, await changeSetting(session.context("config unset"), key, null, { move }));
    });
  addExport(group, session);
  addImport(group, session);
}

function addExport(group: Command, session: Session) {
  group.command("export")
    .description("what is set, as a TOML file on standard output; defaults stand in comments")
    .addHelpText("after", examples("duckback config export > duckback.toml"))
    .action(async () => {
      const { exportSettings } = await import("../operations/import_settings.ts");
      const { toml, settings } = await exportSettings(session.context("config export"));
      session.result({ success: true, settings }, () => toml.trimEnd().split("\n"));
    });
}

function addImport(group: Command, session: Session) {
  group.command("import")
    .description("set all that a TOML file sets, after all of it was checked; other keys stay")
    .argument("<file>", "a file as `config export` writes it, or - for standard input")
    .option("--dry-run", "say what would be changed, and do nothing")
    .addHelpText(
      "after",
      examples(
        "duckback config import duckback.toml --dry-run",
        "ssh host duckback config export | duckback config import -",
      ),
    )
    .action(async (file, options) => {
      const { importSettings } = await import("../operations/import_settings.ts");
      const ctx = session.context("config import");
      const dry_run = options.dryRun ?? false;
      const from = file === "-" ? "/dev/stdin" : resolve(session.terminal.cwd, file);
      const changes = await importSettings(ctx, readText(from, file), { file, dry_run });
      session.result(
        { success: true, dry_run, changes },
        () =>
          changes.length === 0 ? ["Nothing changes: all of it is set already."] : table(
            [{ title: "KEY" }, { title: dry_run ? "NOW" : "BEFORE" }, {
              title: dry_run ? "THEN" : "NOW",
            }],
            changes.map((one) => [one.key, cell(text(one.old)), cell(text(one.new))]),
            session.out_style.bold,
          ),
      );
    });
}

function readText(path: string, file: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    const state = cause instanceof Deno.errors.NotFound ? "it does not exist" : "it cannot be read";
    throw new DuckbackError("USAGE", `Cannot import "${file}": ${state}`, { cause });
  }
}

function text(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const SHOWN = 48;

type Format = (key: string, value: unknown) => string;

/** The same for a table: sizes in their unit, and no longer than a line takes. */
function short({ key, type, value }: SettingView, format: Format): string {
  if (value === "") return '""';
  const whole = type === "bytes" ? format(key, value) : text(value);
  return cell(whole.length > SHOWN ? `${whole.slice(0, SHOWN - 3)}...` : whole);
}

function show(session: Session, setting: SettingView) {
  session.result({ success: true, ...setting }, () => [cell(text(setting.value))]);
}

function changed(session: Session, setting: ChangedSetting) {
  session.result(
    { success: true, ...setting },
    () => [
      `${setting.key} is now ${cell(text(setting.stored ?? setting.default))}${
        setting.is_set ? "" : " (the default)"
      }`,
      ...(setting.source === "environment"
        ? [`! Here ${setting.variable} overrides it with ${cell(text(setting.value))}.`]
        : []),
      ...(setting.storage ? storageLines(setting.storage) : []),
    ],
    setting.storage?.problems.length ? EXIT_CODES.PARTIAL : 0,
  );
}

/** What became of the archives. */
function storageLines({ moved, bytes, unseen, problems }: MoveOutcome): string[] {
  const lines = moved.length > 0
    ? [`Moved ${count(moved.length, "archive")}, ${formatBytes(bytes)}.`]
    : [];
  if (unseen.length > 0) {
    lines.push(`! Not found where they should be, and left there: backups ${unseen.join(", ")}`);
  }
  return [...lines, ...problems.map((problem) => `! ${cell(problem)}`)];
}

function listLines(session: Session, settings: SettingView[], format: Format): string[] {
  const style = session.out_style;
  return table(
    [{ title: "KEY" }, { title: "VALUE" }, { title: "SOURCE" }, { title: "WHAT FOR" }],
    settings.map((setting) => [
      setting.key,
      setting.source === "default" ? short(setting, format) : style.bold(short(setting, format)),
      setting.editable ? setting.source : "read-only",
      setting.description,
    ]),
    style.bold,
  );
}
