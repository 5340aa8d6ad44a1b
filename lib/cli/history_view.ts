/** How the answers of `find` and `history` look. */
import type { FoundVersion, PathState } from "../catalog/entry_search.ts";
import { count, formatBytes, formatLocalTime, grouped } from "../core/units.ts";
import type { FindOutcome } from "../operations/find.ts";
import type { HistoryOutcome } from "../operations/history.ts";
import type { Stretch } from "../operations/timeline.ts";
import { modeText } from "./ls_view.ts";
import { jsonText } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, table } from "./table.ts";

/** A row of `find --json`. */
export function foundJson({ stack, backups, ...state }: FoundVersion): string {
  return jsonText({ stack, ...stateJson(state), backups: idsOf(backups) });
}

function idsOf(list: string): number[] {
  return list.split(",").map(Number);
}

/** The manifest's columns, with the modification time as one ISO 8601 text. */
function stateJson({ mtime_s, mtime_ns, ...rest }: Omit<PathState, "backup_id">) {
  const { link, sha256, ...state } = rest;
  return { ...state, mtime: isoTime(mtime_s, mtime_ns), link, sha256 };
}

/** With nanoseconds; null for a time that no calendar has. */
export function isoTime(seconds: number, nanoseconds: number): string | null {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return null;
  return at.toISOString().replace(/\.\d+Z$/, `.${String(nanoseconds).padStart(9, "0")}Z`);
}

function localTime(seconds: number): string {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? "?" : formatLocalTime(at.toISOString());
}

/** `find`. */
export function findLines(
  rows: readonly FoundVersion[],
  { total, searched }: FindOutcome,
  pattern: string | null,
  style: Style,
): string[] {
  if (rows.length === 0) {
    const lines = [`Nothing found in ${count(searched, "backup")}.`];
    if (pattern !== null && !/[*?[{/]/.test(pattern)) {
      lines.push(
        `A name must match as a whole; for a part of it: duckback find '*${cell(pattern)}*'`,
      );
    }
    return lines;
  }
  const several = new Set(rows.map(({ stack }) => stack)).size > 1;
  const lines = table(
    [
      { title: "STACK" },
      { title: "PATH" },
      { title: "SIZE", align: "right" },
      { title: "MODIFIED" },
      { title: "SHA-256" },
      { title: "BACKUPS" },
    ],
    rows.map((row) => [
      several ? cell(row.stack) : "",
      pathText(row),
      row.type === "file" ? formatBytes(row.size) : "-",
      localTime(row.mtime_s),
      row.sha256?.slice(0, 12) ?? "-",
      ranges(idsOf(row.backups)),
    ]),
    style.bold,
  );
  const more = total - rows.length;
  if (more > 0) lines.push(`... and ${grouped(more)} more: --limit ${total}`);
  return lines;
}

function pathText({ path, type, link }: Pick<FoundVersion, "path" | "type" | "link">): string {
  const name = cell(path) + (type === "directory" ? "/" : "");
  if (link === null) return name;
  return `${name} ${type === "symlink" ? "->" : "link to"} ${cell(link)}`;
}

/** "1-4, 7"; of very many pieces the first and the last, and how many backups there are. */
export function ranges(ids: readonly number[]): string {
  const pieces: { first: number; last: number }[] = [];
  for (const id of ids) {
    const last = pieces.at(-1);
    if (last && id === last.last + 1) last.last = id;
    else pieces.push({ first: id, last: id });
  }
  const texts = pieces.map(({ first, last }) => first === last ? `${first}` : `${first}-${last}`);
  if (texts.length <= 6) return texts.join(", ");
  return `${texts.slice(0, 3).join(", ")}, ..., ${texts.at(-1)} (${count(ids.length, "backup")})`;
}

/** `history --json`. */
export function historyDocument({ versions, stretches, ...about }: HistoryOutcome) {
  return {
    success: true,
    ...about,
    versions: versions.map(({ version, state: { backup_id: _, ...state }, ...rest }) => ({
      version,
      ...stateJson(state),
      ...rest,
    })),
    timeline: stretches.map(({ version, ...rest }) => ({
      present: version !== null,
      version,
      ...rest,
    })),
  };
}

/** `history`: one line for each stretch of backups that agree, oldest first. */
export function historyLines(found: HistoryOutcome, style: Style): string[] {
  const { path, stack, versions, stretches, searched } = found;
  const held = versions.reduce((sum, { backups }) => sum + backups.length, 0);
  const states = versions.map(({ state }) => state);
  const differ = (field: "mode" | "uid" | "gid") => new Set(states.map((s) => s[field])).size > 1;
  const rights = differ("mode") || differ("uid") || differ("gid");
  return [
    style.bold(`${cell(path)} in stack ${cell(stack)}: `) +
    `${count(versions.length, "version")}, in ${held} of ${count(searched, "backup")}`,
    "",
    ...table(
      [
        { title: "VERSION", align: "right" },
        { title: "FIRST SEEN" },
        { title: "LAST SEEN" },
        { title: "SIZE", align: "right" },
        { title: "MODIFIED" },
        { title: "MODE" },
        { title: "SHA-256" },
        { title: "BACKUPS" },
      ],
      stretches.map((stretch) => {
        if (stretch.version === null) return absentRow(stretch, style);
        const { state } = versions[stretch.version - 1];
        return [
          String(stretch.version),
          formatLocalTime(stretch.from),
          formatLocalTime(stretch.to),
          state.type === "file" ? formatBytes(state.size) : state.type,
          localTime(state.mtime_s),
          rights ? `${modeText(state.mode)} ${state.uid}:${state.gid}` : "",
          state.sha256?.slice(0, 12) ?? (state.link === null ? "-" : `-> ${cell(state.link)}`),
          ranges(stretch.backups),
        ];
      }),
      style.bold,
    ),
  ];
}

function absentRow({ from, to, backups, after }: Stretch, style: Style): string[] {
  const text = `deleted between ${after} and ${backups[0]}`;
  return [
    "-",
    ...[from, to].map(formatLocalTime),
    "-",
    style.yellow(text),
    "",
    "-",
    ranges(backups),
  ];
}
