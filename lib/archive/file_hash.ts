/** The SHA-256 of a file that is read for another reason: of a long one on a thread of its own. */
import { createHash, type Hash } from "node:crypto";
import { DuckbackError } from "../core/errors.ts";
import { here } from "../core/here.ts";

/** What goes to the worker: how far the file has been read, or that this was all of it. */
export type HashOrder = { fd: number; to: number } | "digest";
export type HashAnswer = { sha256: string } | { error: string };

/** A shorter file is hashed before a worker would have started. */
const LEAST = 48 << 20;

export class FileHash implements Disposable {
  /** Bytes taken so far. */
  #taken = 0;
  readonly #hash: Hash | null;
  readonly #worker: Worker | null;
  #answer: Promise<HashAnswer> | null = null;

  /** `fd` is open for reading, and stays so until this is disposed of. */
  constructor(readonly fd: number, size: number) {
    this.#hash = size < LEAST ? createHash("sha256") : null;
    if (this.#hash !== null) {
      this.#worker = null;
      return;
    }
    const worker = new Worker(new URL("./file_hash_worker.ts", here(import.meta.url)), {
      type: "module",
    });
    this.#worker = worker;
    this.#answer = new Promise((resolve) => {
      worker.onmessage = (event: MessageEvent<HashAnswer>) => resolve(event.data);
      worker.onerror = (event) => {
        event.preventDefault();
        resolve({ error: event.message });
      };
    });
  }

  /** Takes the next bytes of the file, from its start on; the worker takes them from the page cache. */
  update(bytes: Uint8Array): void {
    this.#taken += bytes.length;
    this.#hash?.update(bytes);
    this.#order({ fd: this.fd, to: this.#taken });
  }

  /** Of what was taken, in hex. Throws IO. */
  async digest(): Promise<string> {
    if (this.#hash !== null) return this.#hash.digest("hex");
    this.#order("digest");
    const answer = await this.#answer!;
    if ("sha256" in answer) return answer.sha256;
    throw new DuckbackError("IO", `Cannot hash the archive: ${answer.error}`);
  }

  #order(order: HashOrder): void {
    this.#worker?.postMessage(order);
  }

  [Symbol.dispose](): void {
    this.#worker?.terminate();
  }
}
