/** Gives found sources their places in the archive: none inside another, none at another's place. */
import { relative } from "node:path";
import type { Role, Source } from "../core/model.ts";
import { isWithin } from "./system_paths.ts";

/** Something to back up, before it is known where it goes. `path` is free of symbolic links. */
export interface Candidate {
  kind: Source["kind"];
  role: Role;
  path: string;
  /** Volume name; null for paths. */
  volume: string | null;
  origin: string;
}

/**
 * Given what was found, returns sources of which none lies inside another (role data wins, origins
 * are joined), in the order of their paths in the archive. `exists` tells whether a path is there: a
 * volume must not land on a directory that the working directory has itself.
 */
export function layOut(
  candidates: Candidate[],
  work_dir: string,
  exists: (path: string) => boolean,
): Source[] {
  const kept = mergeNested(candidates);
  const inside = kept.filter((item) => item.kind === "path" && isWithin(item.path, work_dir));
  const sources: Source[] = inside.map((item) => {
    const place = relative(work_dir, item.path) || ".";
    return toSource(item, place, place);
  });
  for (const item of kept.filter((candidate) => !inside.includes(candidate))) {
    const wanted = item.volume !== null ? `volumes/${item.volume}` : `external${item.path}`;
    const place = freePlace(wanted, sources, work_dir, exists);
    sources.push(toSource(item, place, item.volume ?? item.path));
  }
  return sources.sort((a, b) => a.archive_path < b.archive_path ? -1 : 1);
}

function toSource(item: Candidate, archive_path: string, name: string): Source {
  const { kind, role, path, origin } = item;
  return { kind, role, name, path, archive_path, origin };
}

function mergeNested(candidates: Candidate[]): Candidate[] {
  const kept: Candidate[] = [];
  // Outer before inner; of the same path the volume, which has a name, before the bind mount.
  const sorted = [...candidates].sort((a, b) =>
    a.path.length - b.path.length || Number(a.kind === "path") - Number(b.kind === "path")
  );
  for (const item of sorted) {
    const outer = kept.find((other) => isWithin(item.path, other.path));
    if (!outer) {
      kept.push({ ...item });
      continue;
    }
    if (item.role === "data") outer.role = "data";
    if (!outer.origin.split(", ").includes(item.origin)) outer.origin += `, ${item.origin}`;
  }
  return kept;
}

/**
 * Appends "~" to the part that is in the way until nothing is. Where the working directory is itself
 * a source, its place "." holds every other: only what really lies there is in the way.
 */
function freePlace(
  wanted: string,
  taken: Source[],
  work_dir: string,
  exists: (path: string) => boolean,
): string {
  const whole = taken.some((source) => source.archive_path === ".");
  let parts = wanted.split("/");
  for (;;) {
    const place = parts.join("/");
    const other = taken.find(({ archive_path }) =>
      archive_path !== "." && (isWithin(archive_path, place) || isWithin(place, archive_path))
    );
    const at = other
      ? Math.min(other.archive_path.split("/").length, parts.length) - 1
      : whole && exists(`${work_dir}/${place}`)
      ? parts.length - 1
      : -1;
    if (at < 0) return place;
    parts = parts.map((part, index) => index === at ? `${part}~` : part);
  }
}
