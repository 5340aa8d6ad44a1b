/**
 * A home or backup directory that lies deep inside what a rollback replaces stays where it is: each
 * directory on the way to it is swapped child by child, without the child that leads there.
 */
import { basename, dirname, join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import * as posix from "../posix/mod.ts";
import type { SwapStep } from "../repository/journal.ts";
import { noteStaged, planSwap, stagedPath } from "./swap.ts";

/**
 * Given an extracted step whose `live` holds something of `keep` more than one level down, yields one
 * more step for each directory between. Its part of the staged tree is moved into it once the caller
 * has journaled the step, made its staging directory and asks on. Raises RESTORE_FAILED where the backup has no directory there.
 */
export function* stepsAround(
  id: string,
  first: number,
  step: SwapStep,
  keep: string[],
): Generator<SwapStep> {
  const staged = new Map([[step.live, stagedPath(step)]]);
  let n = first;
  for (const live of directoriesBetween(step.live, keep)) {
    if (posix.statxIfExists(live)?.type !== "directory") continue;
    const inner = planSwap(id, n++, { name: step.name, live, inside: true }, keep);
    yield inner;
    const part = join(staged.get(dirname(live))!, basename(live));
    const found = posix.statxIfExists(part)?.type;
    if (found === "directory") posix.rename(part, stagedPath(inner));
    else if (found === undefined) makeLike(stagedPath(inner), live);
    else {
      throw new DuckbackError(
        "RESTORE_FAILED",
        `Cannot restore "${live}": the backup has a ${found} there, now it leads to duckback's own ` +
          "files",
        { hint: "Move duckback's home or backup directory to another place first." },
      );
    }
    staged.set(live, stagedPath(inner));
    noteStaged(inner);
  }
}

/**
 * Outermost first: "/a" and ["/a/b/c/home"] give "/a/b" and "/a/b/c". What lies in something that
 * stays (backups in the home) stays with it.
 */
export function directoriesBetween(live: string, keep: string[]): string[] {
  const found = new Set<string>();
  const outermost = keep.filter((path) => !keep.some((other) => path.startsWith(other + "/")));
  for (const path of outermost.filter((path) => path.startsWith(live + "/"))) {
    for (let dir = dirname(path); dir !== live; dir = dirname(dir)) found.add(dir);
  }
  return [...found].sort((a, b) => a.length - b.length);
}

function makeLike(path: string, other: string) {
  const { mode, uid, gid } = posix.statx(other);
  posix.mkdir(path, 0o700);
  posix.lchown(path, uid, gid);
  posix.chmod(path, mode & 0o7777);
}
