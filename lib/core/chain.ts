/**
 * Chains of backups: an incremental one needs the one that it was made against, and all that one needs.
 * Pure; what a record needs is its `parent_id`.
 */
import type { BackupRecord } from "./model.ts";

/** What of a record tells its place in a chain. */
export type Link = Pick<BackupRecord, "id" | "parent_id">;

/**
 * What backup `id` needs, nearest first; `missing` is the id that the last of them names and no record
 * has, null where the chain is whole. A circle ends where it closes, as missing.
 */
export function ancestorsOf<T extends Link>(
  records: readonly T[],
  id: number,
): { ancestors: T[]; missing: number | null } {
  const known = new Map(records.map((record) => [record.id, record]));
  const ancestors: T[] = [];
  const seen = new Set([id]);
  let wanted = known.get(id)?.parent_id ?? null;
  while (wanted !== null) {
    const parent = known.get(wanted);
    if (parent === undefined || seen.has(wanted)) return { ancestors, missing: wanted };
    seen.add(wanted);
    ancestors.push(parent);
    wanted = parent.parent_id;
  }
  return { ancestors, missing: null };
}

/** Every backup that needs `id`, directly or through others; those nearest to it first. */
export function dependantsOf<T extends Link>(records: readonly T[], id: number): T[] {
  const children = Map.groupBy(records, (record) => record.parent_id);
  const found: T[] = [];
  const seen = new Set([id]);
  let level = [id];
  while (level.length > 0) {
    const next = level.flatMap((parent) => children.get(parent) ?? [])
      .filter((record) => !seen.has(record.id));
    for (const record of next) seen.add(record.id);
    found.push(...next);
    level = next.map((record) => record.id);
  }
  return found;
}
