/** Changing a setting: checked, and audited with its old and new value. */
import { findSetting, maskSetting, parseSetting, type SettingKey } from "../config/settings.ts";
import { DuckbackError } from "../core/errors.ts";
import { writeSettingsCopy } from "../repository/settings_copy.ts";
import { changeDirectory } from "./archive_directory.ts";
import { audited } from "./audit.ts";
import { type Context, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import type { MoveOutcome } from "./move_archives.ts";
import { getSetting, type SettingView } from "./settings.ts";

/** A run that died is mended first; one that is alive does not keep settings from being changed. */
export async function exclusiveIfFree(ctx: Context): Promise<Disposable | null> {
  try {
    return await beginExclusive(ctx);
  } catch (cause) {
    if (cause instanceof DuckbackError && cause.code === "LOCKED") return null;
    throw cause;
  }
}

/** What an audit row says of a change; an address of a receiver only as far as it is no secret. */
export function changeOf({ key, stored, default: fallback }: SettingView, value: unknown) {
  const shown = (one: unknown) => maskSetting(key as SettingKey, one ?? fallback);
  return { key, old: shown(stored), new: shown(value) };
}

/** The setting as it is now, and what became of the archives where their directory was changed. */
export type ChangedSetting = SettingView & { storage?: MoveOutcome };

/**
 * Sets a key from text, or back to its default with null. Raises USAGE with the rule and an example. A
 * new archive directory takes the archives along unless `move` is false (see archive_directory.ts).
 */
export async function changeSetting(
  ctx: Context,
  key: string,
  text: string | null,
  options: { move: boolean } = { move: true },
): Promise<ChangedSetting> {
  findSetting(key);
  const value = text === null ? null : parseSetting(key, text);
  const before = await getSetting(ctx, key);
  if (!before.editable) parseSetting(key, ""); // says that it is read-only
  const action = {
    type: "config",
    description: text === null ? `unset ${key}` : `set ${key}`,
    params: changeOf(before, value),
  };
  const is_directory = key === "auto_backup_directory";
  using _lock = is_directory && options.move
    ? await beginExclusive(ctx)
    : await exclusiveIfFree(ctx);
  return await audited(ctx, action, async () => {
    if (is_directory) {
      const directory = (value ?? before.default) as string;
      const stored = value as string | null;
      const storage = await changeDirectory(ctx, directory, stored, options.move);
      return { ...await getSetting(ctx, key), ...(storage ? { storage } : {}) };
    }
    await withCatalog(ctx, async ({ settings }) => {
      await settings.set(key as SettingKey, value, ctx.now());
      writeSettingsCopy(ctx.home, await settings.values());
    });
    return await getSetting(ctx, key);
  }, () => ({ message: `${key} = ${JSON.stringify(action.params.new)}` }));
}
