/** The keys `notify.*`: who is told of what, and how. Secrets are references (core/reference.ts). */
import { EVENT_KINDS, type EventKind } from "../core/events.ts";
import { define, type Definition } from "./define.ts";
import * as receiver from "./receiver_values.ts";
import * as kind from "./values.ts";

export interface NotifySettings {
  /** What webhooks, mail and the command are told of. */
  "notify.events": EventKind[];
  /** Each `[TEMPLATE+]URL` or `[TEMPLATE+]REFERENCE`; see receiver_values.ts. */
  "notify.webhook_urls": string[];
  /** "" for no mail. */
  "notify.smtp_host": string;
  "notify.smtp_port": number;
  "notify.smtp_security": "starttls" | "tls" | "none";
  "notify.smtp_user": string;
  /** A reference, or "". */
  "notify.smtp_password": string;
  "notify.mail_from": string;
  "notify.mail_to": string[];
  /** URLs or references; `{stack}` stands for the stack's name. */
  "notify.ping_urls": string[];
  /** Program and arguments; none for no command. */
  "notify.command": string[];
  /** How long sending may hold up the end of a command, all receivers together. */
  "notify.timeout_seconds": number;
  /** 0: every time. */
  "notify.repeat_hours": number;
  /** 0: by the schedule, where automatic backups are on. */
  "notify.overdue_hours": number;
  /** 0: never. */
  "notify.disk_percent": number;
}

export const NOTIFY_SETTINGS: readonly Definition<keyof NotifySettings>[] = [
  define(
    "notify.events",
    receiver.events(),
    EVENT_KINDS.filter((one) => one !== "backup_completed"),
    "What webhooks, mail and the command are told of",
  ),
  define("notify.webhook_urls", receiver.webhooks(), [], "Webhooks that are told of events"),
  define("notify.smtp_host", kind.string(), "", "Mail server; empty for no mail"),
  define("notify.smtp_port", kind.integer(1, 65_535, 587), 587, "Port of the mail server"),
  define(
    "notify.smtp_security",
    kind.oneOf("starttls", "tls", "none"),
    "starttls",
    "How the connection to the mail server is encrypted",
  ),
  define("notify.smtp_user", kind.string(), "", "User name at the mail server; empty for none"),
  define("notify.smtp_password", receiver.secret(), "", "Where the mail server's password lies"),
  define("notify.mail_from", receiver.mailAddress(), "", "Sender of mails"),
  define("notify.mail_to", receiver.mailAddresses(), [], "Who gets mails"),
  define(
    "notify.ping_urls",
    receiver.urls(),
    [],
    "Pinged when a backup starts (/start), succeeds and fails (/fail)",
  ),
  define(
    "notify.command",
    kind.list('["/usr/local/bin/alert", "--backup"]'),
    [],
    "Program and arguments to run with the event as JSON on its standard input",
  ),
  define(
    "notify.timeout_seconds",
    kind.integer(1, 300, 20, "seconds"),
    20,
    "How long sending may hold up the end of a command, all receivers together",
  ),
  define(
    "notify.repeat_hours",
    kind.integer(0, 8_760, 12, "hours; 0: every time"),
    12,
    "How long the same event of the same stack is not told again",
  ),
  define(
    "notify.overdue_hours",
    kind.integer(0, 87_600, 48, "hours; 0: until two runs of the schedule were missed"),
    0,
    "Longest time without a successful backup of a stack",
  ),
  define(
    "notify.disk_percent",
    kind.integer(0, 100, 90, "percent; 0: no limit"),
    90,
    "How full the archives' disk may be",
  ),
];
