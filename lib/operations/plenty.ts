/** Whether there is room for an archive beyond doubt, without looking at what it would hold. */
import { realpathSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { decodePath } from "../core/paths.ts";

/** Of a plan: where the archive goes ("-" is standard output), and what it is made of. */
export interface RoomFor {
  path: string;
  sources: readonly { path: string }[];
  min_free_bytes: number;
}

/** File systems whose files hold no more than they take: no compression, no shared extents. EXT4, TMPFS. */
const PLAIN = new Set([0xef53, 0x01021994]);
/** What an entry takes at most besides its content: headers, padding; attributes lie in blocks too. */
const ENTRY = 4096;

/**
 * True where the sources' file systems hold less, all that is on them counted, than is free where the
 * archive goes. False where that is not so, or cannot be said. Throws nothing.
 */
export function hasPlenty(plan: RoomFor): boolean {
  if (plan.path === "-") return true;
  try {
    const target = statfsSync(dirname(plan.path));
    const most = mostHeld(plan.sources.map(({ path }) => realpathSync(path)));
    return target.bavail * target.bsize >= most * 1.01 + plan.min_free_bytes;
  } catch {
    return false;
  }
}

/** Bytes of tar that all entries below `tops` come to at most; Infinity where that cannot be said. */
function mostHeld(tops: string[]): number {
  const mounts = mountPoints();
  let most = 0;
  const counted = new Set<number>();
  for (const top of tops) {
    if (mounts.some((mount) => mount.startsWith(top === "/" ? top : `${top}/`))) return Infinity;
    const { dev } = Deno.statSync(top);
    if (counted.has(dev)) continue;
    counted.add(dev);
    const { type, blocks, bfree, bsize, files, ffree } = statfsSync(top);
    if (!PLAIN.has(type)) return Infinity;
    most += (blocks - bfree) * bsize + (files - ffree) * ENTRY;
  }
  return most;
}

/** Where something is mounted; spaces and the like are escaped in the kernel's list ("\040"). */
function mountPoints(): string[] {
  const lines = decodePath(Deno.readFileSync("/proc/self/mountinfo")).trimEnd().split("\n");
  return lines.map((line) =>
    line.split(" ")[4].replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)))
  );
}
