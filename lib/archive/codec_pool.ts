/** A pool of workers that compress or decompress blocks, each started only when there is work for it. */
import { DuckbackError } from "../core/errors.ts";
import type { Answer, Task } from "./codec_task.ts";
// Before a worker needs them:
import "./libdeflate.ts";
import "./libzstd.ts";

/** Workers beyond this gain nothing: one thread reads and hashes for all, and each costs memory. */
const MOST = 8;

/** Number of workers to use where nobody says. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(navigator.hardwareConcurrency, MOST));
}

interface Job {
  task: Task;
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

interface Member {
  worker: Worker;
  /** What it works on; null while idle. */
  job: Job | null;
}

/** Closing it ends the workers at once, whatever they do; what was unanswered is rejected. */
export class CodecPool implements Disposable {
  readonly #members: Member[] = [];
  readonly #waiting: Job[] = [];
  #closed: Error | null = null;

  constructor(readonly size: number = defaultWorkers()) {}

  /** Hands `task` over (its buffers are gone until the answer brings them back). */
  run(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed);
      const job = { task, resolve, reject };
      const idle = this.#members.find((member) => member.job === null) ?? this.#grow();
      if (idle === undefined) this.#waiting.push(job);
      else this.#give(idle, job);
    });
  }

  #grow(): Member | undefined {
    if (this.#members.length >= this.size) return undefined;
    const worker = new Worker(new URL("./codec_worker.ts", import.meta.url), { type: "module" });
    const member: Member = { worker, job: null };
    worker.onmessage = (event: MessageEvent<Answer>) => {
      const done = member.job!;
      member.job = null;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#give(member, next);
      done.resolve(event.data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#close(new DuckbackError("INTERNAL", `Cannot run a codec worker: ${event.message}`));
    };
    this.#members.push(member);
    return member;
  }

  #give(member: Member, job: Job): void {
    member.job = job;
    const { input, room } = job.task;
    member.worker.postMessage(job.task, room === undefined ? [input] : [input, room]);
  }

  #close(reason: Error): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const member of this.#members) {
      member.worker.terminate();
      member.job?.reject(reason);
    }
    for (const job of this.#waiting) job.reject(reason);
    this.#waiting.length = 0;
  }

  [Symbol.dispose](): void {
    this.#close(new DuckbackError("INTERNAL", "Cannot use the codec pool: it is closed"));
  }
}
