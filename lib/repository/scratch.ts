/** Private directories for temporary files of questions to the manifests. */
import { join } from "node:path";
import type { Home } from "./home.ts";

const PREFIX = "scratch-";
let made = 0;

/**
 * A directory in the home, gone with all in it on disposal; what processes that were killed left behind
 * goes too. Where none can be made, what needs it says so.
 */
export function openScratch(home: Home): { path: string } & Disposable {
  const path = join(home.dir, `${PREFIX}${Deno.pid}-${++made}`);
  try {
    for (const { name } of Deno.readDirSync(home.dir)) {
      const [, pid] = /^scratch-(\d+)-\d+$/.exec(name) ?? [];
      if (pid !== undefined && !isAlive(pid)) remove(join(home.dir, name));
    }
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch {
    // A home that may only be read: most questions need no temporary files.
  }
  return { path, [Symbol.dispose]: () => remove(path) };
}

/** A number that was given to another process meanwhile only means that the rest stays for longer. */
function isAlive(pid: string): boolean {
  try {
    Deno.statSync(join("/proc", pid));
    return true;
  } catch {
    return false;
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // Not there, or not ours.
  }
}
