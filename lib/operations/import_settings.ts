/** `config export` and `config import`: all settings as one file, taken in whole or not at all. */
import { fromToml, toToml } from "../config/toml.ts";
import { formatSetting, type SettingKey } from "../config/settings.ts";
import { writeSettingsCopy } from "../repository/settings_copy.ts";
import { audited } from "./audit.ts";
import { changeOf, changeSetting, exclusiveIfFree } from "./change_setting.ts";
import { type Context, withCatalog } from "./context.ts";
import { listSettings, type SettingView } from "./settings.ts";

/** What is set, as TOML; defaults stand in comments, read-only keys and the environment are left out. */
export async function exportSettings(
  ctx: Context,
): Promise<{ toml: string; settings: Record<string, unknown> }> {
  const views = (await listSettings(ctx)).filter(({ editable }) => editable);
  const written = views.map((view) => ({
    ...view,
    key: view.key as SettingKey,
    value: view.stored,
  }));
  const set = views.filter(({ is_set }) => is_set).map(({ key, stored }) => [key, stored]);
  return { toml: toToml(written), settings: Object.fromEntries(set) };
}

/** One setting that an import changes. */
export interface SettingChange {
  key: string;
  old: unknown;
  new: unknown;
}

/**
 * Sets what the file `text` sets; keys that it does not name stay as they are. Raises USAGE with all
 * that is wrong with it before anything is changed. Returns what is changed, or would be.
 */
export async function importSettings(
  ctx: Context,
  text: string,
  options: { file: string; dry_run: boolean },
): Promise<SettingChange[]> {
  const values = fromToml(text, options.file);
  const changed = (await listSettings(ctx)).filter((view) => changes(view, values));
  const valueOf = ({ key }: { key: string }) => values.get(key as SettingKey);
  const shown = changed.map((view) => changeOf(view, valueOf(view)));
  if (options.dry_run || changed.length === 0) return shown;
  // It takes the archives along, and is no matter of a moment.
  const directory = changed.find(({ key }) => key === "auto_backup_directory");
  const plain = changed.filter((view) => view !== directory);
  if (plain.length > 0) {
    const params = { changes: shown.filter(({ key }) => key !== directory?.key) };
    const action = { type: "config", description: `import ${plain.length} settings`, params };
    using _lock = await exclusiveIfFree(ctx);
    await audited(ctx, action, () =>
      withCatalog(ctx, async ({ settings }) => {
        const all = Object.fromEntries(plain.map((view) => [view.key, valueOf(view)]));
        await settings.setAll(all, ctx.now());
        writeSettingsCopy(ctx.home, await settings.values());
      }), () => ({ message: plain.map(({ key }) => key).join(", ") }));
  }
  if (directory) {
    await changeSetting(ctx, directory.key, formatSetting(directory.key, valueOf(directory)));
  }
  return shown;
}

function changes({ key, stored }: SettingView, values: Map<SettingKey, unknown>): boolean {
  const wanted = values.get(key as SettingKey);
  return wanted !== undefined && JSON.stringify(wanted) !== JSON.stringify(stored);
}
