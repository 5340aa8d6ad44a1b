/** A worker of the codec pool: blocks come in, blocks go out; buffers are handed over, not copied. */
import { type Answer, perform, type Task } from "./codec_task.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Task>) => void;
  postMessage(answer: Answer, transfer: Transferable[]): void;
};

scope.onmessage = (event) => {
  const answer = perform(event.data);
  const transfer: Transferable[] = [answer.input];
  if (answer.ok) transfer.push(answer.output.buffer as ArrayBuffer);
  scope.postMessage(answer, transfer);
};
