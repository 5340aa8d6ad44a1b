/** How the answer of `stats` looks. */
import { count, formatBytes, formatLocalTime, grouped } from "../core/units.ts";
import type { StatsOutcome } from "../operations/stats.ts";
import { bar, roomBeside } from "./chart.ts";
import type { Style } from "./style.ts";
import { type Align, cell, table } from "./table.ts";

/** `stats --json`. */
export function statsDocument({ compression, ...rest }: StatsOutcome) {
  return {
    success: true,
    ...rest,
    compression: compression && { ...compression, estimated: true },
  };
}

/** Directories and extensions that are shown; JSON has them all. */
const MOST = 15;

interface Chart {
  title: string;
  /** Those with "<" at their end are words, the others numbers. */
  columns: string[];
  rows: string[][];
  /** What the bars stand for. */
  values: number[];
  /** Below the rows. */
  notes?: string[];
}

/** `stats`; with bars where `columns` tells how wide the terminal is. */
export function statsLines(found: StatsOutcome, style: Style, columns: number | null): string[] {
  const charts = [
    growth(found),
    churn(found),
    largest(found),
    restless(found),
    compression(found),
  ];
  return [
    style.bold(`Stack ${cell(found.stack)}, ${count(found.growth.length, "backup")}`),
    ...charts.filter((chart) => chart.rows.length > 0)
      .flatMap((chart) => ["", ...chartLines(chart, style, columns)]),
  ];
}

/** A table, and beside each row its bar. */
function chartLines(chart: Chart, style: Style, columns: number | null): string[] {
  const titles = chart.columns.map((text) => ({
    title: text.replace("<", ""),
    align: (text.endsWith("<") ? "left" : "right") as Align,
  }));
  const lines = table(titles, chart.rows);
  const room = columns === null ? 0 : roomBeside(lines, columns);
  const width = Math.max(...lines.map((line) => [...line].length));
  const most = Math.max(...chart.values);
  const rows = lines.slice(1).map((line, n) => {
    const drawn = bar(chart.values[n], most, room);
    return drawn === ""
      ? line
      : line + " ".repeat(width - [...line].length + 2) + style.cyan(drawn);
  });
  return [style.bold(chart.title), style.bold(lines[0]), ...rows, ...chart.notes ?? []];
}

function growth({ growth }: StatsOutcome): Chart {
  return {
    title: "Growth",
    columns: ["ID", "CREATED<", "TYPE<", "FILES", "ARCHIVE", "BYTES"],
    rows: growth.map((row) => [
      String(row.id),
      formatLocalTime(row.created_at),
      row.backup_type,
      row.file_count == null ? "-" : grouped(row.file_count),
      row.backup_size === null ? "-" : formatBytes(row.backup_size),
      row.source_bytes === null ? "-" : formatBytes(row.source_bytes),
    ]),
    values: growth.map((row) => row.source_bytes ?? 0),
  };
}

function churn({ churn }: StatsOutcome): Chart {
  const news = churn.filter(({ new_contents }) => new_contents > 0);
  const shown = news.slice(0, MOST);
  return {
    title: "New and changed contents after the first of these backups, by directory",
    columns: ["DIRECTORY<", "FILES", "BYTES", "NEW CONTENTS", "NEW BYTES"],
    rows: shown.map((row) => [
      cell(row.directory),
      grouped(row.files),
      formatBytes(row.bytes),
      grouped(row.new_contents),
      formatBytes(row.new_bytes),
    ]),
    values: shown.map((row) => row.new_bytes),
    notes: omitted(news.length),
  };
}

function largest({ largest }: StatsOutcome): Chart {
  return {
    title: "Largest files of the newest backup",
    columns: ["PATH<", "BYTES"],
    rows: largest.map(({ path, size }) => [cell(path), formatBytes(size)]),
    values: largest.map(({ size }) => size),
  };
}

function restless({ restless }: StatsOutcome): Chart {
  return {
    title: "Different in every backup that has them",
    columns: ["PATH<", "BACKUPS", "BYTES"],
    rows: restless.map(({ path, size, backups }) => [cell(path), `${backups}`, formatBytes(size)]),
    values: restless.map(({ size }) => size),
  };
}

function compression({ compression }: StatsOutcome): Chart {
  const { extensions, backup_id, compression_type } = compression ??
    { extensions: [], backup_id: 0, compression_type: "" };
  const shown = extensions.slice(0, MOST);
  const guessed = shown.some(({ bytes, measured_bytes }) => bytes > 0 && measured_bytes === 0);
  return {
    title: `Compression by extension, estimated from the blocks of backup ${backup_id} ` +
      `(${compression_type})`,
    columns: ["EXTENSION<", "FILES", "BYTES", "RATIO", "COMPRESSED"],
    rows: shown.map((row) => [
      row.extension === "" ? "(none)" : `.${cell(row.extension)}`,
      grouped(row.files),
      formatBytes(row.bytes),
      row.bytes === 0
        ? "-"
        : (row.measured_bytes === 0 ? "~" : "") + (row.compressed / row.bytes).toFixed(2),
      formatBytes(Math.round(row.compressed)),
    ]),
    values: shown.map((row) => row.compressed),
    notes: [
      ...omitted(extensions.length),
      ...(guessed ? ["~ shares every block with other kinds of files: that block's ratio"] : []),
    ],
  };
}

function omitted(total: number): string[] {
  return total > MOST ? [`... and ${total - MOST} more: --json`] : [];
}
