/** From the settings, everybody who is to be told. */
import { createHash } from "node:crypto";
import type { AlertEvent, EventKind } from "../core/events.ts";
import { runCommand } from "./command.ts";
import type { MailSettings } from "./mail.ts";
import { pingSuffix, sendPing } from "./ping.ts";
import type { Channel, Receiver } from "./receiver.ts";
import { sendWebhook, type Webhook } from "./webhook.ts";

/** What of the settings matters here; secrets are still references. */
export interface ReceiverSettings {
  events: EventKind[];
  webhooks: Webhook[];
  /** Null without a mail server or anybody to write to. */
  mail: MailSettings | null;
  /** URLs or references. */
  pings: string[];
  /** Empty for none. */
  command: string[];
}

/** `env` is where references to variables are looked up. */
export function buildReceivers(
  settings: ReceiverSettings,
  env: Record<string, string>,
): Receiver[] {
  const chosen = new Set<EventKind>([...settings.events, "test"]);
  const wants = (event: AlertEvent, repeated: boolean) => !repeated && chosen.has(event.kind);
  const receivers: Receiver[] = settings.webhooks.map((webhook) => ({
    ...named("webhook", `${webhook.template} ${webhook.target}`, label(webhook)),
    wants,
    send: (event, signal) => sendWebhook(webhook, event, env, signal),
  }));
  const { mail, command } = settings;
  if (mail) {
    receivers.push({
      ...named("mail", `${mail.host}:${mail.port} ${mail.to}`, `to ${mail.to.join(", ")}`),
      wants,
      async send(event, signal) {
        const { sendMail } = await import("./mail.ts");
        await sendMail(mail, event, env, signal);
      },
    });
  }
  for (const target of settings.pings) {
    receivers.push({
      ...named("ping", target, shown(target)),
      // Each backup counts, however often it fails.
      wants: ({ kind }) => pingSuffix(kind) !== null,
      send: (event, signal) => sendPing(target, event, env, signal),
    });
  }
  if (command.length > 0) {
    receivers.push({
      ...named("command", JSON.stringify(command), command[0]),
      wants,
      send: (event, signal) => runCommand(command, event, env, signal),
    });
  }
  return receivers;
}

/** `whole` tells receivers apart; it is hashed, since a URL is nobody's business. */
function named(channel: Channel, whole: string, shown: string) {
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 12);
  const latest_only = channel === "ping";
  return { id: `${channel}-${hash}`, channel, label: `${channel} ${shown}`, latest_only };
}

function label({ template, target }: Webhook): string {
  return template === "generic" ? shown(target) : `${template} ${shown(target)}`;
}

/** A reference as it is; of a URL its host. */
function shown(target: string): string {
  return URL.parse(target)?.host || target;
}
