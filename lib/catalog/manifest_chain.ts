/** Whether what a manifest says of earlier archives is what their own manifests say. */
import { DuckbackError } from "../core/errors.ts";
import { fileLiteral, manifestError, openMemory } from "./manifest.ts";
import type { Database } from "./duckdb.ts";
import { literal } from "./text.ts";

/**
 * The path of a row that is said to lie in the archive of backup `name`, whose manifest does not know it
 * like that; null where all are known. Throws IO.
 */
export async function unknownRow(
  parquetPath: string,
  name: string,
  earlierPath: string,
): Promise<string | null> {
  let db: Database | undefined;
  try {
    db = await openMemory(parquetPath);
    const own = `stored_in IS NULL OR stored_in = ${literal(name)}`;
    const from = (path: string) => `read_parquet(${fileLiteral(path)}, hive_partitioning = false)`;
    const [row] = await db.rows<{ path: string }>(
      `SELECT path FROM ${from(parquetPath)} a WHERE stored_in = ${literal(name)}
         AND NOT EXISTS (SELECT 1 FROM ${from(earlierPath)} b WHERE (${own})
           AND b.block_offset = a.block_offset AND b.block_inner = a.block_inner AND b.path = a.path
           AND b.type = a.type AND b.size = a.size AND b.sha256 IS NOT DISTINCT FROM a.sha256)
       LIMIT 1`,
    );
    return row?.path ?? null;
  } catch (error) {
    if (error instanceof DuckbackError) throw error;
    throw manifestError("read", parquetPath, error);
  } finally {
    await db?.close();
  }
}
