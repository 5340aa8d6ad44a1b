/** A webhook: one POST an event, its body made for the service that takes it. */
import type { AlertEvent } from "../core/events.ts";
import { sendHttp } from "./http.ts";
import { resolveUrl } from "./secret.ts";
import * as templates from "./templates.ts";

/** Where a webhook goes: `target` is a URL or a reference to one. */
export interface Webhook {
  template: "generic" | "slack" | "discord" | "ntfy" | "gotify";
  target: string;
}

/** Raises SendError. */
export async function sendWebhook(
  { template, target }: Webhook,
  event: AlertEvent,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  await sendHttp({ url: resolveUrl(target, env), ...templates[template](event), env }, signal);
}
