/** Mail over SMTP; the only file that imports nodemailer. Load it with `await import()`. */
// @ts-types="./nodemailer.d.ts"
import nodemailer from "nodemailer";
import type { AlertEvent } from "../core/events.ts";
import { networkProblem } from "./http.ts";
import { SendError } from "./receiver.ts";
import { resolveReference } from "./secret.ts";
import { systemAuthorities } from "./trust.ts";

/** The mail server, and who writes to whom. `password` is a reference, or "". */
export interface MailSettings {
  host: string;
  port: number;
  security: "starttls" | "tls" | "none";
  user: string;
  password: string;
  from: string;
  to: string[];
}

const STEP_MS = 10_000;

/** Raises SendError where one of the addresses did not take it. */
export async function sendMail(
  settings: MailSettings,
  event: AlertEvent,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const { host, port, security, user, password, from, to } = settings;
  if (from === "") throw new SendError("notify.mail_from is not set", false);
  const auth = user === "" ? undefined : { user, pass: resolveReference(password, env) };
  const transport = nodemailer.createTransport({
    host,
    port,
    secure: security === "tls",
    requireTLS: security === "starttls",
    ignoreTLS: security === "none",
    auth,
    tls: security === "none" ? {} : { ca: systemAuthorities(env) },
    dnsTimeout: STEP_MS,
    connectionTimeout: STEP_MS,
    greetingTimeout: STEP_MS,
    socketTimeout: STEP_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new SendError("it did not answer in time", true));
    signal.addEventListener("abort", stop);
  });
  try {
    const { rejected } = await Promise.race([
      transport.sendMail({
        from: `duckback <${from}>`,
        to,
        subject: `[duckback] ${oneLine(event.title)} (${oneLine(event.host)})`,
        text: mailText(event),
        date: new Date(event.at),
        headers: { "Auto-Submitted": "auto-generated" },
      }),
      stopped,
    ]);
    if (rejected.length > 0) {
      const names = rejected.map((one) => typeof one === "string" ? one : one.address);
      throw new SendError(`it does not take mail for ${names.join(", ")}`, false);
    }
  } catch (cause) {
    throw cause instanceof SendError ? cause : smtpError(cause, security, signal);
  } finally {
    signal.removeEventListener("abort", stop);
    transport.close();
  }
}

function mailText(event: AlertEvent): string {
  const facts = [
    event.stack === null ? "" : `stack  ${event.stack}`,
    `host   ${event.host}`,
    `time   ${event.at}`,
    `event  ${event.kind}`,
  ].filter((line) => line !== "");
  return `${event.title}\n\n${event.message}\n\n${facts.join("\n")}\n`;
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

/** What the server said may repeat what was sent, so only its code is told. */
function smtpError(
  cause: unknown,
  security: MailSettings["security"],
  signal: AbortSignal,
): SendError {
  const { code, responseCode, message } = cause as Error & { code?: string; responseCode?: number };
  if (code === "EAUTH") return new SendError("it refused the user name or password", false);
  if (code === "ENOAUTH") return new SendError("it wants a user name and password", false);
  if (code === "ETLS") return new SendError("it does not offer STARTTLS", false);
  // All that is left of a handshake that failed in the middle of a connection.
  if (security === "starttls" && /UNKNOWN/.test(message)) {
    return new SendError("STARTTLS failed: is its certificate trusted here?", false);
  }
  if (responseCode !== undefined) {
    return new SendError(`it answered ${responseCode}`, responseCode < 500);
  }
  return new SendError(networkProblem(cause, signal), true);
}
