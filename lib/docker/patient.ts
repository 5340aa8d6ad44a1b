/** Calls to an engine that may be away for a while: restarted, or dropping connections. */
import { isUnreachable } from "./engine_failure.ts";
import { backoff, sleep } from "./retry.ts";

/** Shared by all calls of one operation: the time without an engine counts once. */
export class Patience {
  #since: number | null = null;

  /** `budget_ms`: how long the engine may be away before a call gives up. */
  constructor(readonly budget_ms: number, readonly onStep: (text: string) => void = () => {}) {}

  /** Repeats `call` while the engine cannot be reached; every other error is thrown on at once. */
  async call<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 0;; tries++) {
      try {
        const value = await call();
        this.#since = null;
        return value;
      } catch (error) {
        if (!isUnreachable(error)) {
          this.#since = null;
          throw error;
        }
        const now = performance.now();
        if (this.#since === null) {
          this.#since = now;
          this.onStep("The Docker engine does not answer: trying again");
        }
        if (now - this.#since >= this.budget_ms) throw error;
        await sleep(Math.min(backoff(tries), this.budget_ms - (now - this.#since)));
      }
    }
  }
}
