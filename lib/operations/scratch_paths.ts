/** Where the parts of a stack lie in a scratch copy of it: never gives a path of the live stack. */
import { join, normalize } from "node:path";
import type { Source } from "../core/model.ts";
import { isWithin } from "../docker/system_paths.ts";

export interface ScratchPlace {
  path: string;
  type: "file" | "directory" | "other";
}

/** As the kernel's limit. */
const MAX_LINKS = 40;

export class ScratchPaths {
  /**
   * `tree` has what lies in the archive at its place there; of `volumes` (by archive path) each lies in
   * a place of its own. `work_dir` is the live stack's.
   */
  constructor(
    readonly tree: string,
    readonly work_dir: string,
    readonly sources: Source[],
    readonly volumes: ReadonlyMap<string, string>,
  ) {}

  /** Where an archive path was extracted to. */
  extracted(archive_path: string): string {
    for (const [top, place] of this.volumes) {
      if (isWithin(archive_path, top)) return place + archive_path.slice(top.length);
    }
    return archive_path === "." ? this.tree : join(this.tree, archive_path);
  }

  /**
   * The copy of a live path (or of one in `tree`), its symbolic links followed as they would lead in the
   * live stack; null where the backup does not hold it.
   */
  find(path: string): ScratchPlace | null {
    let rest = parts(this.live(path));
    let live = "/";
    for (let links = 0; rest.length > 0;) {
      const next = join(live, rest[0]);
      const target = linkTarget(this.#copy(next) ?? next);
      if (target === null) {
        live = next;
        rest = rest.slice(1);
        continue;
      }
      if (++links > MAX_LINKS) return null;
      rest = [...parts(target.startsWith("/") ? target : join(live, target)), ...rest.slice(1)];
      live = "/";
    }
    const copy = this.#copy(live);
    const info = copy === null ? null : lstat(copy);
    if (copy === null || info === null) return null;
    return {
      path: copy,
      type: info.isDirectory ? "directory" : info.isFile ? "file" : "other",
    };
  }

  /** What a path in `tree` is in the live stack; any other path is itself. */
  live(path: string): string {
    if (!isWithin(path, this.tree)) return path;
    const archived = path.slice(this.tree.length + 1);
    const source = this.sources.find(({ archive_path }) => isWithin(archived, archive_path));
    return source
      ? source.path + archived.slice(source.archive_path.length)
      : join(this.work_dir, archived);
  }

  /** Null for what no source holds. Of sources none lies inside another. */
  #copy(live: string): string | null {
    const source = this.sources.find(({ path }) => isWithin(live, path));
    if (!source) return null;
    const inside = live.slice(source.path === "/" ? 1 : source.path.length + 1);
    return this.extracted(
      inside === ""
        ? source.archive_path
        : source.archive_path === "."
        ? inside
        : `${source.archive_path}/${inside}`,
    );
  }
}

function parts(path: string): string[] {
  return normalize(path).split("/").filter((part) => part !== "");
}

function linkTarget(path: string): string | null {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.readLinkSync(path) : null;
  } catch {
    return null;
  }
}

function lstat(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch {
    return null;
  }
}
