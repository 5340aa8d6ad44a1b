/** In which order services start: each after those it depends on. */

/**
 * Given services and what each depends on, returns the level of each: 0 depends on nothing among them,
 * n on something of level n-1. Dependencies outside are ignored; a circle, which only hand-made labels
 * can have, is cut where it closes.
 */
export function levels(depends_on: Map<string, string[]>): Map<string, number> {
  const found = new Map<string, number>();
  const open = new Set<string>();
  const visit = (service: string): number => {
    const known = found.get(service);
    if (known !== undefined) return known;
    if (open.has(service)) return -1;
    open.add(service);
    const inner = depends_on.get(service)!.filter((other) => depends_on.has(other)).map(visit);
    open.delete(service);
    const level = Math.max(-1, ...inner) + 1;
    found.set(service, level);
    return level;
  };
  for (const service of depends_on.keys()) visit(service);
  return found;
}
