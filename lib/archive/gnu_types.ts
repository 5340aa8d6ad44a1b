/** What GNU tar alone writes: directories with a listing (type D, or a pax record), parts of volumes. */

/** Why entries of these types are refused. */
export const REFUSED: Record<string, string> = {
  M: "it is a file's later part, from an archive in several volumes: " +
    "put them together with GNU tar first (tar --multi-volume)",
  N: "it is a table of long names as GNU tar wrote it before 1993: no longer understood",
};

/** The pax record in which GNU tar --listed-incremental keeps a directory's listing. */
export const DUMPDIR_KEY = "GNU.dumpdir";

const LEFT_OUT = 0x4e; // "N"

/**
 * A listing, which may come in pieces: names with a letter before and a NUL behind each. "Y" is in
 * the archive, "D" a directory, "N" a name that has not changed since an earlier archive and is
 * therefore not in this one.
 */
export class Dumpdir {
  /** Names that the directory had and the archive does not hold. */
  leftOut = 0;
  #atLetter = true;

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) {
      if (this.#atLetter) {
        if (bytes[at] === 0) continue; // the list's end
        if (bytes[at] === LEFT_OUT) this.leftOut++;
        this.#atLetter = false;
      }
      const end = bytes.indexOf(0, at);
      if (end === -1) return;
      at = end;
      this.#atLetter = true;
    }
  }
}
