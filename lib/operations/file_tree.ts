/** Trees in which databases are looked for: on disk, or still in an archive. */
import { join } from "node:path";
import { type Archives, ChainReader } from "../archive/chain_reader.ts";
import type { ManifestEntry } from "../core/model.ts";
import * as posix from "../posix/mod.ts";
import { chainOf } from "./chain.ts";
import type { Context } from "./context.ts";
import { type FileTree, mayTell } from "./data_version.ts";
import { visitIncoming } from "./incoming.ts";
import type { RollbackPlan } from "./rollback_plan.ts";

/** What cannot be read is not there. */
export function treeOnDisk(root: string): FileTree {
  return {
    list(dir) {
      try {
        const entries = [...Deno.readDirSync(join(root, dir))];
        return new Map(
          entries.map(({ name, isDirectory }) => [name, isDirectory ? "directory" : "other"]),
        );
      } catch {
        return new Map();
      }
    },
    read: (path, most) => Promise.resolve(read(join(root, path), most)),
  };
}

function read(path: string, most: number): Uint8Array<ArrayBuffer> | null {
  let fd: number;
  try {
    fd = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const bytes = new Uint8Array(most);
    return bytes.slice(0, posix.readAt(fd, bytes, 0, path));
  } catch {
    return null; // a directory of that name
  } finally {
    posix.closeQuietly(fd);
  }
}

/**
 * What each target of a plan would become, one tree a target; holds no more than the names that may
 * tell a database. Files are read straight out of their blocks; an archive without blocks gives none.
 */
export async function treesInArchive(ctx: Context, plan: RollbackPlan): Promise<FileTree[]> {
  const { record, targets } = plan;
  const { archives } = await chainOf(ctx, record);
  const trees = targets.map(() => new ArchivedTree(archives, ctx.signal));
  await visitIncoming(ctx, record, targets, (entry, live, n) => {
    if (mayTell(entry.path)) trees[n].add(entry, live.slice(targets[n].live.length + 1));
  });
  return trees;
}

class ArchivedTree implements FileTree {
  readonly #directories = new Map<string, Map<string, "directory" | "other">>();
  readonly #files = new Map<string, ManifestEntry>();

  constructor(readonly archives: Archives, readonly signal: AbortSignal) {}

  add(entry: ManifestEntry, path: string): void {
    this.#files.set(path, entry);
    let type: "directory" | "other" = entry.type === "directory" ? "directory" : "other";
    for (let rest = path; rest !== ""; type = "directory") {
      const at = rest.lastIndexOf("/");
      const parent = at < 0 ? "" : rest.slice(0, at);
      const names = this.list(parent);
      this.#directories.set(parent, names.set(rest.slice(at + 1), type));
      rest = parent;
    }
  }

  list(dir: string): Map<string, "directory" | "other"> {
    return this.#directories.get(dir) ?? new Map();
  }

  async read(path: string, most: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const entry = this.#files.get(path);
    if (entry?.type !== "file") return null;
    const bytes = new Uint8Array(Math.min(most, entry.size));
    let got = 0;
    const take = (part: Uint8Array) => {
      bytes.set(part.subarray(0, bytes.length - got), got);
      got += Math.min(part.length, bytes.length - got);
    };
    try {
      using reader = new ChainReader(this.archives, this.signal);
      if (!reader.seeks) return null;
      await reader.read(entry, {
        entry() {},
        data: take,
        hole: (length) => take(new Uint8Array(Math.min(length, bytes.length - got))),
        end() {},
      });
      return bytes;
    } catch {
      return null; // what is broken is told by the check of the whole archive
    }
  }
}
