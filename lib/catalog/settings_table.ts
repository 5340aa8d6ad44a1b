/** The table `app_config`: raw JSON values; what a key may hold is lib/config's business. */
import { DuckbackError } from "../core/errors.ts";
import type { Session } from "./session.ts";
import { jsonOrNull } from "./text.ts";
import type { SettingRow } from "./types.ts";

export class SettingsTable {
  constructor(private readonly session: Session) {}

  /** The value set for a key; null where it is not set (the default holds) or there is no such key. */
  async get(key: string): Promise<unknown> {
    const sql = "SELECT config_value FROM app_config WHERE config_key = $key";
    return (await this.session.read<{ config_value: unknown }>(sql, { key }))[0]?.config_value ??
      null;
  }

  /** All keys in alphabetical order. */
  list(): Promise<SettingRow[]> {
    return this.session.read<SettingRow>("SELECT * FROM app_config ORDER BY config_key");
  }

  /** Every key that is set, with its value: what lib/config's resolveSettings takes. */
  async values(): Promise<Record<string, unknown>> {
    const rows = await this.session.read<Pick<SettingRow, "config_key" | "config_value">>(
      "SELECT config_key, config_value FROM app_config WHERE config_value IS NOT NULL",
    );
    return Object.fromEntries(rows.map((row) => [row.config_key, row.config_value]));
  }

  /** Sets a key to a value that lib/config has checked; null is the same as unset. */
  set(key: string, value: unknown, now: Date): Promise<void> {
    return this.setAll({ [key]: value }, now);
  }

  /** Sets several keys, or none of them if one fails. */
  setAll(values: Record<string, unknown>, now: Date): Promise<void> {
    const keys = Object.keys(values);
    return this.session.write(`set ${keys.join(", ")}`, async (tx) => {
      for (const key of keys) {
        const [row] = await tx.rows("SELECT 1 FROM app_config WHERE config_key = $key", { key });
        if (!row) {
          throw new DuckbackError("USAGE", `Cannot set "${key}": there is no such key`, {
            hint: "duckback config list shows the keys there are.",
          });
        }
        await tx.run(
          `UPDATE app_config SET config_value = $value, updated_at = $now WHERE config_key = $key`,
          { key, value: jsonOrNull(values[key]), now: now.toISOString() },
        );
      }
    });
  }

  /** Back to the default. */
  unset(key: string, now: Date): Promise<void> {
    return this.setAll({ [key]: null }, now);
  }
}
