/** What the manifests of one stack's backups tell of its files over time. */
import type { ManifestSet } from "./manifest_set.ts";
import { directoryOf } from "./tree_diff.ts";

/** Contents that a backup held and none before it: of new files and of changed ones. */
export interface DirectoryChurn {
  directory: string;
  /** Files and bytes in the newest backup. */
  files: number;
  bytes: number;
  /** Contents that came after the first backup, and their bytes. */
  new_contents: number;
  new_bytes: number;
}

export interface FileSize {
  path: string;
  path_raw: string | null;
  size: number;
}

/** A file whose content differs in every backup that has it. */
export interface RestlessFile extends FileSize {
  backups: number;
}

/** See `byExtension`. */
export interface ExtensionSize {
  /** Lower case, without the dot; "" for names without one. */
  extension: string;
  files: number;
  bytes: number;
  /** Bytes in the archive, estimated. */
  compressed: number;
  /** Bytes of those files in blocks that hold hardly anything else; 0: a mere guess. */
  measured_bytes: number;
}

/** All questions go to the backups of one set. Each raises IO, INTERRUPTED. */
export class TreeStats {
  constructor(readonly set: ManifestSet) {}

  /** Directories by what came new into them, most first; those with neither files nor news are left out. */
  async churn(depth: number): Promise<DirectoryChurn[]> {
    return await this.set.rows(
      `WITH contents AS (
         SELECT path, min(seq) AS first, max(seq) AS last, any_value(size) AS size
         FROM entries WHERE type = 'file' GROUP BY path, path_raw, sha256
       ), ends AS (SELECT min(seq) AS first, max(seq) AS last FROM entries)
       SELECT ${directoryOf("path", depth)} AS directory,
         count(*) FILTER (c.last = ends.last)::DOUBLE AS files,
         coalesce(sum(size) FILTER (c.last = ends.last), 0)::DOUBLE AS bytes,
         count(*) FILTER (c.first > ends.first)::DOUBLE AS new_contents,
         coalesce(sum(size) FILTER (c.first > ends.first), 0)::DOUBLE AS new_bytes
       FROM contents c, ends GROUP BY 1 HAVING files > 0 OR new_contents > 0
       ORDER BY new_bytes DESC, bytes DESC, directory`,
    );
  }

  /** The largest files of the newest backup. */
  largest(most: number): Promise<FileSize[]> {
    return this.set.rows(
      `SELECT path, lower(hex(path_raw)) AS path_raw, size::DOUBLE AS size
       FROM entries WHERE seq = ${this.#newest} AND type = 'file'
       ORDER BY entries.size DESC, entries.path LIMIT ${most}`,
    );
  }

  /** Files of the newest backup that were never twice the same, in three backups at least; largest first. */
  restless(most: number): Promise<RestlessFile[]> {
    return this.set.rows(
      `SELECT path, lower(hex(path_raw)) AS path_raw, arg_max(size, seq)::DOUBLE AS size,
         count(*)::DOUBLE AS backups
       FROM entries WHERE type = 'file' GROUP BY ALL
       HAVING count(*) >= 3 AND count(DISTINCT sha256) = count(*) AND max(seq) = ${this.#newest}
       ORDER BY 3 DESC, 1 LIMIT ${most}`,
    );
  }

  /**
   * How well files compress in one backup, by their extension. The archive tells it of blocks alone, and
   * of these only where entries begin in them: a place is what lies from one such block to the next.
   * Where nine tenths of a place are files of one extension, it is taken for that extension's ratio; an
   * extension without any such place has the ratio of the places that it has a part in. `end` is the
   * archive's size.
   */
  byExtension(backup_id: number, end: number): Promise<ExtensionSize[]> {
    const name = "regexp_extract(path, '[^/]+$')";
    return this.set.rows(
      `WITH entry AS (
         SELECT lower(regexp_extract(${name}, '^.+\\.([A-Za-z0-9_-]{1,10})$', 1)) AS extension,
           type = 'file' AS is_file, CASE WHEN is_file THEN size ELSE 0 END AS size, block_offset,
           lead(block_offset) OVER w AS next_offset,
           CASE WHEN next_offset > block_offset THEN least(size, lead(block_inner) OVER w) ELSE 0 END
             AS behind
         FROM entries WHERE backup_id = ${backup_id} WINDOW w AS (ORDER BY block_offset, block_inner)
       ), part AS (
         SELECT extension, block_offset, size - behind AS bytes FROM entry WHERE is_file
         UNION ALL SELECT extension, next_offset, behind FROM entry WHERE is_file AND behind > 0
       ), place AS (
         SELECT block_offset, sum(bytes) AS all_bytes,
           lead(block_offset, 1, ${end}) OVER (ORDER BY block_offset) - block_offset AS compressed
         FROM part GROUP BY block_offset
       ), share AS (
         SELECT extension, sum(bytes) AS bytes, sum(bytes * compressed / all_bytes) AS compressed,
           sum(bytes) >= 0.9 * any_value(all_bytes) AS pure
         FROM part JOIN place USING (block_offset) WHERE all_bytes > 0
         GROUP BY extension, block_offset
       ), estimate AS (
         SELECT extension, coalesce(sum(bytes) FILTER (pure), 0) AS measured_bytes,
           CASE WHEN measured_bytes > 0 THEN (sum(compressed) FILTER (pure)) / measured_bytes
             ELSE sum(compressed) / sum(bytes) END AS ratio
         FROM share GROUP BY extension
       )
       SELECT e.extension, count(*)::DOUBLE AS files, sum(e.size)::DOUBLE AS bytes,
         coalesce(any_value(measured_bytes), 0)::DOUBLE AS measured_bytes,
         (sum(e.size) * coalesce(any_value(ratio), 0))::DOUBLE AS compressed
       FROM entry e LEFT JOIN estimate USING (extension) WHERE e.is_file
       GROUP BY e.extension ORDER BY bytes DESC, 1`,
    );
  }

  get #newest(): number {
    return this.set.used.length === 0 ? -1 : Math.max(...this.set.used.map(({ seq }) => seq));
  }
}
