/** What became of the files of one backup in a later one, in few numbers. */
import type { ManifestSet } from "./manifest_set.ts";

export interface TreeFacts {
  files: number;
  /** Bytes of content. */
  bytes: number;
}

export interface TreeChange {
  before: TreeFacts;
  now: TreeFacts;
  /** Files of the earlier backup of which neither the path nor the content is there any more. */
  lost: number;
  /** Paths of some files whose content changed: the largest ones, and others taken at random. */
  sample: string[];
}

const LARGEST = 8;
const OTHERS = 24;
/** What is smaller tells nothing when it is compressed. */
export const LEAST_BYTES = 4096;

/** Compares the two manifests of a set, the first with the second. Raises IO, INTERRUPTED. */
export async function treeChange(set: ManifestSet): Promise<TreeChange> {
  const totals = await set.rows<TreeFacts & { seq: number }>(
    `SELECT seq, count(*)::DOUBLE AS files, coalesce(sum(size), 0)::DOUBLE AS bytes
     FROM entries WHERE type = 'file' GROUP BY seq`,
  );
  const [{ lost }] = await set.rows<{ lost: number }>(
    `SELECT count(*)::DOUBLE AS lost FROM (FROM entries WHERE seq = 0 AND type = 'file') a
     ANTI JOIN (FROM entries WHERE seq = 1 AND type IN ('file', 'hardlink')) b
       ON a.path = b.path AND a.path_raw IS NOT DISTINCT FROM b.path_raw
     ANTI JOIN (FROM entries WHERE seq = 1 AND type = 'file') c
       ON a.size = c.size AND a.sha256 = c.sha256`,
  );
  const changed = `SELECT b.path, b.size FROM (FROM entries WHERE seq = 0) a
    JOIN (FROM entries WHERE seq = 1) b ON a.path = b.path
    WHERE a.path_raw IS NULL AND b.path_raw IS NULL AND a.sha256 <> b.sha256
      AND a.size >= ${LEAST_BYTES} AND b.size >= ${LEAST_BYTES}`;
  const sample = await set.rows<{ path: string }>(
    `WITH changed AS (${changed})
     (SELECT path FROM changed ORDER BY size DESC, path LIMIT ${LARGEST})
     UNION (SELECT path FROM changed ORDER BY hash(path) LIMIT ${OTHERS})`,
  );
  const facts = (seq: number): TreeFacts => {
    const { files = 0, bytes = 0 } = totals.find((one) => one.seq === seq) ?? {};
    return { files, bytes };
  };
  return { before: facts(0), now: facts(1), lost, sample: sample.map(({ path }) => path) };
}
