/** Bars of text for tables at a terminal. */

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar for `value` where `most` is `width` characters long; of what is not nothing, a trace. */
export function bar(value: number, most: number, width: number): string {
  if (most <= 0 || value <= 0 || width <= 0) return "";
  const eighths = Math.max(1, Math.round(Math.min(1, value / most) * width * 8));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}

/** Columns that are left for bars beside a table; 0 where they would be too short to tell anything. */
export function roomBeside(lines: readonly string[], columns: number): number {
  // Cells hold no colours when this is asked.
  const room = columns - Math.max(0, ...lines.map((line) => [...line].length)) - 2;
  return room < 8 ? 0 : Math.min(60, room);
}
