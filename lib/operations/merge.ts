/** `--merge`: what is on disk but not in the backup stays, as a copy in the tree that comes in. */
import { join } from "node:path";
import { UNDO_DIR } from "../core/model.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import type { SwapStep } from "../repository/journal.ts";
import { type Context, note } from "./context.ts";
import { TreeCopier } from "./copy_tree.ts";
import { stagedPath } from "./swap.ts";

/**
 * Call while services are down, before the swap. What is copied is durable on return. The old tree
 * stays whole, so that an undo finds everything as it was. Raises DISK_FULL, IO, INTERRUPTED.
 */
export async function mergeLive(ctx: Context, steps: SwapStep[]): Promise<void> {
  const copier = new TreeCopier(ctx.signal);
  try {
    for (const step of steps) {
      const staged = stagedPath(step);
      const before = copier.entries;
      await mergeDirectory(copier, step.live, staged, [UNDO_DIR, ...step.keep]);
      if (copier.entries > before) await sync(step.staging);
    }
  } catch (cause) {
    throw diskError("Cannot keep what is not in the backup", cause);
  }
  if (copier.entries > 0) {
    note(ctx, `Kept what is not in the backup: ${copier.entries} entries.`);
  }
}

/** Where both are directories: what only `live` has is copied to `staged`. */
async function mergeDirectory(copier: TreeCopier, live: string, staged: string, except: string[]) {
  if (typeOf(live) !== "directory" || typeOf(staged) !== "directory") return;
  const { mode, mtime_s, mtime_ns } = posix.statx(staged);
  const there = new Set(posix.readdirNames(staged));
  const before = copier.entries;
  for (const name of posix.readdirNames(live)) {
    if (except.includes(name)) continue;
    const [from, to] = [join(live, name), join(staged, name)];
    if (there.has(name)) await mergeDirectory(copier, from, to, [UNDO_DIR]);
    else await copier.copy(from, to);
  }
  if (copier.entries === before) return;
  posix.chmod(staged, mode);
  posix.lutimes(staged, mtime_s, mtime_ns);
}

function typeOf(path: string): posix.FileType | null {
  return posix.statxIfExists(path)?.type ?? null;
}

async function sync(dir: string) {
  const fd = posix.open(dir, posix.O_RDONLY | posix.O_DIRECTORY);
  try {
    await posix.syncFileSystem(fd, dir);
  } finally {
    posix.closeQuietly(fd);
  }
}
