/** A block's way to a worker and back, as plain data. */
import { libdeflate } from "./libdeflate.ts";
import { decompressAside, hasLibzstd } from "./libzstd.ts";
import {
  type Codec,
  compressBlock,
  compressBlockAside,
  decompressBlock,
  mostCompressed,
} from "./codec.ts";

/**
 * What the pool posts. `input` is transferred and comes back with the answer, to be used again; so is
 * `room`, large enough for the output whatever it will be, which comes back as the output's buffer.
 */
export type Task = Compress | Decompress;

interface Compress {
  act: "compress";
  codec: Codec;
  level: number;
  input: ArrayBuffer;
  length: number;
  room?: ArrayBuffer;
}

interface Decompress {
  act: "decompress";
  codec: Codec;
  size: number;
  input: ArrayBuffer;
  length: number;
  room?: ArrayBuffer;
}

/** The answer; errors as plain text, since subclasses of Error do not survive postMessage. */
export type Answer =
  | { ok: true; output: Uint8Array; input: ArrayBuffer }
  | { ok: false; error: string; input: ArrayBuffer };

/** Does one task, in a worker or where the work is too little for one. */
export function perform(task: Task): Answer {
  try {
    const input = new Uint8Array(task.input, 0, task.length);
    const compress = task.act === "compress";
    const most = compress ? mostCompressed(task.length) : task.size;
    const room = task.room === undefined ? new Uint8Array(most) : new Uint8Array(task.room);
    const output = compress
      ? compressBlock(task.codec, task.level, input, room)
      : decompressBlock(task.codec, input, task.size, room);
    return { ok: true, output, input: task.input };
  } catch (error) {
    return { ok: false, error: (error as Error).message, input: task.input };
  }
}

/** Whether libraries can do a task on a thread that needs no worker. */
export function canDoAside({ act, codec }: Task): boolean {
  if (codec === "zstd") return hasLibzstd();
  // To compress, zstd says what is random.
  return libdeflate() !== null && (act === "decompress" || hasLibzstd());
}

/** Does such a task. Until the answer its buffers must be left alone. */
export async function performAside(task: Task): Promise<Answer> {
  const { input } = task;
  const output = await outputAside(task);
  // What did not work is done again here, to say why.
  return output === null ? perform(task) : { ok: true, output, input };
}

async function outputAside(task: Task): Promise<Uint8Array | null> {
  const { act, codec, input, length, room } = task;
  const bytes = new Uint8Array(input, 0, length);
  if (act === "compress") {
    const output = new Uint8Array(room ?? new ArrayBuffer(mostCompressed(length)));
    return await compressBlockAside(codec, task.level, bytes, output);
  }
  const output = new Uint8Array(room ?? new ArrayBuffer(task.size), 0, task.size);
  const whole = codec === "zstd"
    ? await decompressAside(bytes, output)
    : await libdeflate()!.gunzipAside(bytes, output);
  return whole ? output : null;
}
