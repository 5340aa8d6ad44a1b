/** Trying again: a receiver that is away for a moment is told all the same. */
import { SendError } from "./receiver.ts";

/** Waits before the second and the third try, and no fourth. Milliseconds. */
const WAITS = [1_000, 4_000];
/** What one try may take. */
const TRY_MS = 10_000;

/**
 * Calls `send` until it succeeds, cannot succeed, was tried three times, or `signal` (the end of all
 * sending) is aborted. Resolves to null, or to the last failure.
 */
export async function sendWithRetries(
  send: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<SendError | null> {
  for (let tries = 0;; tries++) {
    try {
      await send(AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]));
      return null;
    } catch (cause) {
      const error = cause instanceof SendError
        ? cause
        : new SendError(`the request failed (${(cause as Error).name})`, false);
      if (!error.worth_retrying || tries >= WAITS.length || signal.aborted) return error;
      await pause(WAITS[tries], signal);
      if (signal.aborted) return error;
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
