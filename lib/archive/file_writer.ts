/**
 * Fills files that are open already, on another thread where there is much to be written. Names are none
 * of its business: whatever depends on the order of entries was done before a file gets here.
 */
import { here } from "../core/here.ts";
import type { FileEnd, Written } from "./write_batch.ts";
import { ROOM } from "./write_batch.ts";
import { WriteRing } from "./write_ring.ts";

/** Told of metadata that could not be set. */
export type Missed = (what: string, file: Written, errno: number) => void;

export class FileWriter implements Disposable {
  readonly #ring = new WriteRing();
  #worker: Worker | null = null;
  #closed = false;

  /** Without `threads` all is done in this one. */
  constructor(readonly missed: Missed, readonly threads = true) {}

  /** True once another thread does the work. */
  get threaded(): boolean {
    return this.#ring.served;
  }

  /**
   * Takes content of an open file that begins at byte `at` of it; a copy is kept until it is written.
   * Throws PosixError where this, or something before it, could not be written.
   */
  write(file: Written, fd: number, at: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; done += ROOM) {
      const part = bytes.length <= ROOM ? bytes : bytes.subarray(done, done + ROOM);
      if (!this.#ring.batch.fits(part.length)) this.#handOver();
      this.#ring.batch.write(file, fd, at + done, part);
    }
  }

  /** Takes the file over, to give it its metadata and close it. Throws PosixError as `write` does. */
  end(file: Written, fd: number, end: FileEnd): void {
    if (!this.#ring.batch.fits(0)) this.#handOver();
    this.#ring.batch.end(file, fd, end);
  }

  /** Waits until all files that were taken over are closed. Throws PosixError as `write` does. */
  drain(): void {
    this.#settle(0);
    this.#perform();
  }

  #handOver(): void {
    if (this.threads) this.#worker ??= this.#start();
    if (!this.threaded) return this.#perform(); // or not yet
    this.#ring.give();
    this.#settle(WriteRing.most);
  }

  #settle(most: number): void {
    for (const batch of this.#ring.back(most)) batch.settle(this.missed);
  }

  /** Does what has been gathered in this thread; the other one has nothing to do then. */
  #perform(): void {
    const { batch } = this.#ring;
    batch.perform(this.#ring);
    batch.settle(this.missed);
  }

  #start(): Worker {
    const worker = new Worker(new URL("./file_writer_worker.ts", here(import.meta.url)), {
      type: "module",
    });
    // One that does not start is not missed: this thread goes on doing it all.
    worker.onerror = (event) => event.preventDefault();
    worker.postMessage(this.#ring.memory);
    return worker;
  }

  /** Closes what was taken over and is still open, as it is, and ends the thread. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ring.stop();
    for (const _ of this.#ring.back(0));
    this.#ring.batch.perform(this.#ring);
    this.#ring.close();
    this.#worker?.terminate();
  }
}
