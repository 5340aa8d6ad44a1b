/** Aligned tables without borders: what people read and `awk` can cut. */
import Table from "cli-table3";
import { printable } from "../core/paths.ts";

export type Align = "left" | "right";

const NO_BORDERS = {
  "top": "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  "bottom": "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  "left": "",
  "left-mid": "",
  "mid": "",
  "mid-mid": "",
  "right": "",
  "right-mid": "",
  "middle": "  ",
};

/** Lines of a table; columns whose cells are all empty are left out. Cells may hold colours. */
export function table(
  columns: { title: string; align?: Align }[],
  rows: string[][],
  bold: (text: string) => string = (text) => text,
): string[] {
  const used = columns.map((_, n) => rows.some((row) => row[n] !== ""));
  const kept = <T>(values: T[]) => values.filter((_, n) => used[n]);
  const made = new Table({
    head: kept(columns).map(({ title }) => bold(title)),
    colAligns: kept(columns).map(({ align }) => align ?? "left"),
    chars: NO_BORDERS,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  made.push(...rows.map((row) => kept(row)));
  return made.toString().split("\n").map((line: string) => line.trimEnd());
}

/** A path, name or message from outside, made harmless for a terminal. */
export function cell(text: string | null | undefined): string {
  return printable(text ?? "");
}

/** "label   value" lines, labels aligned; pairs without a value are left out. */
export function facts(pairs: [string, string | null | undefined][], indent = "  "): string[] {
  const shown = pairs.filter(([, value]) => value);
  const width = Math.max(0, ...shown.map(([label]) => label.length));
  return shown.map(([label, value]) => `${indent}${label.padEnd(width)}  ${value}`);
}
