/** A block's way to a worker and back, as plain data. */
import { hash } from "node:crypto";
import { type Codec, compressBlock, decompressBlock, mostCompressed } from "./codec.ts";

/**
 * What the pool posts. `input` is transferred and comes back with the answer, to be used again; so is
 * `room`, large enough for the output whatever it will be, which comes back as the output's buffer.
 * `spans` are offset and length, in turn, of parts of `input` whose SHA-256 is wanted.
 */
export type Task =
  | {
    act: "compress";
    codec: Codec;
    level: number;
    input: ArrayBuffer;
    length: number;
    room?: ArrayBuffer;
    spans?: number[];
  }
  | {
    act: "decompress";
    codec: Codec;
    size: number;
    input: ArrayBuffer;
    length: number;
    room?: ArrayBuffer;
  }
  | { act: "hash"; input: ArrayBuffer; length: number; room?: undefined; spans: number[] };

/** The answer; errors as plain text, since subclasses of Error do not survive postMessage. */
export type Answer =
  | { ok: true; output: Uint8Array; input: ArrayBuffer; digests: string[] }
  | { ok: false; error: string; input: ArrayBuffer };

/** Does one task, in a worker or where the work is too little for one. */
export function perform(task: Task): Answer {
  try {
    const input = new Uint8Array(task.input, 0, task.length);
    if (task.act === "hash") {
      const digests = hashSpans(input, task.spans);
      return { ok: true, output: new Uint8Array(0), input: task.input, digests };
    }
    const compress = task.act === "compress";
    const digests = compress ? hashSpans(input, task.spans ?? []) : [];
    const most = compress ? mostCompressed(task.length) : task.size;
    const room = task.room === undefined ? new Uint8Array(most) : new Uint8Array(task.room);
    const output = compress
      ? compressBlock(task.codec, task.level, input, room)
      : decompressBlock(task.codec, input, task.size, room);
    return { ok: true, output, input: task.input, digests };
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
