/** Who writes to a stack's sources: its own containers, and those of other projects that mount the same. */
import type { Source } from "../core/model.ts";
import type { Container, Engine } from "./engine.ts";
import { realPath } from "./real_path.ts";
import { isDuckback, ownContainerIds } from "./self.ts";
import { isWithin, systemPathReason } from "./system_paths.ts";

/** A running container that is not the stack's and may write to what the stack keeps. */
export interface SharingContainer {
  container: Container;
  /** Names of the sources it can write to. */
  sources: string[];
}

/** What the search reads of a stack. */
export interface Shared {
  work_dir: string;
  containers: Container[];
  sources: Source[];
}

/**
 * Containers that run, are none of the stack's and mount one of its sources read-write, by name. The
 * whole machine's directories ("/", "/var/lib") mounted into an agent do not count, nor does duckback's
 * own container. Raises DOCKER_UNREACHABLE.
 */
export async function findSharing(engine: Engine, stack: Shared): Promise<SharingContainer[]> {
  if (stack.sources.length === 0) return [];
  const own = new Set(stack.containers.map((container) => container.id));
  const all = await engine.listContainers({});
  const self = ownContainerIds();
  return all
    .filter((container) =>
      !own.has(container.id) && isActive(container) && !isDuckback(container, self)
    )
    .map((container) => ({ container, sources: writesTo(container, stack) }))
    .filter(({ sources }) => sources.length > 0);
}

/** True for one that can write at this moment, or again in a second. */
export function isActive(container: Container): boolean {
  return container.state === "running" || container.state === "restarting";
}

/** Names of the sources that a container mounts read-write, in whole or in part. */
export function writesTo(
  container: Container,
  { work_dir, sources }: Pick<Shared, "work_dir" | "sources">,
): string[] {
  const found = new Set<string>();
  for (const mount of container.mounts) {
    if (mount.read_only || mount.type !== "bind" && mount.type !== "volume") continue;
    const { real } = realPath(mount.source);
    for (const source of sources) {
      const named = source.kind === "volume" && source.name === mount.name;
      const touches = isWithin(real, source.path) ||
        isWithin(source.path, real) && systemPathReason(real, work_dir, "/var/lib/docker") === null;
      if (named || touches) found.add(source.name);
    }
  }
  return [...found];
}

/** "watcher (project backup)" or "watcher (no project)", for people. */
export function sharerTitle({ name, project }: { name: string; project: string | null }): string {
  return `${name} (${project === null ? "no project" : `project ${project}`})`;
}
