/** How far the trees of two backups differ, by their manifests. */
import { DuckbackError } from "../core/errors.ts";
import type { Database } from "./duckdb.ts";
import { openDatabase } from "./load_duckdb.ts";
import { fileLiteral } from "./manifest.ts";

/** Entries that are not the same in both, directories apart, and their bytes where they are bigger. */
export interface ManifestDifference {
  entries: number;
  bytes: number;
}

const FIELDS = ["type", "size", "mode", "uid", "gid", "link", "sha256"];

/** One connection for several comparisons. */
export class ManifestDiff implements AsyncDisposable {
  private constructor(readonly db: Database) {}

  static async open(temp_directory: string): Promise<ManifestDiff> {
    return new ManifestDiff(
      await openDatabase(":memory:", { temp_directory, threads: 1, memory_limit: "128MB" }),
    );
  }

  /** Given the paths of two manifests. Throws IO where one cannot be read. */
  async between(one: string, other: string): Promise<ManifestDifference> {
    const same = FIELDS.map((field) => `a.${field} IS NOT DISTINCT FROM b.${field}`).join(" AND ");
    try {
      const [row] = await this.db.rows<ManifestDifference>(
        `SELECT count(*)::DOUBLE AS entries,
           coalesce(sum(greatest(coalesce(a.size, 0), coalesce(b.size, 0))), 0)::DOUBLE AS bytes
         FROM ${manifest(one)} a FULL JOIN ${manifest(other)} b
           ON a.path = b.path AND a.path_raw IS NOT DISTINCT FROM b.path_raw
         WHERE coalesce(a.type, b.type) <> 'directory' AND NOT (${same})`,
      );
      return row;
    } catch (cause) {
      throw new DuckbackError("IO", `Cannot compare manifest "${one}": ${String(cause)}`, {
        cause,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close();
  }
}

function manifest(path: string): string {
  return `read_parquet(${fileLiteral(path)}, hive_partitioning = false)`;
}
