/** A block's way to a worker and back, as plain data. */
import { hash } from "node:crypto";
import { libdeflate } from "./libdeflate.ts";
import { decompressAside, hasLibzstd } from "./libzstd.ts";
import { type Codec, compressBlock, decompressBlock, mostCompressed } from "./codec.ts";

/**
 * What the pool posts. `input` is transferred and comes back with the answer, to be used again; so is
 * `room`, large enough for the output whatever it will be, which comes back as the output's buffer.
 * `spans` are offset and length, in turn, of parts of `input` whose SHA-256 is wanted.
 */
export type Task = Compress | Decompress;

interface Compress {
  act: "compress";
  codec: Codec;
  level: number;
  input: ArrayBuffer;
  length: number;
  room?: ArrayBuffer;
  spans?: number[];
}

export interface Decompress {
  act: "decompress";
  codec: Codec;
  size: number;
  input: ArrayBuffer;
  length: number;
  room?: ArrayBuffer;
}

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

/** Whether a library can do a task on a thread that needs no worker. */
export function canDoAside(task: Task): task is Decompress {
  if (task.act !== "decompress") return false;
  return task.codec === "zstd" ? hasLibzstd() : libdeflate() !== null;
}

/** Does such a task. Until the answer its buffers must be left alone. */
export async function performAside(task: Decompress): Promise<Answer> {
  const { input, length, codec, size, room } = task;
  const bytes = new Uint8Array(input, 0, length);
  const output = new Uint8Array(room ?? new ArrayBuffer(size), 0, size);
  const whole = codec === "zstd"
    ? await decompressAside(bytes, output)
    : await libdeflate()!.gunzipAside(bytes, output);
  // What did not work is done again here, to say why.
  return whole ? { ok: true, output, input, digests: [] } : perform(task);
}
