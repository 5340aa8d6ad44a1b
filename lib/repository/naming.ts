/** Names of archives and their sidecars. */
import type { Compression, Trigger } from "../core/model.ts";

const EXTENSIONS: Record<Compression, string> = {
  gzip: ".tar.gz",
  zstd: ".tar.zst",
  none: ".tar",
};

/** File name extension of an archive, dot included. */
export function archiveExtension(compression: Compression): string {
  return EXTENSIONS[compression];
}

/** Compression that a file name stands for, or null for a name that is no archive's. */
export function compressionOf(file: string): Compression | null {
  for (const [compression, extension] of Object.entries(EXTENSIONS)) {
    if (file.endsWith(extension)) return compression as Compression;
  }
  return null;
}

/**
 * `backup_{trigger}_{stack}_v{version}_{YYYY-MM-DD_HH-MM-SS, UTC}`, without extension; a second
 * one within the same second gets `_2`, the next `_3`. `taken` says whether a name is in use.
 */
export function backupName(
  parts: { trigger: Trigger; stack: string; version: string | null; at: Date },
  taken: (name: string) => boolean,
): string {
  const time = parts.at.toISOString().slice(0, 19).replace("T", "_").replaceAll(":", "-");
  const version = fileSafe(parts.version ?? "unknown", 40);
  const base = `backup_${parts.trigger}_${fileSafe(parts.stack, 80)}_v${version}_${time}`;
  let name = base;
  for (let n = 2; taken(name); n++) name = `${base}_${n}`;
  return name;
}

/** Text as a part of a file name: letters, digits, dot, plus and dash; at most `max` of them. */
function fileSafe(text: string, max: number): string {
  return text.replace(/[^A-Za-z0-9.+-]+/g, "-").replace(/^[.-]+/, "").slice(0, max) || "x";
}

/** An archive's path without its extension; where it has none of ours, the path itself. */
export function stem(archive: string): string {
  const compression = compressionOf(archive);
  return compression ? archive.slice(0, -EXTENSIONS[compression].length) : archive;
}

/** Path of the record beside an archive. */
export function sidecarPath(archive: string): string {
  return `${stem(archive)}.json`;
}

/** Path of the manifest beside an archive. */
export function manifestPath(archive: string): string {
  return `${stem(archive)}.manifest.parquet`;
}

/** Path an archive is written to before it is whole. */
export function partialPath(archive: string): string {
  return `${archive}.partial`;
}

/** Rows of a manifest in the making, beside the partial archive. */
export function manifestRowsPath(archive: string): string {
  return `${stem(archive)}.manifest.partial`;
}

/** Notes of the first of two passes: without a name as soon as it is made. */
export function notesPath(archive: string): string {
  return `${stem(archive)}.notes.partial`;
}

/** Rows of the manifest of the backup that an incremental one is made against: for a moment. */
export function parentRowsPath(archive: string): string {
  return `${stem(archive)}.parent.partial`;
}

/** Numbers of those rows that do not hold any more. */
export function droppedRowsPath(archive: string): string {
  return `${stem(archive)}.dropped.partial`;
}

/** Files that an archive has recipes for, while its manifest is made anew. */
export function recipeRowsPath(archive: string): string {
  return `${stem(archive)}.recipes.partial`;
}

/** Paths that it says are gone, for as long. */
export function gonePathsPath(archive: string): string {
  return `${stem(archive)}.gone.partial`;
}

/** What a manifest is written to before it is whole. */
export function unfinishedManifests(archive: string): string[] {
  const path = manifestPath(archive);
  return [`${path}.partial`, `${path}.own.partial`];
}

/** Directory of dumps on their way into an archive. */
export function spoolPath(archive: string): string {
  return `${stem(archive)}.spool`;
}

/** Every file that a backup to `archive` writes, the archive first. */
export function archiveFiles(archive: string): string[] {
  return [
    archive,
    partialPath(archive),
    sidecarPath(archive),
    manifestPath(archive),
    manifestRowsPath(archive),
    notesPath(archive),
    parentRowsPath(archive),
    droppedRowsPath(archive),
    recipeRowsPath(archive),
    gonePathsPath(archive),
    spoolPath(archive),
  ];
}
