/**
 * Puts staged trees in the place of live ones, and back: from whatever state a crash left, because
 * each step is journaled before it is begun and recognised by what lies where.
 */
import { basename, dirname, join } from "node:path";
import { UNDO_DIR } from "../core/model.ts";
import * as posix from "../posix/mod.ts";
import type { RootMetadata, SwapStep } from "../repository/journal.ts";

const NEW = "new";
const OLD = "old";
/** Where what was live waits for the moment in which the old takes its place again. */
const BACK = "back";

/** Where a staged tree is extracted to. */
export function stagedPath(step: SwapStep): string {
  return join(step.staging, NEW);
}

/** Where what was live lies after the swap. */
export function keptPath(step: SwapStep): string {
  return join(step.staging, OLD);
}

/**
 * How a live tree is replaced, and where its staging directory lies, on the same file system: beside
 * it where one rename does it, inside it where it is a mount point, a volume's root or the working
 * directory, whose inode others hold. `keep`: absolute paths that must stay (duckback's own).
 */
export function howToSwap(source: { live: string; inside: boolean }, keep: string[]) {
  const live = posix.statxIfExists(source.live);
  const parent = posix.statxIfExists(dirname(source.live));
  const kept = keep.filter((path) => path === source.live || path.startsWith(source.live + "/"))
    .map((path) => path.slice(source.live.length + 1).split("/")[0]);
  const isDirectory = live?.type === "directory";
  const mounted = isDirectory && parent !== null && parent.dev !== live.dev;
  const how = isDirectory && (source.inside || mounted || kept.length > 0)
    ? "contents" as const
    : "exchange" as const;
  return { live, kept, how, base: how === "contents" ? source.live : dirname(source.live) };
}

/** Plans how a tree is replaced; the caller journals it, then calls `makeStaging`. */
export function planSwap(
  id: string,
  n: number,
  source: { name: string; live: string; inside: boolean },
  keep: string[],
): SwapStep {
  const { live, kept, how, base } = howToSwap(source, keep);
  const staging = join(base, UNDO_DIR, id, String(n));
  return {
    name: source.name,
    live: source.live,
    how,
    staging,
    had_old: live !== null,
    new_inode: "",
    old_root: how === "contents" ? rootOf(source.live, live!) : null,
    new_root: null,
    touched_root: null,
    keep: [...new Set(kept)],
    phase: "staged",
  };
}

/** Makes the staging directory of a step that is in the journal already. */
export function makeStaging(step: SwapStep, save: () => void) {
  posix.mkdirAll(step.staging, 0o700);
  posix.chmod(join(dirname(dirname(step.staging))), 0o700);
  if (step.how === "exchange") return;
  step.touched_root = metadataOf(posix.statx(step.live));
  save();
}

/** Notes what was staged; call after the extraction, before `swapIn`. */
export function noteStaged(step: SwapStep) {
  step.new_inode = inode(stagedPath(step))!;
  if (step.how === "contents") {
    step.new_root = rootOf(stagedPath(step), posix.statx(stagedPath(step)));
  }
}

/** Old out, new in. `save` makes the journal durable and is called before each move. */
export function swapIn(step: SwapStep, save: () => void) {
  if (step.how === "exchange") exchangeIn(step, save);
  else contentsIn(step, save);
  step.phase = "done";
  save();
}

/** The inverse, from any state. Afterwards everything is as it was when the tree was staged. */
export function swapOut(step: SwapStep, save: () => void) {
  if (step.how === "exchange") exchangeOut(step);
  else contentsOut(step, save);
  step.phase = "staged";
  save();
}

/** True where what an undo (or, after one, a redo) puts in place is still there. */
export function canSwapAgain(step: SwapStep): boolean {
  const needed = step.phase === "staged" ? stagedPath(step) : keptPath(step);
  if (inode(step.staging) === null) return false;
  return inode(needed) !== null || (step.phase !== "staged" && !step.had_old);
}

/** Removes staging directories with all that is in them, and `.duckback-undo` once it is empty. */
export async function removeStaging(steps: SwapStep[]) {
  for (const step of steps) {
    const root = step.how === "contents" ? rootAfter(step) : null;
    await posix.removeTree(step.staging);
    for (const dir of [dirname(step.staging), dirname(dirname(step.staging))]) {
      if (basename(dir) !== UNDO_DIR && basename(dirname(dir)) !== UNDO_DIR) continue;
      if (posix.statxIfExists(dir) && posix.readdirNames(dir).length === 0) posix.rmdir(dir);
    }
    if (root) posix.lutimes(step.live, root.mtime_s, root.mtime_ns);
  }
}

