/** A block's way to a worker and back, as plain data. */
import { hash } from "node:crypto";
import { type Codec, compressBlock, decompressBlock } from "./codec.ts";
import { SHARED_MOST } from "./deflate.ts";

/**
 * What the pool posts. `input` is transferred and comes back with the answer, to be used again.
 * `spans` are offset and length, in turn, of parts of `input` whose SHA-256 is wanted.
 */
export type Task =
  | {
    act: "compress";
    codec: Codec;
    level: number;
    input: ArrayBuffer;
    length: number;
    spans?: number[];
  }
  | { act: "decompress"; codec: Codec; size: number; input: ArrayBuffer; length: number };

/** The answer; errors as plain text, since subclasses of Error do not survive postMessage. */
export type Answer =
  | { ok: true; output: Uint8Array; input: ArrayBuffer; digests: string[] }
  | { ok: false; error: string; input: ArrayBuffer };

/** Does one task, in a worker or where the work is too little for one. */
export function perform(task: Task): Answer {
  try {
    const input = new Uint8Array(task.input, 0, task.length);
    const compress = task.act === "compress";
    const digests = compress ? hashSpans(input, task.spans ?? []) : [];
    const output = compress
      ? compressBlock(task.codec, task.level, input)
      : decompressBlock(task.codec, input, task.size);
    return { ok: true, output: owned(output), input: task.input, digests };
  } catch (error) {
    return { ok: false, error: (error as Error).message, input: task.input };
  }
}

/** SHA-256 (hex) of each span: offset and length in turn. */
export function hashSpans(bytes: Uint8Array, spans: number[]): string[] {
  const digests: string[] = [];
  for (let i = 0; i < spans.length; i += 2) {
    digests.push(hash("sha256", bytes.subarray(spans[i], spans[i] + spans[i + 1]), "hex"));
  }
  return digests;
}

/** Small results of node:zlib lie in a buffer that others share and that cannot be handed over. */
function owned(output: Uint8Array): Uint8Array {
  return output.buffer.byteLength <= SHARED_MOST ? new Uint8Array(output) : output;
}
