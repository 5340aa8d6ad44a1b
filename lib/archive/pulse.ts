/** The heartbeat of long synchronous loops: event loop turns, aborts and progress, by the clock. */
import { throwIfAborted } from "../core/errors.ts";
import type { ProgressSink } from "../core/progress.ts";
import { Slice } from "../core/turn.ts";

/** What is shown while a loop runs. */
export interface Counters {
  files: number;
  bytes: number;
}

const REPORT_MS = 100;

/** `if (pulse.due()) await pulse.beat()` belongs into every loop that may run for long. */
export class Pulse {
  readonly #slice = new Slice();
  #reported = performance.now();

  constructor(
    readonly signal: AbortSignal | undefined,
    readonly progress: ProgressSink,
    readonly counters: Counters,
    readonly totals: Counters = { files: 0, bytes: 0 },
  ) {}

  due(): boolean {
    return this.#slice.over();
  }

  /** Gives the event loop a turn. Throws INTERRUPTED once the signal is aborted. */
  async beat(): Promise<void> {
    await this.#slice.turn();
    throwIfAborted(this.signal);
    const now = performance.now();
    if (now - this.#reported < REPORT_MS) return;
    this.#reported = now;
    this.report();
  }

  /** Tells the progress as it stands; to be called once more at the end. */
  report(): void {
    const { files, bytes } = this.counters;
    const { files: total_files, bytes: total_bytes } = this.totals;
    this.progress({ type: "progress", bytes, total_bytes, files, total_files });
  }
}
