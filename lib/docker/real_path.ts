/** Follows the symbolic links on the way to a source, as the engine does when it mounts one. */
import { dirname, isAbsolute, join, resolve } from "node:path";

export interface RealPath {
  /** Free of symbolic links; of something missing, as far as there is something. */
  real: string;
  /** The links met on the way, nearest to the root first: paths free of links but for their last part. */
  links: string[];
  type: "file" | "directory" | "socket" | "fifo" | "device" | "missing";
}

/** As the kernel's limit. */
const MAX_LINKS = 40;

/** Never raises: what cannot be looked at is `missing`, and reading it says why. */
export function realPath(path: string): RealPath {
  const links: string[] = [];
  let rest = resolve(path).split("/").filter((part) => part !== "");
  let real = "/";
  let info: Deno.FileInfo | null = lstat(real);
  while (rest.length > 0) {
    const [part, ...after] = rest;
    const next = join(real, part);
    info = lstat(next);
    if (!info?.isSymlink) {
      real = next;
      rest = after;
      continue;
    }
    if (links.length >= MAX_LINKS) return { real: resolve(path), links, type: "missing" };
    links.push(next);
    const target = Deno.readLinkSync(next);
    const full = isAbsolute(target) ? target : join(dirname(next), target);
    rest = [...full.split("/").filter((piece) => piece !== ""), ...after];
    real = "/";
  }
  return { real, links: [...new Set(links)], type: typeOf(info) };
}

function typeOf(info: Deno.FileInfo | null): RealPath["type"] {
  if (!info) return "missing";
  if (info.isDirectory) return "directory";
  if (info.isSocket) return "socket";
  if (info.isFifo) return "fifo";
  return info.isBlockDevice || info.isCharDevice ? "device" : "file";
}

function lstat(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch {
    return null;
  }
}
