/** One HTTP request to a receiver; what goes wrong is said without the address, which may be secret. */
import { SendError } from "./receiver.ts";
import { systemAuthorities } from "./trust.ts";

export interface Message {
  url: URL;
  headers: Record<string, string>;
  body: string;
  env: Record<string, string>;
}

/** A POST. Succeeds on 2xx alone. Raises SendError. */
export async function sendHttp(message: Message, signal: AbortSignal): Promise<void> {
  const headers = new Headers({ "user-agent": "duckback", ...message.headers });
  const url = new URL(message.url);
  if (url.username || url.password) {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.set("authorization", `Basic ${btoa(pair)}`);
    url.username = url.password = "";
  }
  using client = url.protocol === "https:"
    ? Deno.createHttpClient({ caCerts: systemAuthorities(message.env) })
    : undefined;
  let response: Response;
  try {
    const { body } = message;
    response = await fetch(url, {
      method: "POST",
      headers,
      body,
      signal,
      redirect: "manual",
      client,
    });
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
  const text = wordsOf(cause);
  const known: [RegExp, string][] = [
    [/connection refused|ECONNREFUSED/i, "the connection was refused"],
    [/dns error|failed to lookup|ENOTFOUND|EAI_AGAIN/i, "its host name cannot be resolved"],
    [/certificate|UnknownIssuer|SELF_SIGNED|ERR_TLS/i, "its certificate is not trusted"],
    [/corrupt message|InvalidContentType/i, "it does not speak TLS at that port"],
    [/timed out|ETIMEDOUT/i, "it did not answer in time"],
    [/unreachable|ENETUNREACH|EHOSTUNREACH/i, "it cannot be reached"],
    [/reset|closed|ECONNRESET|EPIPE/i, "the connection was cut off"],
  ];
  return known.find(([pattern]) => pattern.test(text))?.[1] ?? "the request failed";
}

/** Everything an error says of itself; one of several addresses has several inside. */
function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code, originalCode } = cause as { code?: string; originalCode?: string };
  const inner = cause instanceof AggregateError ? cause.errors.map(wordsOf) : [];
  return [cause.message, code, originalCode, ...inner].join(" ");
}
