/**
 * Settings from the environment: `backup.compression` is DUCKBACK_BACKUP_COMPRESSION. They hold for one
 * process, over what is set.
 */
import { DuckbackError } from "../core/errors.ts";
import { findSetting, type SettingKey, settingProblem, SETTINGS } from "./settings.ts";

const PREFIX = "DUCKBACK_";
/** Variables of that kind that mean something else. */
export const OTHER_VARIABLES = ["DUCKBACK_HOME"];

/** The variable that stands for a key: in capitals, each dot an underscore. */
export function environmentName(key: SettingKey): string {
  return PREFIX + key.replaceAll(".", "_").toUpperCase();
}

const BY_NAME = new Map(SETTINGS.map(({ key }) => [environmentName(key), key]));

/**
 * The values that the environment gives; an empty variable counts as none. Raises USAGE for a value
 * that breaks its rule, and for a read-only key.
 */
export function environmentValues(
  env: Record<string, string>,
): Partial<Record<SettingKey, unknown>> {
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const [name, key] of BY_NAME) {
    const text = env[name];
    if (!text) continue;
    const { kind, editable } = findSetting(key);
    const value = kind.parse(text.trim());
    const problem = editable ? settingProblem(key, value) : "it is read-only";
    if (problem !== null) {
      const shown = kind.mask ? "" : ` with "${text}"`;
      throw new DuckbackError("USAGE", `Cannot use the variable "${name}"${shown}: ${problem}`, {
        hint: `${key} must be ${kind.rule}. Example: ${name}='${kind.example}'`,
        details: { rule: kind.rule, example: kind.example },
      });
    }
    values[key] = value;
  }
  return values;
}

/** Variables that look like settings and are none: misspelt, or of another version. */
export function strayVariables(env: Record<string, string>): string[] {
  return Object.keys(env).filter((name) =>
    name.startsWith(PREFIX) && !BY_NAME.has(name) && !OTHER_VARIABLES.includes(name)
  ).sort();
}
