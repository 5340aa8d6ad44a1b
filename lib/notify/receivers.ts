/** From the settings, everybody who is to be told. */
import { createHash } from "node:crypto";
import type { AlertEvent, EventKind } from "../core/events.ts";
import type { Channel, Receiver } from "./receiver.ts";
import { sendWebhook, type Webhook } from "./webhook.ts";

/** What of the settings matters here; secrets are still references. */
export interface ReceiverSettings {
  events: EventKind[];
  webhooks: Webhook[];
}

/** `env` is where references to variables are looked up. */
export function buildReceivers(
  settings: ReceiverSettings,
  env: Record<string, string>,
): Receiver[] {
  const chosen = new Set<EventKind>([...settings.events, "test"]);
  const wants = (event: AlertEvent, repeated: boolean) => !repeated && chosen.has(event.kind);
  const receivers: Receiver[] = [];
  for (const webhook of settings.webhooks) {
    receivers.push({
      ...named("webhook", `${webhook.template} ${webhook.target}`, label(webhook)),
      wants,
      send: (event, signal) => sendWebhook(webhook, event, env, signal),
    });
  }
  return receivers;
}

/** `whole` tells receivers apart; it is hashed, since a URL is nobody's business. */
function named(channel: Channel, whole: string, shown: string) {
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 12);
  return { id: `${channel}-${hash}`, channel, label: `${channel} ${shown}` };
}

function label({ template, target }: Webhook): string {
  return template === "generic" ? shown(target) : `${template} ${shown(target)}`;
}

/** A reference as it is; of a URL its host. */
function shown(target: string): string {
  return URL.parse(target)?.host || target;
}
