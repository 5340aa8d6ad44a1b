/** Pings of a service that expects to hear of each backup and alerts when it does not (healthchecks.io). */
import type { AlertEvent, EventKind } from "../core/events.ts";
import { sendHttp } from "./http.ts";
import { resolveUrl } from "./secret.ts";

/**
 * What is put behind the URL: nothing for success; null where an event is none of its business. `/log`
 * is noted by the service and changes nothing.
 */
export function pingSuffix(kind: EventKind): string | null {
  if (kind === "backup_completed") return "";
  if (kind === "backup_started") return "/start";
  if (kind === "backup_partial" || kind === "backup_failed") return "/fail";
  return kind === "test" ? "/log" : null;
}

/** `target` is a URL or a reference to one; `{stack}` in it stands for the stack. Raises SendError. */
export async function sendPing(
  target: string,
  event: AlertEvent,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const url = resolveUrl(target, env);
  // A URL's path has braces escaped.
  const path = url.pathname.replaceAll("%7Bstack%7D", encodeURIComponent(event.stack ?? "none"));
  url.pathname = path.replace(/\/+$/, "") + pingSuffix(event.kind);
  const body = event.kind === "backup_started" ? "" : `${event.title}\n${event.message}`;
  await sendHttp(
    { url, headers: { "content-type": "text/plain; charset=utf-8" }, body, env },
    signal,
  );
}
