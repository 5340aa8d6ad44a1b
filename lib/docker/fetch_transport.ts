/**
 * Carries dockerode's requests over `fetch`. Deno's node:http (2.7.11) raises an unhandled rejection,
 * which ends the process, where an engine closes the connection in the middle of an answer. fetch
 * repeats a request once whose connection closed before any answer; every call of the port bears that.
 */
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import type { Endpoint } from "./endpoint.ts";

/** What docker-modem hands to `buildRequest`, as far as it is used here. */
interface Request {
  path: string;
  method: string;
  headers?: Record<string, string | number>;
  signal?: AbortSignal;
}
interface Context {
  isStream?: boolean;
  statusCodes: Record<number, true | string>;
}
type Callback = (error: unknown, answer?: unknown) => void;

/** The two methods of docker-modem that this replaces and uses. */
export interface Modem {
  buildRequest(request: Request, context: Context, body: unknown, callback: Callback): void;
  buildPayload(
    error: unknown,
    isStream: boolean,
    statusCodes: Context["statusCodes"],
    openStdin: boolean,
    request: unknown,
    response: { statusCode: number },
    json: unknown,
    callback: Callback,
  ): void;
}

/** Makes `modem` send all requests but hijacked ones over `fetch` to `endpoint`. */
export function useFetch(modem: Modem, endpoint: Endpoint) {
  const original = modem.buildRequest.bind(modem);
  const base = endpoint.socket_path
    ? "http://docker"
    : `${endpoint.tls ? "https" : "http"}://${bracketed(endpoint.host!)}:${endpoint.port}`;
  modem.buildRequest = (request, context, body, callback) => {
    if ((context as { hijack?: boolean }).hijack) {
      return original(request, context, body, callback);
    }
    send(modem, endpoint, base, request, context, body).then(
      (finish) => finish(callback),
      (cause) => callback(withCode(cause)),
    );
  };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

async function send(
  modem: Modem,
  endpoint: Endpoint,
  base: string,
  request: Request,
  context: Context,
  body: unknown,
): Promise<(callback: Callback) => void> {
  const client = Deno.createHttpClient(
    {
      // A connection kept alive is dead after the engine restarts.
      poolMaxIdlePerHost: 0,
      ...(endpoint.socket_path ? { proxy: { transport: "unix", path: endpoint.socket_path } } : {}),
      ...(endpoint.tls?.ca ? { caCerts: [endpoint.tls.ca] } : {}),
      ...(endpoint.tls?.cert ? { cert: endpoint.tls.cert, key: endpoint.tls.key ?? "" } : {}),
    } as Deno.CreateHttpClientOptions & Deno.TlsCertifiedKeyPem,
  );
  let streaming = false;
  try {
    const response = await fetch(base + request.path, {
      client,
      method: request.method,
      headers: request.headers as Record<string, string>,
      body: body as BodyInit | undefined,
      signal: request.signal,
    } as RequestInit);
    if (context.isStream && response.ok) {
      streaming = true;
      const stream = Readable.fromWeb(response.body as never);
      stream.once("close", () => client.close());
      return (callback) => callback(null, stream);
    }
    const bytes = Buffer.from(await response.arrayBuffer());
    const { isStream: _, statusCodes } = context;
    const answer = { statusCode: response.status };
    return (callback) =>
      modem.buildPayload(
        null,
        false,
        statusCodes,
        false,
        null,
        answer,
        parseJson(bytes) || bytes,
        callback,
      );
  } finally {
    if (!streaming) client.close();
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}

/** fetch says "(os error 111)" where node:http says ECONNREFUSED. */
const OS_CODES: Record<string, string> = {
  "1": "EPERM",
  "2": "ENOENT",
  "13": "EACCES",
  "111": "ECONNREFUSED",
};

function withCode(cause: unknown): unknown {
  if (!(cause instanceof Error)) return cause;
  if (cause.name === "AbortError") {
    return Object.assign(new Error(cause.message), { code: "EINTR" });
  }
  const code = OS_CODES[/\(os error (\d+)\)/.exec(cause.message)?.[1] ?? ""];
  // "error sending request for url (...): client error (Connect): Connection refused (os error 111)"
  const message = cause.message.replace(/^error sending request for url \(.*?\): /, "")
    .replace(/^client error \(\w+\): /, "");
  return Object.assign(new Error(message, { cause }), code ? { code } : {});
}
