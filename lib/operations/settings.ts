/** The settings in effect, as operations use them and as people see them. */
import { environmentName, environmentValues } from "../config/environment.ts";
import {
  checkSetting,
  defaultValue,
  findSetting,
  maskSetting,
  resolveSettings,
  type SettingKey,
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
  /** Where `value` comes from. */
  source: "default" | "set" | "environment";
  /** True where a value is stored, be it overridden by the environment or not. */
  is_set: boolean;
  /** The value that is stored; null without any. */
  stored: unknown;
  /** The variable that would override it. */
  variable: string;
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
  return settingsFrom(ctx, stored);
}

/** The same from values that were read before, with the environment's over them. */
export function settingsFrom(ctx: Context, stored: Record<string, unknown>) {
  const values = { ...stored, ...environmentValues(ctx.env) };
  return { settings: resolveSettings(values, host(ctx)), explicit: new Set(Object.keys(values)) };
}

/** All settings in the order of the documentation. */
export async function listSettings(ctx: Context): Promise<SettingView[]> {
  const stored = await withCatalog(ctx, (catalog) => catalog.settings.values());
  const from_env = environmentValues(ctx.env);
  return SETTINGS.map(({ key, kind, editable, description }) => {
    const fallback = defaultValue(key, host(ctx)) ?? null;
    const set = presentable(key, stored[key]);
    const source = key in from_env ? "environment" : set === null ? "default" : "set";
    return {
      key,
      value: from_env[key] ?? set ?? fallback,
      default: fallback,
      source,
      is_set: set !== null,
      stored: set,
      variable: environmentName(key),
      editable,
      type: kind.type,
      description,
    };
  });
}

/** A value that breaks its rule was stored by other means: it may be the secret it must not hold. */
function presentable(key: SettingKey, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  return checkSetting(key, value) === null ? value : maskSetting(key, value);
}

/** One setting; raises USAGE for an unknown key. */
export async function getSetting(ctx: Context, key: string): Promise<SettingView> {
  findSetting(key);
  return (await listSettings(ctx)).find((setting) => setting.key === key)!;
}
