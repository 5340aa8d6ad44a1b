/** Runs a query of the user's, which may read the views and nothing else. */
import { DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Database } from "./duckdb.ts";
import { asPattern } from "./manifest.ts";
import type { ManifestSet } from "./manifest_set.ts";
import { literal } from "./text.ts";
import { VIEWS } from "./views.ts";

export interface QueryColumn {
  name: string;
  /** DuckDB's name of it. */
  type: string;
}

/** How values arrive: as JSON, one object a row, times ISO 8601 UTC; or each as text, NULL as null. */
export type RowForm = "json" | "text";

const HINT = `The views are ${VIEWS.join(", ")}: \`duckback query "DESCRIBE files"\` shows the ` +
  "columns of one, docs/history.md all of them.";

/**
 * A database whose doors are shut: a query can read the manifests in place, and `output` can be written
 * by `write` alone; no other file can be read, written or listed, nothing attached, no extension loaded,
 * no setting changed. Only statements that the parser takes for one SELECT get through: the others could
 * still write to the files that are allowed.
 */
export class GuardedQuery {
  private constructor(readonly set: ManifestSet, readonly sql: string) {}

  /** Shuts the doors of the set's database and checks the query. Raises USAGE, IO. */
  static async prepare(
    set: ManifestSet,
    sql: string,
    output: string | null = null,
  ): Promise<GuardedQuery> {
    await shut(set.db, [
      ...set.used.flatMap(({ path }) => [path, asPattern(path)]),
      ...(output === null ? [] : [output]),
    ]);
    // A semicolon at the end is a habit; the query becomes part of another one.
    const clean = sql.trim().replace(/[;\s]+$/, "");
    const query = new GuardedQuery(set, clean);
    if (!await query.#run(async () => /\S/.test(bare(clean)) && await set.db.isSelect(clean))) {
      throw refused("only a single SELECT is allowed");
    }
    if (/^(pragma|call)\b/i.test(bare(clean))) throw refused("only a single SELECT is allowed");
    return query;
  }

  columns(): Promise<QueryColumn[]> {
    return this.#run(() =>
      this.set.db.rows<QueryColumn>(
        `SELECT column_name AS name, column_type AS type FROM (DESCRIBE FROM (${this.sql}\n))`,
      )
    );
  }

  /** The rows: their JSON texts, or a list of texts each. Raises USAGE, IO, INTERRUPTED. */
  json(columns: readonly QueryColumn[]): AsyncGenerator<string[]> {
    return this.#batches(
      `SELECT to_json(t)::VARCHAR AS json FROM (SELECT ${columns.map(forJson).join(", ")}
       FROM (${this.sql}\n)) t`,
      ([json]) => json as string[],
    );
  }

  texts(): AsyncGenerator<(string | null)[][]> {
    return this.#batches(
      `SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (${this.sql}\n)`,
      (columns) =>
        columns[0].map((_, row) => columns.map((column) => column[row] as string | null)),
    );
  }

  /** Writes the rows to `output` as Parquet, zstd; the file is there already. Returns their number. */
  async writeParquet(output: string): Promise<number> {
    const [{ count }] = await this.#run(() =>
      this.set.db.rows<{ count: number }>(
        `COPY (FROM (${this.sql}\n)) TO ${literal(output)}
         (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
      )
    ).then((rows) => rows.map((row) => ({ count: Number(Object.values(row)[0]) })));
    return count;
  }

  async *#batches<T>(sql: string, form: (columns: unknown[][]) => T[]): AsyncGenerator<T[]> {
    const { first, rest } = await this.#run(async () => {
      const rest = this.set.db.stream(sql);
      return { first: await rest.next(), rest };
    });
    if (first.done) return;
    yield form(first.value);
    try {
      for await (const batch of rest) yield form(batch);
    } catch (thrown) {
      throwIfAborted(this.set.signal);
      throw queryError(thrown);
    }
  }

  /** Where a manifest turns out to be broken, once more without it. */
  async #run<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (thrown) {
        throwIfAborted(this.set.signal);
        const error = queryError(thrown);
        if (!mayBeBroken(thrown) || !await this.set.dropBroken()) throw error;
      }
    }
  }
}

const closedOff = new WeakSet<Database>();

/** Once for each database: its doors cannot be opened again, by us neither. */
async function shut(db: Database, files: string[]): Promise<void> {
  if (closedOff.has(db)) return;
  await db.run(`SET allowed_paths = [${files.map(literal).join(", ")}]`);
  await db.run("SET enable_external_access = false");
  await db.run("SET lock_configuration = true");
  closedOff.add(db);
}

/** JSON has no numbers but finite ones, and no times. */
function forJson({ name, type }: QueryColumn): string {
  const column = `"${name.replaceAll('"', '""')}"`;
  if (type === "TIMESTAMP WITH TIME ZONE") {
    return `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%gZ') AS ${column}`;
  }
  if (type === "DOUBLE" || type === "FLOAT") {
    return `CASE WHEN isfinite(${column}) THEN ${column} END AS ${column}`;
  }
  return column;
}

/** Without the comments at its beginning. */
function bare(sql: string): string {
  return sql.replace(/^(\s+|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)+/, "");
}

function refused(state: string): DuckbackError {
  return new DuckbackError("USAGE", `Cannot run the query: ${state}`, {
    hint:
      "`query` reads: it writes nothing, attaches nothing, loads nothing and changes no setting. " +
      HINT,
  });
}

/** What is wrong with the query itself need not be looked for in the manifests. */
function mayBeBroken(thrown: unknown): boolean {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return !/^(Parser|Binder|Catalog|Permission|Conversion|Out of Memory) /.test(text) &&
    !(thrown instanceof DuckbackError);
}

/** DuckDB's message without the echo of the query: what is wrong with it is the user's to mend. */
function queryError(thrown: unknown): DuckbackError {
  if (thrown instanceof DuckbackError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const lines = text.split("\n\n")[0].split("\n").map((line) => line.trim());
  const message = lines.filter((line) => line !== "").join(" ")
    .replace(/^Failed to extract statements: /, "").slice(0, 400);
  if (/^Permission Error|configuration has been locked/.test(message)) return refused(message);
  if (/^(IO|HTTP) Error/.test(message) || /^Out of Memory/i.test(message)) {
    return new DuckbackError("IO", `Cannot run the query: ${message}`, { cause: thrown });
  }
  return new DuckbackError("USAGE", `Cannot run the query: ${message}`, { hint: HINT });
}
