/**
 * The manifests of many backups as one table, read where they lie: neither the catalogue nor an archive
 * is needed. One that is missing or broken is left out and named, never a failure of the whole.
 */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Database, DatabaseOptions } from "./duckdb.ts";
import { openDatabase } from "./load_duckdb.ts";
import { failureKind, firstLine } from "./failure.ts";
import { fileLiteral } from "./manifest.ts";
import { literal } from "./text.ts";

/** Where the manifest of a backup lies. */
export interface BackupManifest {
  backup_id: number;
  stack: string;
  /** Path of the Parquet file. */
  path: string;
}

/** A manifest that was left out, and why. */
export interface UnreadManifest {
  backup_id: number;
  path: string;
  reason: string;
}

/**
 * Columns of the table `entries`: those every manifest has. Before them stands which backup the entry is
 * of, `seq` counting the manifests in the order they were given; behind them `stored_in`, the name of the
 * backup whose archive holds the entry, which manifests of earlier versions do not say.
 */
export const ENTRY_COLUMNS = [
  "path",
  "path_raw",
  "type",
  "size",
  "mode",
  "uid",
  "gid",
  "mtime_s",
  "mtime_ns",
  "link",
  "link_raw",
  "sha256",
  "block_offset",
  "block_inner",
] as const;

/** What makes two entries of one path the same version: all of it but the times. */
export const VERSION_COLUMNS = [
  "path",
  "path_raw",
  "type",
  "size",
  "mode",
  "uid",
  "gid",
  "link",
  "sha256",
].join(", ");

const NUMBERS: readonly string[] = [
  "size",
  "mode",
  "uid",
  "gid",
  "mtime_s",
  "mtime_ns",
  "block_offset",
  "block_inner",
];
const BYTES: readonly string[] = ["path_raw", "link_raw"];

export interface SetOptions extends DatabaseOptions {
  /** Ends a query with INTERRUPTED. */
  signal?: AbortSignal;
}

export class ManifestSet implements AsyncDisposable {
  readonly unread: UnreadManifest[] = [];
  #used: (BackupManifest & { seq: number })[];

  private constructor(
    readonly db: Database,
    manifests: readonly BackupManifest[],
    readonly signal: AbortSignal | undefined,
  ) {
    this.#used = manifests.map((one, seq) => ({ ...one, seq }));
    signal?.addEventListener("abort", this.#interrupt);
  }

  /** Opens manifests, oldest backup first. Raises IO only where not even an empty table can be made. */
  static async open(
    manifests: readonly BackupManifest[],
    { signal, ...options }: SetOptions,
  ): Promise<ManifestSet> {
    const threads = Math.min(8, Math.max(2, navigator.hardwareConcurrency));
    const db = await openDatabase(":memory:", { threads, ...options });
    const set = new ManifestSet(db, manifests, signal);
    try {
      set.#leaveOut((path) => Deno.statSync(path));
      await set.#define();
      return set;
    } catch (thrown) {
      await set[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Manifests that are in the table. */
  get used(): readonly (BackupManifest & { seq: number })[] {
    return this.#used;
  }

  readonly #interrupt = () => this.db.interrupt();

  /** Rows of a query over `entries`. Raises IO, INTERRUPTED. */
  rows<T>(sql: string): Promise<T[]> {
    return this.attempt(() => this.db.rows<T>(sql));
  }

  /** The same in batches; a query that sorts or groups has read all manifests by its first one. */
  async *batches<T>(sql: string): AsyncGenerator<T[]> {
    const { first, rest } = await this.attempt(async () => {
      const rest = this.db.batches<T>(sql);
      return { first: await rest.next(), rest };
    });
    if (first.done) return;
    yield first.value;
    try {
      yield* rest;
    } catch (thrown) {
      throw this.#error(thrown);
    }
  }

  /** Does `work`; where a manifest turns out to be broken, once more without it. */
  async attempt<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (thrown) {
        throwIfAborted(this.signal);
        if (thrown instanceof DuckbackError || !await this.dropBroken()) throw this.#error(thrown);
      }
    }
  }

  /**
   * Leaves out manifests that cannot be read; true where there was one. Every column of every manifest is
   * read: this is for after a failure.
   */
  async dropBroken(): Promise<boolean> {
    const before = this.#used.length;
    const broken = new Map<string, unknown>();
    for (const { path } of this.#used) {
      try {
        await this.db.run(`SELECT count(COLUMNS(*)) FROM ${relation([path])}`);
        // What DuckDB can read need not be a manifest.
        await this.db.run(`SELECT ${ENTRY_COLUMNS.join(", ")} FROM ${relation([path])} LIMIT 0`);
      } catch (thrown) {
        throwIfAborted(this.signal);
        broken.set(path, thrown);
      }
    }
    this.#leaveOut((path) => {
      if (broken.has(path)) throw broken.get(path);
    });
    await this.#define();
    return this.#used.length < before;
  }

