/** A block's way to a worker and back, as plain data. */
import { type Codec, compressBlock, decompressBlock, SHARED_MOST } from "./codec.ts";

/** What the pool posts. `input` is transferred and comes back with the answer, to be used again. */
export type Task =
  | { act: "compress"; codec: Codec; level: number; input: ArrayBuffer; length: number }
  | { act: "decompress"; codec: Codec; size: number; input: ArrayBuffer; length: number };

/** The answer; errors as plain text, since subclasses of Error do not survive postMessage. */
export type Answer =
  | { ok: true; output: Uint8Array; input: ArrayBuffer }
  | { ok: false; error: string; input: ArrayBuffer };

/** Does one task, in a worker or where the work is too little for one. */
export function perform(task: Task): Answer {
  try {
    const input = new Uint8Array(task.input, 0, task.length);
    const output = task.act === "compress"
      ? compressBlock(task.codec, task.level, input)
      : decompressBlock(task.codec, input, task.size);
    return { ok: true, output: owned(output), input: task.input };
  } catch (error) {
    return { ok: false, error: (error as Error).message, input: task.input };
  }
}

/** Small results of node:zlib lie in a buffer that others share and that cannot be handed over. */
function owned(output: Uint8Array): Uint8Array {
  return output.buffer.byteLength <= SHARED_MOST ? new Uint8Array(output) : output;
}
