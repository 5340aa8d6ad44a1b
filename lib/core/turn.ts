/** Gives the event loop a turn from time to time, so that long synchronous work still sees signals. */
import { setImmediate } from "node:timers";

/** Longest stretch of synchronous work, in milliseconds, before a turn is due. */
export const SLICE_MS = 20;

/** Lets timers, messages from workers and signals be seen; takes about 50 microseconds. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Keeps the time between turns: `if (slice.over()) await slice.turn()` costs 50 ns while it is not
 * over, so it may stand in the hottest loop.
 */
export class Slice {
  #end = performance.now() + SLICE_MS;

  over(): boolean {
    return performance.now() >= this.#end;
  }

  async turn(): Promise<void> {
    await turn();
    this.#end = performance.now() + SLICE_MS;
  }
}