  /** Keeps the manifests that `test` has nothing against. */
  #leaveOut(test: (path: string) => void): void {
    this.#used = this.#used.filter(({ backup_id, path }) => {
      try {
        test(path);
        literal(path);
        return true;
      } catch (thrown) {
        const gone = thrown instanceof Deno.errors.NotFound;
        this.unread.push({ backup_id, path, reason: gone ? "it is missing" : firstLine(thrown) });
        return false;
      }
    });
  }

  async #define(): Promise<void> {
    if (this.#used.length === 0) {
      return await this.db.run(`CREATE OR REPLACE VIEW entries AS ${NONE}`);
    }
    const backups = this.#used.map(({ backup_id, stack, seq }, at) =>
      `(${at}, ${backup_id}, ${literal(stack)}, ${seq})`
    );
    const columns = ENTRY_COLUMNS.map((name) => `m.${name}`).join(", ");
    const view = (stored_in: string) =>
      `CREATE OR REPLACE VIEW entries AS
      SELECT b.backup_id, b.stack, b.seq, ${columns}, ${stored_in} AS stored_in
      FROM (SELECT *, file_index FROM ${relation(this.#used.map(({ path }) => path))}) m
      JOIN (VALUES ${backups.join(", ")}) b(file_index, backup_id, stack, seq)
        ON b.file_index = m.file_index`;
    try {
      await this.db.run(view("m.stored_in")).catch((thrown) => {
        if (!firstLine(thrown).includes('"stored_in"')) throw thrown;
        return this.db.run(view("NULL::VARCHAR"));
      });
    } catch (thrown) {
      if (!await this.dropBroken()) throw this.#error(thrown);
    }
  }

  #error(thrown: unknown): DuckbackError {
    if (thrown instanceof DuckbackError) return thrown;
    throwIfAborted(this.signal);
    const full = failureKind(thrown) === "full";
    return new DuckbackError(
      full ? "DISK_FULL" : "IO",
      `Cannot read the manifests: ${
        full ? "no space left for temporary files" : firstLine(thrown)
      }`,
      { cause: asDuckbackError(thrown) },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal?.removeEventListener("abort", this.#interrupt);
    await this.db.close();
  }
}

/** Columns as they are handed to JavaScript: numbers as DOUBLE, bytes as hex. */
export function plainColumns(columns: readonly string[], prefix = ""): string {
  return columns.map((name) => {
    if (NUMBERS.includes(name)) return `${prefix}${name}::DOUBLE AS ${name}`;
    if (BYTES.includes(name)) return `lower(hex(${prefix}${name})) AS ${name}`;
    return `${prefix}${name}`;
  }).join(", ");
}

/** Later versions add columns to the manifest: columns go by their names. */
function relation(paths: readonly string[]): string {
  return `read_parquet([${paths.map(fileLiteral).join(", ")}], hive_partitioning = false, ` +
    "union_by_name = true)";
}

const NONE = `SELECT 0 AS backup_id, '' AS stack, 0 AS seq, ${
  ENTRY_COLUMNS.map((name) => {
    const type = NUMBERS.includes(name) ? "BIGINT" : BYTES.includes(name) ? "BLOB" : "VARCHAR";
    return `NULL::${type} AS ${name}`;
  }).join(", ")
}, NULL::VARCHAR AS stored_in WHERE false`;
