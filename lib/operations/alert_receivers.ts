/** Whom the settings name to be told; known even while the catalogue cannot be opened. */
import type { NotifySettings } from "../config/notify_settings.ts";
import { splitWebhook } from "../config/receiver_values.ts";
import type { Settings } from "../config/settings.ts";
import type { Receiver } from "../notify/receiver.ts";
import { buildReceivers } from "../notify/receivers.ts";
import { readSettingsCopy } from "../repository/settings_copy.ts";
import type { Context } from "./context.ts";
import { currentSettings, settingsFrom } from "./settings.ts";

/** Whoever has the catalogue for longer must not hold up alerts. */
const PATIENCE_MS = 5_000;

/**
 * The settings as they are, or, where the catalogue is damaged or taken, as they were last changed: a
 * broken catalogue is no less worth an alert. Raises USAGE where even that breaks a rule.
 */
export async function alertSettings(ctx: Context): Promise<Settings> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const impatient = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE_MS);
  });
  try {
    return await Promise.race([currentSettings(ctx).catch(() => null), impatient]) ??
      settingsFrom(ctx, readSettingsCopy(ctx.home)).settings;
  } finally {
    clearTimeout(timer);
  }
}

/** Everybody the settings name; secrets are looked up when something is sent, not here. */
export function receiversOf(ctx: Context, settings: NotifySettings): Receiver[] {
  const to = settings["notify.mail_to"];
  const host = settings["notify.smtp_host"];
  return buildReceivers({
    events: settings["notify.events"],
    webhooks: settings["notify.webhook_urls"].map(splitWebhook),
    mail: host === "" || to.length === 0 ? null : {
      host,
      port: settings["notify.smtp_port"],
      security: settings["notify.smtp_security"],
      user: settings["notify.smtp_user"],
      password: settings["notify.smtp_password"],
      from: settings["notify.mail_from"],
      to,
    },
    pings: settings["notify.ping_urls"],
    command: settings["notify.command"],
  }, ctx.env);
}
