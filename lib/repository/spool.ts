/** Private files on their way into or out of an archive: gone at the end, whatever the end is. */
import { join } from "node:path";
import * as posix from "../posix/mod.ts";
import { diskError } from "./durable.ts";
import type { Home } from "./home.ts";
import type { JournalFile } from "./journal.ts";
import { spoolPath } from "./naming.ts";

/** A directory (0700) that disposal removes with all in it; after kill -9 `recover` does. */
export class Spool implements Disposable {
  private constructor(readonly dir: string, readonly journal: JournalFile) {}

  /** Beside `archive`, or in the home without one. Raises NOT_WRITABLE, DISK_FULL. */
  static create(home: Home, archive: string | null, journal: JournalFile): Spool {
    const dir = archive === null ? join(home.dir, `spool-${journal.data.id}`) : spoolPath(archive);
    journal.save({ spool: dir });
    makePrivate(dir);
    return new Spool(dir, journal);
  }

  /** Makes a directory below (0700); its parents with it. */
  directory(relative: string): void {
    let path = this.dir;
    for (const part of relative.split("/")) makePrivate(path = join(path, part), true);
  }

  [Symbol.dispose]() {
    removeSpool(this.dir);
  }
}

/** Removes a spool that is not needed any more; what cannot be removed is left. */
export function removeSpool(dir: string): void {
  try {
    Deno.removeSync(dir, { recursive: true });
  } catch {
    // The error that led here matters more; the next run tries again.
  }
}

function makePrivate(path: string, may_exist = false) {
  try {
    posix.mkdir(path, 0o700);
  } catch (cause) {
    if (may_exist && (cause as { code?: string }).code === "EEXIST") return;
    throw diskError(`Cannot create directory "${path}"`, cause);
  }
}
