/** The settings in effect, as operations use them and as people see them. */
import {
  defaultValue,
  findSetting,
  resolveSettings,
  SETTINGS,
  type Settings,
} from "../config/settings.ts";
import type { Context } from "./context.ts";
import { withCatalog } from "./context.ts";

/** A setting as people see it. */
export interface SettingView {
  key: string;
  value: unknown;
  default: unknown;
  /** True where the value was set, and is not the default showing through. */
  is_set: boolean;
  editable: boolean;
  type: string;
  description: string;
}

function host(ctx: Context) {
  return { home: ctx.home.dir, timezone: ctx.env.TZ || hostZone() };
}

/** The link says it too, and asking Intl for it takes 11 ms of each start. */
function hostZone(): string {
  try {
    const named = /\/zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(
      Deno.readLinkSync("/etc/localtime"),
    )?.[1];
    if (named) return named === "Etc/UTC" ? "UTC" : named;
  } catch {
    // No link: a copy of the zone's file, or nothing.
  }
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** What holds now, defaults filled in. */
export async function currentSettings(ctx: Context): Promise<Settings> {
  return (await effectiveSettings(ctx)).settings;
}

/** The same, and which keys were set by somebody. */
export async function effectiveSettings(
  ctx: Context,
): Promise<{ settings: Settings; explicit: Set<string> }> {
  const stored = await withCatalog(ctx, (catalog) => catalog.settings.values());
  return { settings: resolveSettings(stored, host(ctx)), explicit: new Set(Object.keys(stored)) };
}

/** All settings in the order of the documentation. */
export async function listSettings(ctx: Context): Promise<SettingView[]> {
  const stored = await withCatalog(ctx, (catalog) => catalog.settings.values());
  return SETTINGS.map(({ key, kind, editable, description }) => {
    const fallback = defaultValue(key, host(ctx)) ?? null;
    return {
      key,
      value: stored[key] ?? fallback,
      default: fallback,
      is_set: stored[key] !== undefined,
      editable,
      type: kind.type,
      description,
    };
  });
}

/** One setting; raises USAGE for an unknown key. */
export async function getSetting(ctx: Context, key: string): Promise<SettingView> {
  findSetting(key);
  return (await listSettings(ctx)).find((setting) => setting.key === key)!;
}
