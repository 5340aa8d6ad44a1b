/** Small things about files that the database's own code does not do. */

/** True if there is anything of that name, a broken symlink too. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes what is there; no error where nothing is. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Flushes a file, or a directory's names, to the disk. */
export function fsyncPath(path: string): void {
  using file = Deno.openSync(path, { read: true });
  file.syncSync();
}

/** The directory a file lies in. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash > 0 ? path.slice(0, slash) : slash === 0 ? "/" : ".";
}
