/** How entries of an archive are shown: a line each for people, an object each in JSON. */
import { manifestLine } from "../catalog/manifest.ts";
import type { EntryType } from "../core/model.ts";
import { formatLocalTime } from "../core/units.ts";
import type { LsRow } from "../operations/ls.ts";
import { harmless } from "./session.ts";
import { cell } from "./table.ts";

const LETTERS: Record<EntryType, string> = {
  file: "-",
  directory: "d",
  symlink: "l",
  hardlink: "h",
  fifo: "p",
  char: "c",
  block: "b",
};

/** The name, or with `-R` the path; a directory's ends in a slash. With `-l` in the manner of `ls -l`. */
export function entryLine(row: LsRow, options: { long: boolean; recursive: boolean }): string {
  const path = options.recursive ? row.path : row.path.slice(row.path.lastIndexOf("/") + 1);
  const name = cell(path) + (row.type === "directory" ? "/" : "");
  if (!options.long) return name;
  if ("implied" in row) return `d---------  ${"-".padEnd(13)}  ${blank(12)}  ${blank(19)}  ${name}`;
  const owner = `${row.uid}:${row.gid}`;
  const time = formatLocalTime(new Date(row.mtime_s * 1000).toISOString());
  return `${LETTERS[row.type]}${modeText(row.mode)}  ${owner.padEnd(13)}  ` +
    `${String(row.size).padStart(12)}  ${time}  ${name}${linkText(row)}`;
}

function linkText({ type, link }: { type: EntryType; link: string | null }): string {
  if (link === null) return "";
  return type === "symlink" ? ` -> ${cell(link)}` : ` link to ${cell(link)}`;
}

function blank(width: number): string {
  return "-".padStart(width);
}

/** "rwxr-x--x", with s and t where setuid, setgid and sticky are set. */
export function modeText(mode: number): string {
  const [user, group, others] = [6, 3, 0].map((shift) => mode >> shift & 7);
  return triple(user, (mode & 0o4000) !== 0, "s") + triple(group, (mode & 0o2000) !== 0, "s") +
    triple(others, (mode & 0o1000) !== 0, "t");
}

function triple(bits: number, special: boolean, letter: string): string {
  const run = (bits & 1) !== 0;
  const last = special ? (run ? letter : letter.toUpperCase()) : run ? "x" : "-";
  return (bits & 4 ? "r" : "-") + (bits & 2 ? "w" : "-") + last;
}

/** One object with the manifest's columns; those that an implied directory does not have are null. */
export function entryJson(row: LsRow): string {
  if (!("implied" in row)) return harmless(manifestLine(row).trimEnd());
  const line = manifestLine({ ...NOTHING, path: row.path }).trimEnd();
  const columns: Record<string, unknown> = JSON.parse(line);
  for (const name of Object.keys(NOTHING)) if (name !== "type") columns[name] = null;
  return harmless(JSON.stringify({ ...columns, path: JSON.parse(line).path }));
}

const NOTHING = {
  type: "directory" as const,
  ...{ size: 0, mode: 0, uid: 0, gid: 0, mtime_s: 0, mtime_ns: 0 },
  ...{ link: null, sha256: null, block_offset: 0, block_inner: 0 },
};
