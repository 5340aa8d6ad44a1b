/** Lines of a container's log from the engine's answer. */

/**
 * Given the body of `GET /containers/ID/logs`, returns its lines, oldest first. Without a terminal the
 * engine sends frames of 8 bytes (stream, 0, 0, 0, length big-endian) and payload; with one, the bytes
 * as they were written.
 */
export function logLines(body: unknown): string[] {
  // dockerode hands over a log that happens to be JSON as its value.
  if (!(body instanceof Uint8Array)) {
    return body ? [typeof body === "string" ? body : JSON.stringify(body)] : [];
  }
  const text = new TextDecoder().decode(isFramed(body) ? unframe(body) : body);
  return text.split(/\r?\n/).filter((line) => line !== "");
}

function isFramed(body: Uint8Array): boolean {
  return body.length >= 8 && body[0] <= 2 && body[1] === 0 && body[2] === 0 && body[3] === 0;
}

function unframe(body: Uint8Array): Uint8Array {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const out: number[] = [];
  for (let at = 0; at + 8 <= body.length;) {
    const length = view.getUint32(at + 4);
    for (const byte of body.subarray(at + 8, at + 8 + length)) out.push(byte);
    at += 8 + length;
  }
  return Uint8Array.from(out);
}
