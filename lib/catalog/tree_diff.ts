/** What differs between two trees, entry by entry, by their manifests. */
import type { EntryType } from "../core/model.ts";
import type { ManifestSet } from "./manifest_set.ts";
import { literal } from "./text.ts";

export type DiffKind = "added" | "removed" | "changed" | "renamed";

/** Sizes are bytes of content. */
export interface DiffRow {
  change: DiffKind;
  path: string;
  /** Hex of the path's bytes where they are not UTF-8; `path` is a stand-in then. */
  path_raw: string | null;
  /** Of what was renamed: where it was before. */
  from: string | null;
  from_raw: string | null;
  type: EntryType;
  /** Before and after; null where it was or is not there. */
  size_before: number | null;
  size: number | null;
  /** Of what changed: some of type, content, mode, owner, link; separated by commas. */
  what: string | null;
}

/** Entries, and bytes of content: of removed ones as before, of changed ones where the content did. */
export interface DiffTotal {
  change: DiffKind | "same";
  entries: number;
  bytes: number;
}

export interface DirectoryTotal {
  /** "." for what lies at the top. */
  directory: string;
  added: number;
  removed: number;
  changed: number;
  renamed: number;
  added_bytes: number;
  removed_bytes: number;
  changed_bytes: number;
}

/**
 * Compares the two manifests of a set, the first with the second. Content is told by size and SHA-256, and
 * times alone are no difference; where one of them is of the live tree, which nobody has hashed, content
 * is told by size and modification time.
 */
export class TreeDiff {
  private constructor(readonly set: ManifestSet) {}

  /** Of the trees, or of what lies at and below `within` in them. Raises IO, INTERRUPTED. */
  static async between(
    set: ManifestSet,
    { live, within }: { live: boolean; within: readonly string[] | null },
  ): Promise<TreeDiff> {
    await set.attempt(async () => {
      for (const [table, sql] of Object.entries(tables(live, within))) {
        await set.db.run(`CREATE OR REPLACE TEMP TABLE ${table} AS ${sql}`);
      }
    });
    return new TreeDiff(set);
  }

  totals(): Promise<DiffTotal[]> {
    return this.set.rows(
      `SELECT change, count(*)::DOUBLE AS entries,
         coalesce(sum(bytes), 0)::DOUBLE AS bytes
       FROM differences GROUP BY change
       UNION ALL SELECT 'same', entries::DOUBLE, bytes::DOUBLE FROM unchanged`,
    );
  }

  /** By the directory an entry lies in, its first `depth` names. What was renamed counts where it is now. */
  directories(depth: number): Promise<DirectoryTotal[]> {
    const count = (change: DiffKind) =>
      `count(*) FILTER (change = '${change}')::DOUBLE AS ${change}`;
    const bytes = (change: DiffKind) =>
      `coalesce(sum(bytes) FILTER (change = '${change}'), 0)::DOUBLE AS ${change}_bytes`;
    return this.set.rows(
      `SELECT ${directoryOf("path", depth)} AS directory,
         ${count("added")}, ${count("removed")}, ${count("changed")}, ${count("renamed")},
         ${bytes("added")}, ${bytes("removed")}, ${bytes("changed")}
       FROM differences GROUP BY 1 ORDER BY 1`,
    );
  }

  /** In the order of the paths. */
  rows(): AsyncGenerator<DiffRow[]> {
    return this.set.batches<DiffRow>(
      `SELECT change, path, lower(hex(path_raw)) AS path_raw, "from", lower(hex(from_raw)) AS from_raw,
         type, size_before::DOUBLE AS size_before, size::DOUBLE AS size, what
       FROM differences ORDER BY differences.path, differences.path_raw`,
    );
  }
}

/** In SQL: the directory that a path lies in, cut after `depth` names; "." at the top. */
export function directoryOf(path: string, depth: number): string {
  const names = `string_split(${path}, '/')`;
  const cut = `${names}[1:least(${depth}, len(${names}) - 1)]`;
  return `CASE WHEN contains(${path}, '/') THEN array_to_string(${cut}, '/') ELSE '.' END`;
}

