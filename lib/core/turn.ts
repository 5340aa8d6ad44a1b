/** Gives the event loop a turn from time to time, so that long synchronous work still sees signals. */
import { setImmediate } from "node:timers";

/** Longest stretch of synchronous work, in milliseconds, before a turn is due. */
export const SLICE_MS = 20;

/** Lets timers, messages from workers and signals be seen; takes about 50 microseconds. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Keeps the time between turns: `if (slice.over()) await slice.turn()` costs 30 ns while it is not
 * over, so it may stand in the hottest loop.
 */
export class Slice {
  // A third of what performance.now() costs. Somebody may set it back: then a slice is over too.
  #began = Date.now();

  over(): boolean {
    const passed = Date.now() - this.#began;
    return passed >= SLICE_MS || passed < 0;
  }

  async turn(): Promise<void> {
    await turn();
    this.#began = Date.now();
  }
}
