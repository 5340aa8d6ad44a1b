/**
 * Writes the table of all settings into docs/configuration.md: `scripts/deno run -A scripts/document_settings.ts`.
 * A test compares the two.
 */
import { formatSetting, SETTINGS } from "../lib/config/settings.ts";

const FILE = new URL("../docs/configuration.md", import.meta.url);
const BEGIN = "<!-- all settings: written by scripts/document_settings.ts -->";
const END = "<!-- end of all settings -->";

/** What a default that depends on the host is called. */
const OF_THE_HOST: Record<string, string> = {
  auto_backup_timezone: "the host's",
  auto_backup_directory: "`HOME/backups`",
};

/** One row a setting, in the order of `config list`. */
export function settingsTable(): string {
  const rows = SETTINGS.map(({ key, kind, default: fallback, description, editable }) => {
    const text = fallback === null || fallback === "" ? "" : formatSetting(key, fallback);
    const shown = OF_THE_HOST[key] ?? (text === "" ? "none" : `\`${text}\``);
    const rule = editable ? kind.rule : "read-only";
    return `| ${[`\`${key}\``, shown, description, rule].map(cell).join(" | ")} |`;
  });
  return ["| key | default | what for | value |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** The document with the table as it is now in place of the one it has. Throws where it has no place for it. */
export function withTable(document: string): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${FILE.pathname} does not say where the table goes`);
  return `${document.slice(0, from)}${BEGIN}\n${settingsTable()}\n${document.slice(to)}`;
}

if (import.meta.main) {
  await Deno.writeTextFile(FILE, withTable(await Deno.readTextFile(FILE)));
}
