/** How the answer of `diff` looks. */
import type { DiffKind, DiffRow } from "../catalog/tree_diff.ts";
import { count, formatBytes, grouped } from "../core/units.ts";
import type { DiffOutcome, DiffSide } from "../operations/diff.ts";
import { jsonText } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, table } from "./table.ts";

/** A row of `diff --json`. */
export function diffJson({ what, ...row }: DiffRow): string {
  return jsonText({ ...row, what: what === null ? [] : what.split(",") });
}

const SIGNS: Record<DiffKind, string> = { added: "+", removed: "-", changed: "M", renamed: "R" };
const KINDS = Object.keys(SIGNS) as DiffKind[];

/** `diff`: one line for each entry, then totals by directory and in all. */
export function diffLines(
  rows: readonly DiffRow[],
  { total, totals, directories, from, to, notes }: DiffOutcome,
  style: Style,
): string[] {
  const warnings = notes.map((note) => style.yellow(`  ! ${cell(note)}`));
  if (total === 0) return [`No difference between ${named(from)} and ${named(to)}.`, ...warnings];
  const paint: Record<DiffKind, (text: string) => string> = {
    added: style.green,
    removed: style.red,
    changed: style.yellow,
    renamed: style.cyan,
  };
  const more = total - rows.length;
  return [
    ...rows.map((row) => paint[row.change](`${SIGNS[row.change]}  ${rowText(row)}`)),
    ...(more > 0 ? [`... and ${grouped(more)} more: --limit ${total}`] : []),
    "",
    ...table(
      [
        { title: "DIRECTORY" },
        ...KINDS.map((kind) => ({ title: kind.toUpperCase(), align: "right" as const })),
        { title: "BYTES +", align: "right" },
        { title: "BYTES -", align: "right" },
        { title: "BYTES CHANGED", align: "right" },
      ],
      directories.map((one) => [
        cell(one.directory),
        ...KINDS.map((kind) => grouped(one[kind])),
        ...[one.added_bytes, one.removed_bytes, one.changed_bytes].map(formatBytes),
      ]),
      style.bold,
    ),
    "",
    `From ${named(from)} to ${named(to)}: ` +
    KINDS.map((kind) => `${grouped(totals[kind].entries)} ${kind}`).join(", ") +
    `; ${count(totals.same.entries, "entry", "entries")} the same.`,
    ...warnings,
  ];
}

function named(side: DiffSide): string {
  return side === "live" ? "live" : `backup ${side}`;
}

function rowText({ change, path, from, type, size, size_before, what }: DiffRow): string {
  const name = cell(path) + (type === "directory" ? "/" : "");
  if (change === "renamed") return `${cell(from)} -> ${name}`;
  const parts = what?.split(",") ?? [];
  if (change !== "changed") {
    return type === "file" ? `${name}  ${bytes(size ?? size_before)}` : name;
  }
  const sizes = size === size_before ? "" : ` ${sizesText(size_before ?? 0, size ?? 0)}`;
  return `${name}  ${parts.join(", ")}${parts.includes("content") ? sizes : ""}`;
}

/** Exact where rounding would hide the difference. */
function sizesText(before: number, now: number): string {
  const rounded = [before, now].map(formatBytes);
  if (rounded[0] !== rounded[1]) return rounded.join(" -> ");
  return `${[before, now].map((n) => grouped(n)).join(" -> ")} B`;
}

function bytes(size: number | null): string {
  return formatBytes(size ?? 0);
}
