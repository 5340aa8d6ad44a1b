/** One HTTP request to a receiver; what goes wrong is said without the address, which may be secret. */
import { SendError } from "./receiver.ts";

export interface Message {
  url: URL;
  method?: "GET" | "POST";
  headers?: Record<string, string>;
  body?: string;
}

/** Succeeds on 2xx alone. Raises SendError. */
export async function sendHttp(message: Message, signal: AbortSignal): Promise<void> {
  const { method = "POST", body } = message;
  const headers = new Headers({ "user-agent": "duckback", ...message.headers });
  const url = new URL(message.url);
  if (url.username || url.password) {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.set("authorization", `Basic ${btoa(pair)}`);
    url.username = url.password = "";
  }
  let response: Response;
  try {
    response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
    await response.body?.cancel();
  } catch (cause) {
    throw new SendError(networkProblem(cause, signal), true);
  }
  const { status } = response;
  if (status >= 200 && status < 300) return;
  const text = status >= 300 && status < 400
    ? `it answered ${status} (moved): give the address it moved to`
    : `it answered ${status}`;
  throw new SendError(text, status >= 500 || status === 408 || status === 429);
}

/** In few words; the full message of the runtime repeats the address. */
export function networkProblem(cause: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "it did not answer in time";
  const text = cause instanceof Error ? cause.message : String(cause);
  const known: [RegExp, string][] = [
    [/connection refused|ECONNREFUSED/i, "the connection was refused"],
    [/dns error|failed to lookup|ENOTFOUND|EAI_AGAIN/i, "its host name cannot be resolved"],
    [/certificate|UnknownIssuer|SELF_SIGNED|ERR_TLS/i, "its certificate is not trusted"],
    [/timed out|ETIMEDOUT/i, "it did not answer in time"],
    [/unreachable|ENETUNREACH|EHOSTUNREACH/i, "it cannot be reached"],
    [/reset|closed|ECONNRESET|EPIPE/i, "the connection was cut off"],
  ];
  return known.find(([pattern]) => pattern.test(text))?.[1] ?? "the request failed";
}
