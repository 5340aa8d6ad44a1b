/** Progress on a terminal: one line that says phase, share, rate and time left. A pipe sees none of it. */
import type { ProgressEvent } from "../core/progress.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import type { Style } from "./style.ts";

const BAR = 24;
const REDRAW_MS = 100;

/** Draws over its own line; `clear` before anything else is written to the terminal. */
export class ProgressLine {
  #text = "";
  #began = 0;
  #drawn = 0;
  #shown = false;

  constructor(
    readonly write: (text: string) => void,
    readonly columns: () => number,
    readonly style: Style,
  ) {}

  handle(event: ProgressEvent) {
    if (event.type === "phase") {
      this.#text = event.text;
      this.#began = performance.now();
      this.#draw(event.text);
    } else if (event.type === "progress") {
      const now = performance.now();
      if (now - this.#drawn < REDRAW_MS) return;
      this.#drawn = now;
      this.#draw(`${this.#text}  ${progressText(event, now - this.#began)}`);
    }
  }

  clear() {
    if (this.#shown) this.write("\r\x1b[2K");
    this.#shown = false;
  }

  #draw(text: string) {
    const room = this.columns() - 1;
    this.write(`\r\x1b[2K${this.style.cyan(text.slice(0, room))}`);
    this.#shown = true;
  }
}

/** "[####----] 41 %  1.2 GiB of 2.9 GiB  88.1 MiB/s  20 s left". `ms` is the phase's age. */
export function progressText(
  event: Extract<ProgressEvent, { type: "progress" }>,
  ms: number,
): string {
  const rate = ms > 0 ? event.bytes / (ms / 1000) : 0;
  const speed = `${formatBytes(Math.round(rate))}/s`;
  if (event.total_bytes <= 0) return `${formatBytes(event.bytes)}  ${event.files} files  ${speed}`;
  const share = Math.min(1, event.bytes / event.total_bytes);
  const full = Math.round(share * BAR);
  const left = rate > 0 ? Math.max(0, event.total_bytes - event.bytes) / rate * 1000 : 0;
  const bar = "#".repeat(full) + "-".repeat(BAR - full);
  return `[${bar}] ${Math.floor(share * 100)} %  ${formatBytes(event.bytes)} of ` +
    `${formatBytes(event.total_bytes)}  ${speed}` +
    (ms > 1000 && left > 0 ? `  ${formatDuration(Math.ceil(left / 1000) * 1000)} left` : "");
}