/**
 * Made one after another. What was renamed are pairs of a file that is gone and one that came: of several
 * with the same content the n-th with the n-th.
 */
function tables(live: boolean, within: readonly string[] | null): Record<string, string> {
  const key = live ? ["size", "mtime_s", "mtime_ns"] : ["size", "sha256"];
  const other = key.map((name) => `a.${name} IS DISTINCT FROM b.${name}`).join(" OR ");
  const what = `concat_ws(',',
    CASE WHEN a.type <> b.type THEN 'type' END,
    CASE WHEN a.type = b.type AND a.type = 'file' AND (${other}) THEN 'content' END,
    CASE WHEN a.mode <> b.mode THEN 'mode' END,
    CASE WHEN a.uid <> b.uid OR a.gid <> b.gid THEN 'owner' END,
    CASE WHEN a.link IS DISTINCT FROM b.link OR a.link_raw IS DISTINCT FROM b.link_raw THEN 'link' END)`;
  const keys = key.join(", ");
  const pairs = `"from".nth = "to".nth AND ${
    key.map((name) => `"from".${name} = "to".${name}`).join(" AND ")
  }`;
  const scope = within === null || within.includes(".")
    ? "true"
    : `(${
      within.map((top) => `path = ${literal(top)} OR starts_with(path, ${literal(`${top}/`)})`)
        .join(" OR ") || "false"
    })`;
  return {
    compared: `SELECT coalesce(b.path, a.path) AS path,
        CASE WHEN b.path IS NULL THEN a.path_raw ELSE b.path_raw END AS path_raw,
        coalesce(b.type, a.type) AS type, a.size AS size_before, b.size AS size,
        CASE WHEN a.path IS NOT NULL AND b.path IS NOT NULL THEN ${what} END AS what,
        CASE WHEN a.path IS NULL THEN 'added' WHEN b.path IS NULL THEN 'removed'
          WHEN what = '' THEN 'same' ELSE 'changed' END AS change,
        coalesce(b.sha256, a.sha256) AS sha256, coalesce(b.mtime_s, a.mtime_s) AS mtime_s,
        coalesce(b.mtime_ns, a.mtime_ns) AS mtime_ns
      FROM (FROM entries WHERE seq = 0 AND ${scope}) a
      FULL JOIN (FROM entries WHERE seq = 1 AND ${scope}) b
        ON a.path = b.path AND a.path_raw IS NOT DISTINCT FROM b.path_raw`,
    unchanged: `SELECT count(*) AS entries, coalesce(sum(size), 0) AS bytes
      FROM compared WHERE change = 'same'`,
    single:
      `SELECT *, row_number() OVER (PARTITION BY change, ${keys} ORDER BY path, path_raw) AS nth
      FROM (SELECT path, path_raw, change, coalesce(size, size_before) AS size, sha256, mtime_s, mtime_ns
        FROM compared WHERE change IN ('added', 'removed') AND type = 'file')
      WHERE size > 0`,
    renamed: `SELECT "to".path, "to".path_raw, "from".path AS "from", "from".path_raw AS from_raw
      FROM (FROM single WHERE change = 'removed') "from"
      JOIN (FROM single WHERE change = 'added') "to" ON ${pairs}`,
    differences: `SELECT CASE WHEN r.path IS NULL THEN c.change ELSE 'renamed' END AS change,
        c.path, c.path_raw, r."from", r.from_raw, c.type,
        CASE WHEN r.path IS NULL THEN c.size_before ELSE c.size END AS size_before, c.size, c.what,
        CASE WHEN c.change = 'changed' AND NOT contains(c.what, 'content') AND NOT contains(c.what, 'type')
          THEN 0 ELSE coalesce(c.size, c.size_before) END AS bytes
      FROM compared c
      LEFT JOIN renamed r ON c.change = 'added' AND c.path = r.path
        AND c.path_raw IS NOT DISTINCT FROM r.path_raw
      ANTI JOIN renamed gone ON c.change = 'removed' AND c.path = gone."from"
        AND c.path_raw IS NOT DISTINCT FROM gone.from_raw
      WHERE c.change <> 'same'`,
  };
}
