/** Settings as a TOML file; the only module that imports smol-toml. */
import { parse, stringify, TomlError } from "smol-toml";
import { DuckbackError } from "../core/errors.ts";
import { findSetting, formatSetting, type SettingKey, settingProblem } from "./settings.ts";

/** A setting as it is written: `value` null leaves the default showing, as a comment. */
export interface WrittenSetting {
  key: SettingKey;
  description: string;
  value: unknown;
  default: unknown;
}

/** A file with a section for each category. References to secrets stay what they are. */
export function toToml(settings: WrittenSetting[]): string {
  const lines: string[] = [];
  let section = "";
  const tableOf = ({ key }: { key: string }) => key.includes(".") ? key.split(".")[0] : "";
  // What stands behind a section's head belongs to it: keys without one come first.
  const ordered = Object.entries(Object.groupBy(settings, tableOf))
    .sort(([a], [b]) => Number(a !== "") - Number(b !== "")).flatMap(([, group]) => group!);
  for (const setting of ordered) {
    const { key, description, value, default: fallback } = setting;
    const table = tableOf(setting);
    const name = table === "" ? key : key.slice(table.length + 1);
    if (table !== section) lines.push("", `[${section = table}]`);
    const rule = findSetting(key).kind.rule;
    lines.push("", `# ${description}: ${rule}`);
    if (value !== null) lines.push(line(name, key, value));
    else if (fallback !== null) lines.push(`# ${line(name, key, fallback)}`);
  }
  return lines.slice(1).join("\n") + "\n";
}

function line(name: string, key: SettingKey, value: unknown): string {
  // "10GiB" reads better than its bytes.
  const bytes = findSetting(key).kind.type === "bytes";
  return stringify({ [name]: bytes ? formatSetting(key, value) : value }).trim();
}

/** Something in a file that is no valid setting. */
export interface TomlProblem {
  key: string;
  problem: string;
  rule: string | null;
  example: string | null;
}

/**
 * Reads a file that `toToml` wrote, or somebody by hand: values may be typed as on the command line, too.
 * Raises USAGE, with all that is wrong; nothing of a file that is not valid in full is given.
 */
export function fromToml(text: string, file: string): Map<SettingKey, unknown> {
  const values = new Map<SettingKey, unknown>();
  const problems: TomlProblem[] = [];
  for (const [key, raw] of flat(parsed(text, file))) {
    try {
      values.set(key as SettingKey, typed(key, raw));
    } catch (cause) {
      if (!(cause instanceof DuckbackError)) throw cause;
      const { rule = null, example = null } = cause.details as Partial<TomlProblem>;
      problems.push({ key, problem: cause.message, rule, example });
    }
  }
  if (problems.length === 0) return values;
  const lines = problems.map(({ key, problem, example }) =>
    `  ${key}: ${problem}${example === null ? "" : `. Example: '${example}'`}`
  );
  throw new DuckbackError(
    "USAGE",
    `Cannot import "${file}": nothing was changed\n${lines.join("\n")}`,
    { hint: "`duckback config list` shows all keys.", details: { problems } },
  );
}

/** Raises USAGE: unknown or read-only key, or a value that breaks the rule. */
function typed(key: string, raw: unknown): unknown {
  const { kind, editable } = findSetting(key);
  if (!editable) throw new DuckbackError("USAGE", "it is read-only");
  const value = typeof raw === "string" ? kind.parse(raw.trim()) : raw;
  const problem = settingProblem(key as SettingKey, value);
  if (problem === null) return value;
  throw new DuckbackError("USAGE", `${problem}. It must be ${kind.rule}`, {
    details: { rule: kind.rule, example: kind.example },
  });
}

/** Keys and values, those of a table with its name before them. */
function flat(document: Record<string, unknown>): [string, unknown][] {
  return Object.entries(document).flatMap(([name, value]) =>
    isTable(value)
      ? Object.entries(value).map(([key, inner]): [string, unknown] => [`${name}.${key}`, inner])
      : [[name, value] as [string, unknown]]
  );
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function parsed(text: string, file: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    // Its further lines show the text around, which may hold what nobody should see.
    const [what] = cause.message.split("\n");
    throw new DuckbackError(
      "USAGE",
      `Cannot import "${file}": line ${cause.line}, column ${cause.column}: ${what}`,
      { hint: "`duckback config export` shows how such a file looks." },
    );
  }
}
