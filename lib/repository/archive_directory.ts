/**
 * The archive directory, known again: a disk that is not mounted leaves an empty directory behind, and
 * backups into that would fill the disk below it.
 *
 * Where the directory lies on a disk other than `/`, a marker file in it carries an id, and the home
 * remembers that id. The kernel's number of a device says nothing: it changes with each mount.
 */
import { join } from "node:path";
import { ensurePrivateDir, removeDurably, writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";

/** Name of the marker; `{"format": ..., "id": UUID}`. */
export const MARKER = ".duckback-directory";
const FORMAT = "duckback-directory-1";

interface KnownDirectory {
  path: string;
  /** It lay on the same disk as `/`: nothing that could be unmounted. */
  on_root: boolean;
  /** What the marker says; null where there is none. */
  id: string | null;
}

/**
 * Why `path` is not the archive directory that it was when it was last used, or null where it is (or was
 * never used as such). Completes `Cannot back up to "DIR": ...`.
 */
export function vanished(home: Home, path: string): string | null {
  const known = readKnown(home);
  if (known === null || known.path !== path || known.on_root) return null;
  if (deviceOf(path) === null) return "it is not there to be seen";
  if (isOnRoot(path)) return "it was on a disk of its own, and lies on that of / now";
  const id = readMarker(path);
  if (id === known.id) return null;
  return id === null ? `its marker file ${MARKER} is missing` : "its marker file is another one's";
}

/** Makes `path` (which must exist) the one known, marker included. Raises NOT_WRITABLE, DISK_FULL. */
export function rememberDirectory(home: Home, path: string): void {
  const on_root = isOnRoot(path);
  const known = readKnown(home);
  const marker = on_root ? null : readMarker(path);
  const same = known?.path === path && known.on_root === on_root && known.id === marker;
  if (same && (on_root || marker !== null)) return;
  const id = on_root ? null : marker ?? makeMarker(path);
  ensurePrivateDir(home.dir);
  writeDurably(home.directory, JSON.stringify({ path, on_root, id } satisfies KnownDirectory));
}

/** The next backup takes the directory as it finds it. */
export function forgetDirectory(home: Home): void {
  removeDurably(home.directory);
}

function makeMarker(path: string): string {
  const id = crypto.randomUUID();
  writeDurably(join(path, MARKER), JSON.stringify({ format: FORMAT, id }) + "\n");
  return id;
}

function readMarker(path: string): string | null {
  const found = readJson(join(path, MARKER));
  return found?.format === FORMAT && typeof found.id === "string" ? found.id : null;
}

function readKnown(home: Home): KnownDirectory | null {
  return readJson(home.directory) as KnownDirectory | null;
}

/** What cannot be read is as good as not there: nobody is kept from backing up by a damaged note. */
function readJson(path: string): Record<string, unknown> | null {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch {
    return null;
  }
}

function isOnRoot(path: string): boolean {
  return deviceOf(path) === deviceOf("/");
}

/** Null where there is nothing, or nothing that answers (a dead mount). */
function deviceOf(path: string): number | null {
  try {
    return Deno.statSync(path).dev;
  } catch {
    return null;
  }
}
