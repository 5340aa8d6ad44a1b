/** Kinds of values that name receivers of alerts: whatever of them is secret must be a reference. */
import { EVENT_KINDS } from "../core/events.ts";
import { parseReference, REFERENCE_RULE } from "../core/reference.ts";
import { type Kind, list, ruled, string } from "./values.ts";

/** How the body of a webhook's request is made. */
export const WEBHOOK_TEMPLATES = ["generic", "slack", "discord", "ntfy", "gotify"] as const;
export type WebhookTemplate = typeof WEBHOOK_TEMPLATES[number];

/** An item of `notify.webhook_urls`: `[TEMPLATE+]URL`, or a reference in place of the URL. */
export function splitWebhook(item: string): { template: WebhookTemplate; target: string } {
  const [, template, target] = /^([a-z]+)\+(.*)$/s.exec(item) ?? [];
  return (WEBHOOK_TEMPLATES as readonly string[]).includes(template)
    ? { template: template as WebhookTemplate, target }
    : { template: "generic", target: item };
}

const URL_RULE = `a URL without a secret in it, or ${REFERENCE_RULE}`;

export function webhooks(): Kind {
  return ruled(
    list(""),
    `a list of receivers, each [${WEBHOOK_TEMPLATES.join("|")}+] and then ${URL_RULE}`,
    "slack+env:SLACK_URL,ntfy+https://ntfy.example.org/backups",
    (item) => urlProblem(splitWebhook(item).target),
    (item) => {
      const { target } = splitWebhook(item);
      return item.slice(0, item.length - target.length) + maskTarget(target);
    },
  );
}

export function urls(): Kind {
  return ruled(
    list(""),
    `a list, each item ${URL_RULE}`,
    "file:/etc/duckback/ping-url",
    urlProblem,
    maskTarget,
  );
}

export function secret(): Kind {
  return ruled(
    string(),
    `${REFERENCE_RULE}, or "" for none`,
    "file:/etc/duckback/smtp-password",
    (text) =>
      text === "" || parseReference(text)
        ? null
        : "a secret is never kept in the settings; name where it is",
    maskTarget,
  );
}

export function events(): Kind {
  return ruled(
    list(""),
    `a list of ${EVENT_KINDS.join(", ")}`,
    "backup_failed,service_down,overdue,recovered",
    (item) => (EVENT_KINDS as readonly string[]).includes(item) ? null : `"${item}" is no event`,
  );
}

export function mailAddress(): Kind {
  return ruled(string(), ADDRESS_RULE, "duckback@example.org", addressProblem);
}

export function mailAddresses(): Kind {
  return ruled(list(""), `a list, each item ${ADDRESS_RULE}`, "admin@example.org", addressProblem);
}

const ADDRESS_RULE = 'a mail address, or "" for none';

function addressProblem(text: string): string | null {
  return text === "" || /^[^\s@<>"',;:]+@[^\s@<>"',;:]+$/.test(text)
    ? null
    : `"${text}" is no mail address`;
}

function urlProblem(text: string): string | null {
  if (parseReference(text)) return null;
  if (/^(env|file):/.test(text)) return "that names no variable and no absolute path";
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return "an item is no http or https URL";
  return carriesSecret(url)
    ? "a URL with a secret in it is never kept in the settings; put it in a variable or file"
    : null;
}

/** A name and password, a query, a part of the path that looks random, or a service known for them. */
function carriesSecret(url: URL): boolean {
  if (url.username || url.password || url.search) return true;
  if (/(^|\.)(slack|discord|discordapp)\.com$/.test(url.hostname)) return true;
  return /[\da-f]{8}-[\da-f]{4}-/i.test(url.pathname) ||
    url.pathname.split(/[^a-z\d]/i).some((part) => part.length >= 16 && /\d/.test(part));
}

/** A reference as it is; of a URL its origin; of anything else nothing. */
export function maskTarget(text: string): string {
  if (text === "" || parseReference(text)) return text;
  const url = URL.parse(text);
  return url && /^https?:$/.test(url.protocol) ? `${url.origin}/***` : "***";
}
