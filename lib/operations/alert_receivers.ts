/** Whom the settings name to be told; known even while the catalogue cannot be opened. */
import { join } from "node:path";
import { NOTIFY_SETTINGS, type NotifySettings } from "../config/notify_settings.ts";
import { splitWebhook } from "../config/receiver_values.ts";
import type { Receiver } from "../notify/receiver.ts";
import { buildReceivers } from "../notify/receivers.ts";
import { ensurePrivateDir, writeDurably } from "../repository/durable.ts";
import type { Context } from "./context.ts";
import { currentSettings } from "./settings.ts";

/** Whoever has the catalogue for longer must not hold up alerts. */
const PATIENCE_MS = 5_000;

/**
 * The settings `notify.*`: from the catalogue, else, where that is damaged or taken, as they were when
 * alerts were last sent. A broken catalogue is no less worth an alert. Raises what the catalogue raised.
 */
export async function notifySettings(ctx: Context): Promise<NotifySettings> {
  const copy = join(ctx.home.alerts, "settings");
  let timer: ReturnType<typeof setTimeout> | undefined;
  const impatient = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE_MS);
  });
  try {
    const found = await Promise.race([currentSettings(ctx), impatient]);
    if (!found) return readCopy(copy) ?? await currentSettings(ctx);
    const notify = Object.fromEntries(NOTIFY_SETTINGS.map(({ key }) => [key, found[key]]));
    keepCopy(ctx, copy, JSON.stringify(notify, null, 1));
    return found;
  } catch (cause) {
    const known = readCopy(copy);
    if (known) return known;
    throw cause;
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

function readCopy(path: string): NotifySettings | null {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch {
    return null;
  }
}

/** Holds references, not secrets. */
function keepCopy(ctx: Context, path: string, text: string) {
  try {
    if (text === readText(path)) return;
    ensurePrivateDir(ctx.home.alerts);
    writeDurably(path, text);
  } catch {
    // It is for the day the catalogue is broken; today it is not.
  }
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}
