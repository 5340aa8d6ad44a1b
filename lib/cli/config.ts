/** `duckback config get|set|unset|list`. */
import { Command } from "./commander.ts";
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
      session.result({ success: true, settings }, () => listLines(session, settings));
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
    .action(async (key, value) => {
      const { changeSetting } = await import("../operations/change_setting.ts");
      changed(session, await changeSetting(session.context("config set"), key, value));
    });
  group.command("unset")
    .description("put a setting back to its default")
    .addHelpText("after", examples("duckback config unset backup.compression"))
    .argument("<key>")
    .action(async (key) => {
      const { changeSetting } = await import("../operations/change_setting.ts");
      changed(session, await changeSetting(session.context("config unset"), key, null));
    });
}

function text(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function show(session: Session, setting: SettingView) {
  session.result({ success: true, ...setting }, () => [cell(text(setting.value))]);
}

function changed(session: Session, setting: SettingView) {
  session.result(
    { success: true, ...setting },
    () => [
      `${setting.key} is now ${cell(text(setting.value))}${setting.is_set ? "" : " (the default)"}`,
    ],
  );
}

function listLines(session: Session, settings: SettingView[]): string[] {
  const style = session.out_style;
  return table(
    [{ title: "KEY" }, { title: "VALUE" }, { title: "" }, { title: "WHAT FOR" }],
    settings.map((setting) => [
      setting.key,
      setting.is_set ? style.bold(cell(text(setting.value))) : cell(text(setting.value)),
      setting.is_set ? "set" : setting.editable ? "default" : "read-only",
      setting.description,
    ]),
    style.bold,
  );
}
