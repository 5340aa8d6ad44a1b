/** A catalogue that cannot be read is put aside, and a new one takes its place: runs go on. */
import { checkSetting, type SettingKey, SETTINGS } from "../config/settings.ts";
import { DuckbackError } from "../core/errors.ts";
import { readSettingsCopy } from "../repository/settings_copy.ts";
import { audited } from "./audit.ts";
import { type Context, note, withCatalog } from "./context.ts";

/**
 * Does `work`; where that meets a damaged catalogue (CATALOG_CORRUPT), the damaged one is kept under
 * another name, a new one is made with the settings as their copy has them, and `work` is done once
 * more: it must take in the records beside the archives. The caller holds the home's lock.
 */
export async function withSoundCatalog<T>(ctx: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof DuckbackError) || cause.code !== "CATALOG_CORRUPT") throw cause;
    await replaceCatalog(ctx, cause);
    return await work();
  }
}

async function replaceCatalog(ctx: Context, cause: DuckbackError) {
  const { putCatalogAside } = await import("../catalog/put_aside.ts");
  const aside = await putCatalogAside(ctx.home.dir, ctx.now());
  note(
    ctx,
    `The catalogue was damaged and is kept as "${aside}". A new one is made from the records beside ` +
      "the archives; the history of commands begins anew. Archives elsewhere than in the backup " +
      "directory are taken in by: duckback catalog rebuild DIR",
    "warning",
  );
  const settings = soundSettings(readSettingsCopy(ctx.home));
  const action = {
    type: "rebuild",
    description: "replace a damaged catalogue",
    params: { kept_as: aside, damage: cause.message },
  };
  await audited(ctx, action, async () => {
    await withCatalog(ctx, (catalog) => catalog.settings.setAll(settings, ctx.now()));
  }, () => ({ message: `${Object.keys(settings).length} settings restored from their copy` }));
}

/** Those that this version knows and that keep their rules. */
function soundSettings(values: Record<string, unknown>): Record<string, unknown> {
  const known = new Set<string>(SETTINGS.map(({ key }) => key));
  return Object.fromEntries(
    Object.entries(values).filter(([key, value]) =>
      known.has(key) && checkSetting(key as SettingKey, value) === null
    ),
  );
}
