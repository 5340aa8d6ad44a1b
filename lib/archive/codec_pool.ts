/**
 * Compresses and decompresses blocks on other threads: in workers, each started only when there is work
 * for it, or where a library can do without, which spares their start and the way there.
 */
import { DuckbackError } from "../core/errors.ts";
import { here } from "../core/here.ts";
import { type Answer, canDoAside, performAside, type Task } from "./codec_task.ts";
// Before a worker needs them:
import "./libdeflate.ts";
import "./libzstd.ts";

/** Threads beyond this gain nothing: one reads and hashes for all, and each costs memory. */
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
  /** What is done without a worker, and what waits for that. */
  readonly #aside = new Set<Job>();
  readonly #waitingAside: Job[] = [];
  #closed: Error | null = null;

  constructor(readonly size: number = defaultWorkers()) {}

  /** Hands `task` over (its buffers are gone until the answer brings them back). */
  run(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed);
      if (!canDoAside(task)) return this.#doInWorker({ task, resolve, reject });
      const job = { task, resolve, reject };
      if (this.#aside.size < this.size) this.#doAside(job);
      else this.#waitingAside.push(job);
    });
  }

  #doAside(job: Job): void {
    this.#aside.add(job);
    void performAside(job.task).then(job.resolve, job.reject).then(() => {
      this.#aside.delete(job);
      const next = this.#waitingAside.shift();
      if (next !== undefined) this.#doAside(next);
    });
  }

  #doInWorker(job: Job): void {
    const idle = this.#members.find((member) => member.job === null) ?? this.#grow();
    if (idle === undefined) this.#waiting.push(job);
    else this.#give(idle, job);
  }

  #grow(): Member | undefined {
    if (this.#members.length >= this.size) return undefined;
    const worker = new Worker(new URL("./codec_worker.ts", here(import.meta.url)), {
      type: "module",
    });
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
    for (const job of this.#aside) job.reject(reason);
    for (const job of [...this.#waiting.splice(0), ...this.#waitingAside.splice(0)]) {
      job.reject(reason);
    }
  }

  [Symbol.dispose](): void {
    this.#close(new DuckbackError("INTERNAL", "Cannot use the codec pool: it is closed"));
  }
}
