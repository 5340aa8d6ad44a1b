/** Bodies of webhooks, one a service; each service's own documentation says what it takes. */
import type { AlertEvent, EventKind } from "../core/events.ts";

type Level = "good" | "bad" | "warning";

/** How urgent an event is. */
export function levelOf(kind: EventKind): Level {
  if (kind === "backup_completed" || kind === "recovered" || kind === "test") return "good";
  return kind === "backup_partial" || kind === "disk_low" ? "warning" : "bad";
}

/** What a template makes of an event: a body and what must be said of it in headers. */
export interface Body {
  headers: Record<string, string>;
  body: string;
}

const JSON_TYPE = { "content-type": "application/json" };

/** The event with all its fields, as `AlertEvent`. */
export function generic(event: AlertEvent): Body {
  return json({ source: "duckback", level: levelOf(event.kind), ...event });
}

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks; Mattermost takes it too. */
export function slack(event: AlertEvent): Body {
  const mark = { good: ":white_check_mark:", bad: ":rotating_light:", warning: ":warning:" };
  const safe = (text: string) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return json({
    text: `${mark[levelOf(event.kind)]} *${safe(event.title)}* (${safe(event.host)})\n${
      safe(event.message)
    }`,
  });
}

/** https://docs.discord.com/developers/resources/webhook: an embed's description has 4,096 characters. */
export function discord(event: AlertEvent): Body {
  const color = { good: 0x2eb67d, bad: 0xe01e5a, warning: 0xecb22e };
  return json({
    username: "duckback",
    embeds: [{
      title: event.title.slice(0, 256),
      description: event.message.slice(0, 4_000),
      color: color[levelOf(event.kind)],
      timestamp: event.at,
      footer: { text: event.host.slice(0, 2_048) },
    }],
    allowed_mentions: { parse: [] },
  });
}

/** https://docs.ntfy.sh/publish: the body is the text; headers are ASCII, so others are RFC 2047. */
export function ntfy(event: AlertEvent): Body {
  const tags = { good: "white_check_mark", bad: "rotating_light", warning: "warning" };
  const priority = { good: "3", bad: "5", warning: "4" };
  const level = levelOf(event.kind);
  return {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "title": encodedWord(event.title),
      "priority": priority[level],
      "tags": tags[level],
    },
    body: `${event.message}\n${event.host}`,
  };
}

/** https://gotify.net/docs/pushmsg: URL/message?token=TOKEN. */
export function gotify(event: AlertEvent): Body {
  const priority = { good: 2, bad: 8, warning: 5 };
  return json({
    title: event.title,
    message: `${event.message}\n${event.host}`,
    priority: priority[levelOf(event.kind)],
  });
}

function json(value: unknown): Body {
  return { headers: JSON_TYPE, body: JSON.stringify(value) };
}

/** A header's text: as it is where it is printable ASCII, else RFC 2047. */
function encodedWord(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const bytes = new TextEncoder().encode(text);
  return `=?UTF-8?B?${btoa(String.fromCharCode(...bytes))}?=`;
}
