/** Tells duckback's own container, where it runs in one: stopping that would end the run half-way. */
import type { Container } from "./engine.ts";

/**
 * True for the container this process runs in, and for any made from an image called "duckback": one
 * that only schedules backups would not be started again by the run that it started.
 */
export function isDuckback(container: Container, own_ids: ReadonlySet<string>): boolean {
  if (own_ids.has(container.id)) return true;
  const image = container.image.split("@")[0].split("/").at(-1)!;
  return image.split(":")[0] === "duckback";
}

/** Ids that may be this process's container: none outside of one, or where /proc does not tell. */
export function ownContainerIds(proc = "/proc/self"): Set<string> {
  const text = ["mountinfo", "cgroup"].map((file) => readOrNothing(`${proc}/${file}`)).join("\n");
  return containerIds(text);
}

/**
 * Given /proc/PID/mountinfo and cgroup, returns the 64-digit ids of containers they name: the engine
 * mounts its files for a container (".../containers/ID/hostname") on /etc, cgroup v1 ends in the id.
 */
export function containerIds(text: string): Set<string> {
  const ids = new Set<string>();
  for (const line of text.split("\n")) {
    const mounted = /\/containers\/([0-9a-f]{64})\/(?:hostname|resolv\.conf|hosts) \/etc\//.exec(
      line,
    );
    const group = /^\d+:[^:]*:.*?([0-9a-f]{64})(?:\.scope)?$/.exec(line);
    const id = mounted?.[1] ?? group?.[1];
    if (id) ids.add(id);
  }
  return ids;
}

function readOrNothing(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
