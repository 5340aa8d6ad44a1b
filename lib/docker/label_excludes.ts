/** Gives the patterns of `duckback.exclude` their places: each service's own mounts, and nothing else. */
import { relative } from "node:path";
import type { ScopedPatterns, Source } from "../core/model.ts";
import type { ServiceMount } from "./collect.ts";
import type { StackLabels } from "./labels.ts";
import { isWithin } from "./system_paths.ts";

/**
 * A mount is known by its archive path ("conf", "volumes/shop_data") and by its volume's name. Mounts
 * that are not backed up are left out.
 */
export function labelExcludes(
  labels: StackLabels,
  mounts: ServiceMount[],
  sources: Source[],
): ScopedPatterns[] {
  const found = new Map<string, ScopedPatterns>();
  for (const { service, path, volume } of mounts) {
    const patterns = labels.get(service)?.exclude ?? [];
    const source = sources.find((source) => isWithin(path, source.path));
    if (patterns.length === 0 || !source) continue;
    const under = joined(source.archive_path, relative(source.path, path));
    const names = [under, ...(volume === null ? [] : [volume])].filter((name) => name !== ".");
    found.set(JSON.stringify([service, under, volume]), { under, names, patterns });
  }
  return [...found.values()];
}

function joined(place: string, inner: string): string {
  if (inner === "") return place;
  return place === "." ? inner : `${place}/${inner}`;
}
