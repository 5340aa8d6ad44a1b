/**
 * How old something is by a clock that may have jumped, on a machine that may have been off.
 *
 * The home's own traces (records, commands) say which days really passed: a stretch of more than
 * SILENCE_DAYS without any counts as one day. After a jump of seventy years, or a month without power,
 * retention goes on where it stood.
 */
export const DAY = 86_400_000;
export const SILENCE_DAYS = 3;

/** Ages between instants that were given to the constructor. */
export class ObservedTime {
  readonly #instants: number[];
  /** Observed milliseconds from the first instant to each. */
  readonly #passed: number[];

  constructor(instants: Iterable<number>) {
    this.#instants = [...new Set(instants)].sort((a, b) => a - b);
    let passed = 0;
    this.#passed = this.#instants.map((at, n) => {
      const gap = n === 0 ? 0 : at - this.#instants[n - 1];
      return passed += gap > SILENCE_DAYS * DAY ? DAY : gap;
    });
  }

  /** Milliseconds from one to the other, silences shortened; negative where `to` is earlier. */
  between(from: number, to: number): number {
    return this.#at(to) - this.#at(from);
  }

  #at(instant: number): number {
    let [low, high] = [0, this.#instants.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#instants[middle] < instant) low = middle + 1;
      else high = middle;
    }
    return this.#passed[low];
  }
}
