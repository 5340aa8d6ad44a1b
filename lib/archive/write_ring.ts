/** Batches that go round between a thread that fills them and one that performs them, in order. */
import { type Stop, WriteBatch } from "./write_batch.ts";

/**
 * As much as a block or two of an archive holds: while one side waits for the other, blocks are not
 * decompressed. The files in them, at most 512, are open.
 */
const BATCHES = 8;

/** Where in the memory that both see it says how far each of them is. */
const SERVED = 0;
/** Batches handed over; CLOSED once there will be no more. */
const GIVEN = 1;
const DONE = 2;
const STOPPED = 3;
const CLOSED = -1;

/** What the other thread needs for the same ring. */
export interface RingMemory {
  control: SharedArrayBuffer;
  batches: SharedArrayBuffer[];
}

export class WriteRing implements Stop {
  readonly #control: Int32Array;
  readonly #batches: WriteBatch[];
  /** Batches that this thread handed over, and of them those that it has got back. */
  #given = 0;
  #back = 0;

  constructor(readonly memory: RingMemory = newMemory()) {
    this.#control = new Int32Array(memory.control);
    this.#batches = memory.batches.map((one) => new WriteBatch(one));
  }

  /** True once another thread performs what is handed over. */
  get served(): boolean {
    return Atomics.load(this.#control, SERVED) === 1;
  }

  get stopped(): boolean {
    return Atomics.load(this.#control, STOPPED) === 1;
  }

  stop(): void {
    Atomics.store(this.#control, STOPPED, 1);
  }

  /** The batch to be filled. */
  get batch(): WriteBatch {
    return this.#batches[this.#given % BATCHES];
  }

  /** Hands `batch` over to the thread that serves the ring; after `back` the next one is free. */
  give(): void {
    Atomics.store(this.#control, GIVEN, ++this.#given);
    Atomics.notify(this.#control, GIVEN);
  }

  /** Waits until no more than `most` batches are with the other thread, and gives those that came back. */
  *back(most: number): Generator<WriteBatch> {
    for (;;) {
      const done = Atomics.load(this.#control, DONE);
      while (this.#back < done) yield this.#batches[this.#back++ % BATCHES];
      if (this.#given - done <= most) return;
      Atomics.wait(this.#control, DONE, done);
    }
  }

  /** Most batches that may be with the other thread while one is filled. */
  static readonly most = BATCHES - 1;

  /** Ends `serve` in the other thread; no batch may be with it, and none is used from now on. */
  close(): void {
    spare = this.memory.batches;
    Atomics.store(this.#control, GIVEN, CLOSED);
    Atomics.notify(this.#control, GIVEN);
  }

  /** Performs what is handed over until the ring is closed: for a thread that does nothing else. */
  serve(): void {
    Atomics.store(this.#control, SERVED, 1);
    for (let done = 0;;) {
      const given = Atomics.load(this.#control, GIVEN);
      if (given === CLOSED) return;
      if (given === done) Atomics.wait(this.#control, GIVEN, given);
      while (done < given) {
        this.#batches[done++ % BATCHES].perform(this);
        Atomics.store(this.#control, DONE, done);
        Atomics.notify(this.#control, DONE);
      }
    }
  }
}

/** Of the last ring that was closed: shared memory cannot be freed but by the collector, which is late. */
let spare: SharedArrayBuffer[] | null = null;

function newMemory(): RingMemory {
  const batches = spare ?? Array.from({ length: BATCHES }, () => WriteBatch.memory());
  spare = null;
  for (const one of batches) WriteBatch.clear(one);
  return { control: new SharedArrayBuffer(16), batches };
}