/** What the live directory's times should be once its staging directory is gone. */
function rootAfter(step: SwapStep): RootMetadata | null {
  const stat = posix.statxIfExists(step.live);
  if (!stat) return null;
  const now = metadataOf(stat);
  const touched = step.touched_root;
  // Null: it died as the staging directory was made, and that alone can have touched it.
  const untouched = touched === null ||
    touched.mtime_s === now.mtime_s && touched.mtime_ns === now.mtime_ns;
  return untouched ? step.old_root : now;
}

function exchangeIn(step: SwapStep, save: () => void) {
  const staged = stagedPath(step);
  // It may have come or gone since the step was prepared: a service ran until now.
  step.had_old = inode(step.live) !== null;
  step.phase = "moving_new";
  save();
  if (!step.had_old) posix.rename(staged, step.live);
  else if (posix.renameExchange(staged, step.live)) posix.rename(staged, keptPath(step));
  else { // a file system without exchange: recovery knows the gap between the two
    posix.rename(step.live, keptPath(step));
    posix.rename(staged, step.live);
  }
  sync(step);
}

/**
 * What lies where tells how far `exchangeIn`, or an earlier call of this, came. Only between the two
 * renames of an exchange does the inode decide: what is live may since have been edited or replaced.
 */
function exchangeOut(step: SwapStep) {
  if (step.phase === "staged") return;
  const staged = stagedPath(step);
  const kept = keptPath(step);
  const back = join(step.staging, BACK);
  const there = (path: string) => inode(path) !== null;
  if (there(staged) && !there(kept) && !there(back)) {
    if (inode(step.live) === step.new_inode) posix.renameExchange(staged, step.live);
  } else {
    if (there(kept)) {
      if (there(step.live) && !there(back)) posix.rename(step.live, back);
      posix.rename(kept, step.live);
    } else if (!step.had_old && !there(back) && there(step.live)) {
      posix.rename(step.live, staged);
    }
    if (there(back) && !there(staged)) posix.rename(back, staged);
  }
  sync(step);
}

function contentsIn(step: SwapStep, save: () => void) {
  const kept = keptPath(step);
  if (inode(kept) === null) posix.mkdir(kept, 0o700);
  step.phase = "moving_old";
  save();
  moveChildren(step.live, kept, stays(step));
  step.phase = "moving_new";
  save();
  moveChildren(stagedPath(step), step.live, []);
  setMetadata(step.live, step.new_root!);
  sync(step);
}

function contentsOut(step: SwapStep, save: () => void) {
  if (step.phase === "staged") return;
  if (step.phase === "moving_new" || step.phase === "done") {
    moveChildren(step.live, stagedPath(step), stays(step));
    sync(step);
    // From here on what is live is old: a second try must not take it for new.
    step.phase = "moving_old";
    save();
  }
  moveChildren(keptPath(step), step.live, []);
  setMetadata(step.live, step.old_root!);
  sync(step);
}

/** Children of a `contents` directory that are not part of the swap. */
function stays(step: SwapStep): string[] {
  return [UNDO_DIR, ...step.keep];
}

function moveChildren(from: string, to: string, except: string[]) {
  for (const name of posix.readdirNames(from)) {
    if (!except.includes(name)) posix.rename(join(from, name), join(to, name));
  }
}

function metadataOf(stat: posix.Stat): RootMetadata {
  const { mode, uid, gid, mtime_s, mtime_ns } = stat;
  return { mode: mode & 0o7777, uid, gid, mtime_s, mtime_ns };
}

function rootOf(path: string, stat: posix.Stat): RootMetadata {
  return { ...metadataOf(stat), xattrs: posix.readXattrs(path) };
}

function setMetadata(path: string, root: RootMetadata) {
  posix.lchown(path, root.uid, root.gid);
  if (root.xattrs !== undefined) posix.writeXattrs(path, root.xattrs);
  posix.chmod(path, root.mode);
  posix.lutimes(path, root.mtime_s, root.mtime_ns);
}

/** Without the device: all that is compared lies on one, and its number may change at a reboot. */
function inode(path: string): string | null {
  const stat = posix.statxIfExists(path);
  return stat && String(stat.ino);
}

/** Both directories whose names changed are on disk before the journal says so. */
function sync(step: SwapStep) {
  posix.fsyncPath(step.staging);
  posix.fsyncPath(step.how === "contents" ? step.live : dirname(step.live));
}
