/**
 * The connection of a running `docker exec`: one request, then raw bytes both ways until the command
 * ends. Written on a plain socket, since neither fetch nor Deno's node:http can close the sending half
 * alone, which is how a command is told that its input is over.
 */
import type { Endpoint } from "./endpoint.ts";
import { FrameReader, type FrameSink } from "./exec_frames.ts";

/** Longest head of an answer that is read. */
const MAX_HEAD = 64 << 10;
/** Longest text of a refusal that is read. */
const MAX_REFUSAL = 64 << 10;
const CHUNK = 64 << 10;

/**
 * What the command reads: bytes and then its end; "open": nothing, but no end either until the command
 * is over or this process is gone; null: nothing.
 */
export type ExecInput = AsyncIterable<Uint8Array> | "open" | null;

/** The engine answered and refused; engineFailure() makes a DOCKER_FAILED of it. */
class Refusal extends Error {
  constructor(readonly statusCode: number, message: string) {
    super(message);
  }
}

/**
 * Starts the exec `id` and hands its output to `sink` until the command has closed both. Each piece is
 * awaited. Throws what the sink or the input threw, an Error with `statusCode` where the engine refused,
 * and other errors where the connection broke. Aborting `signal` breaks the connection.
 */
export async function runAttached(
  endpoint: Endpoint,
  id: string,
  input: ExecInput,
  sink: FrameSink,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const conn = await dial(endpoint);
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    conn.close();
  };
  signal?.addEventListener("abort", close);
  const sending: Sending = { error: null };
  try {
    await writeAll(conn, request(id));
    const rest = await readHead(conn);
    send(conn, input, sending, close);
    const frames = new FrameReader(sink);
    await frames.feed(rest);
    const buffer = new Uint8Array(CHUNK);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      await frames.feed(buffer.subarray(0, n));
    }
    if (!frames.whole) throw new Error("the connection ended in the middle of the output");
  } catch (error) {
    throw sending.error ?? error;
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}

async function dial(endpoint: Endpoint): Promise<Deno.Conn> {
  if (endpoint.socket_path !== null) {
    return await Deno.connect({ transport: "unix", path: endpoint.socket_path });
  }
  const at = { hostname: endpoint.host!, port: endpoint.port! };
  if (!endpoint.tls) return await Deno.connect(at);
  const { ca, cert, key } = endpoint.tls;
  return await Deno.connectTls({
    ...at,
    ...(ca ? { caCerts: [ca] } : {}),
    ...(cert && key ? { cert, key } : {}),
  });
}

function request(id: string): Uint8Array {
  const body = JSON.stringify({ Detach: false, Tty: false });
  return new TextEncoder().encode(
    [
      `POST /exec/${encodeURIComponent(id)}/start HTTP/1.1`,
      "Host: docker",
      "Content-Type: application/json",
      "Connection: Upgrade",
      "Upgrade: tcp",
      `Content-Length: ${body.length}`,
      "",
      body,
    ].join("\r\n"),
  );
}

/** Reads the head of the answer; returns what came behind it. Throws Refusal for any other answer. */
async function readHead(conn: Deno.Conn): Promise<Uint8Array> {
  let bytes = new Uint8Array(0);
  let end = -1;
  while (end < 0) {
    if (bytes.length > MAX_HEAD) throw new Error("the engine's answer makes no sense");
    const more = await readSome(conn);
    if (more === null) throw new Error("the connection closed before the engine answered");
    bytes = concat(bytes, more);
    end = headEnd(bytes);
  }
  const head = new TextDecoder().decode(bytes.subarray(0, end));
  const rest = bytes.subarray(end + 4);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? NaN);
  if (status === 101 || status === 200) return rest;
  if (Number.isNaN(status)) throw new Error("the engine's answer makes no sense");
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? NaN);
  throw new Refusal(status, await readRefusal(conn, rest, length));
}

async function readRefusal(conn: Deno.Conn, begun: Uint8Array, length: number): Promise<string> {
  let bytes = begun;
  const wanted = Number.isNaN(length) ? MAX_REFUSAL : Math.min(length, MAX_REFUSAL);
  while (bytes.length < wanted) {
    const more = await readSome(conn);
    if (more === null) break;
    bytes = concat(bytes, more);
  }
  const text = new TextDecoder().decode(bytes);
  try {
    return JSON.parse(text).message ?? text;
  } catch {
    return text;
  }
}

function headEnd(bytes: Uint8Array): number {
  for (let at = 0; at + 4 <= bytes.length; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) {
      return at;
    }
  }
  return -1;
}

async function readSome(conn: Deno.Conn): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(4096);
  const n = await conn.read(buffer);
  return n === null ? null : buffer.subarray(0, n);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

interface Sending {
  /** What the input threw; null where it did not. */
  error: unknown;
}

/**
 * Sends the input beside the reading. A command that ends without reading all of it is no failure here
 * (the write that waits for it then does so until the engine lets go of the connection, which holds
 * nobody up); an input that fails closes the connection.
 */
function send(conn: Deno.Conn, input: ExecInput, sending: Sending, close: () => void) {
  if (input === "open") return;
  (async () => {
    for await (const bytes of input ?? []) {
      if (!await written(writeAll(conn, bytes))) return;
    }
    await written(conn.closeWrite());
  })().catch((error) => {
    sending.error = error;
    close();
  });
}

/** False where the command is over or the connection broke; the reading side sees which. */
async function written(writing: Promise<void>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch {
    return false;
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
