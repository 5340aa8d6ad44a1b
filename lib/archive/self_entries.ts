/** Names of the archive's own entries, the first and the last of every archive. */
import { SELF_DIR } from "../core/model.ts";

/** What is known at the start. */
export const FIRST_ENTRY = `${SELF_DIR}/backup.json`;
/** What is known at the end; an archive without it is not complete. */
export const LAST_ENTRY = `${SELF_DIR}/result.json`;

/** True for the archive's own entries, which are in no manifest and are never restored. */
export function isSelf(path: string): boolean {
  return path === SELF_DIR || path.startsWith(`${SELF_DIR}/`);
}

/** What tells how to unpack an incremental archive without duckback, and the script that does it. */
export const README_ENTRY = `${SELF_DIR}/README`;
export const SCRIPT_ENTRY = `${SELF_DIR}/unpack.sh`;
/** Files whose content lies in part in earlier archives: see recipe.ts. */
export const RECIPES = `${SELF_DIR}/files/`;
/** What such files have that is new, numbered from 1 on. */
export const DATA = `${SELF_DIR}/data/`;
/** Of an incremental archive: paths at which nothing is any more, a NUL behind each. */
export const DELETED_ENTRY = `${SELF_DIR}/deleted`;
/** Paths at which a directory was and something else is now, or the other way round; a NUL behind each. */
export const REPLACED_ENTRY = `${SELF_DIR}/replaced`;
