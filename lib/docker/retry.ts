/** Waiting and trying again. */

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sleeps, but no longer than until `signal` is aborted. */
export function sleepUnless(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return sleep(ms);
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** Pauses between tries: 0.2 s, doubled each time, 3 s at most. */
export function backoff(tries: number): number {
  return Math.min(200 * 2 ** tries, 3000);
}

/** A time that must not be exceeded, shared by several waits. */
export class Deadline {
  readonly #end: number;

  constructor(ms: number) {
    this.#end = performance.now() + ms;
  }

  get left_ms(): number {
    return Math.max(0, this.#end - performance.now());
  }

  get over(): boolean {
    return this.left_ms === 0;
  }
}
