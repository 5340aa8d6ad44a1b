/** Changing a setting: checked, and audited with its old and new value. */
import { findSetting, maskSetting, parseSetting, type SettingKey } from "../config/settings.ts";
import { DuckbackError } from "../core/errors.ts";
import { writeSettingsCopy } from "../repository/settings_copy.ts";
import { audited } from "./audit.ts";
import { type Context, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
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

/** Sets a key from text, or back to its default with null. Raises USAGE with the rule and an example. */
export async function changeSetting(
  ctx: Context,
  key: string,
  text: string | null,
): Promise<SettingView> {
  findSetting(key);
  const value = text === null ? null : parseSetting(key, text);
  const before = await getSetting(ctx, key);
  if (!before.editable) parseSetting(key, ""); // says that it is read-only
  const action = {
    type: "config",
    description: text === null ? `unset ${key}` : `set ${key}`,
    params: changeOf(before, value),
  };
  using _lock = await exclusiveIfFree(ctx);
  return await audited(ctx, action, async () => {
    await withCatalog(ctx, async ({ settings }) => {
      await settings.set(key as SettingKey, value, ctx.now());
      writeSettingsCopy(ctx.home, await settings.values());
    });
    return await getSetting(ctx, key);
  }, () => ({ message: `${key} = ${JSON.stringify(action.params.new)}` }));
}
