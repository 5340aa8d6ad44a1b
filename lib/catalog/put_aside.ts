/** A catalogue that cannot be read goes aside, never away: a new one can then be made in its place. */
import { deniedError } from "./failure.ts";
import { exists, fsyncPath, parentOf, removeIfThere } from "./files.ts";
import { acquireLock } from "./lock.ts";
import { catalogPath } from "./open_catalog.ts";

const PATIENCE_MS = 30_000;

/**
 * Renames the catalogue of a home and its write-ahead log to `catalog.duckdb.damaged-TIME`, and returns
 * that path; null where there is none. Throws CATALOG_LOCKED, NOT_WRITABLE.
 */
export async function putCatalogAside(home: string, now: Date): Promise<string | null> {
  const path = catalogPath(home);
  const wait = { deadline: performance.now() + PATIENCE_MS, timeout_ms: PATIENCE_MS };
  const lock = await acquireLock(path.replace(/\.duckdb$/, ".lock"), wait);
  try {
    const time = now.toISOString().slice(0, 19).replaceAll(":", "-");
    let aside = `${path}.damaged-${time}`;
    for (let n = 2; exists(aside) || exists(`${aside}.wal`); n++) {
      aside = `${path}.damaged-${time}_${n}`;
    }
    // The log first: a database without its log is what a crash in between leaves, and that is told.
    const parts = ["", ".wal"].filter((ending) => exists(`${path}${ending}`)).reverse();
    for (const ending of parts) Deno.renameSync(`${path}${ending}`, `${aside}${ending}`);
    removeIfThere(`${path}.migrating`);
    fsyncPath(parentOf(path));
    return parts.length > 0 ? aside : null;
  } catch (cause) {
    throw deniedError(path, cause);
  } finally {
    lock.release();
  }
}
