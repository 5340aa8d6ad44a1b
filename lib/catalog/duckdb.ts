/** The only importer of DuckDB: opens a database, runs statements, gives rows back as plain data. */

import { collectGarbage } from "../core/memory.ts";
import {
  DuckDBConnection,
  DuckDBInstance,
  type DuckDBResultReader,
  StatementType,
} from "@duckdb/node-api";
import { decodeJson, decodeText, encodeJson, encodeText, Json } from "./text.ts";

// Two faults of Deno 2.7.11 with native addons like this one; drop what stands here when it is newer.
// 1. At a natural end of the process some of the driver's finalizers run a second time: now and then
//    it dies of SIGSEGV after its work (denoland/deno#36538). Whoever loads this ends with Deno.exit,
//    and never loads it in a Worker.
// 2. A promise that an addon settles leaves V8's microtask policy at "auto", which Deno's timers do not
//    expect (napi_resolve_deferred; denoland/deno#32466 made it "explicit"). From then on a timer made
//    right after another one has fired is forgotten if none is pending: the program hangs, or ends
//    with code 0 in the midst of its work. While another timer is pending it fires, at most that much
//    late. The interval is not unref'd: Deno could then still end too early.

/** Milliseconds a timer may be late. 50 cost 0.3 % of a core, 20 cost 0.8 %. */
const TIMER_KEEPER_MS = 50;
setInterval(() => {}, TIMER_KEEPER_MS);

export type Param = string | number | boolean | null;
export type Params = Record<string, unknown>;
export type Row = Record<string, unknown>;

export interface DatabaseOptions {
  /** Directory for what does not fit in memory; made only when needed. */
  temp_directory: string;
  memory_limit?: string;
  threads?: number;
  read_only?: boolean;
}

/** Of a new file: blocks of 16 KiB, not 256. A catalogue is then a fifth as large, a write 30 % faster. */
const FILE_OPTIONS = { default_block_size: "16384" };

/** One connection to one database file (":memory:" for none). Not for concurrent use. */
export class Database {
  #closed = false;

  private constructor(
    readonly path: string,
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  /** Throws DuckDB's own error; failure.ts tells its kind. */
  static async open(path: string, opts: DatabaseOptions): Promise<Database> {
    const instance = await DuckDBInstance.create(path, {
      ...(path === ":memory:" ? {} : FILE_OPTIONS),
      access_mode: opts.read_only ? "READ_ONLY" : "AUTOMATIC",
      threads: String(opts.threads ?? 2),
      memory_limit: opts.memory_limit ?? "256MB",
      temp_directory: opts.temp_directory,
      // Everything needed (json, parquet, icu) is linked in; nothing is ever fetched.
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    try {
      const connection = await instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      return new Database(path, instance, connection);
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  /** Runs one or more statements; named parameters ($name) only with a single one. */
  async run(sql: string, params: Params = {}): Promise<void> {
    await this.connection.run(sql, bind(params));
  }

  /** Rows of a query; see `fromColumn` for how values arrive. */
  async rows<T = Row>(sql: string, params: Params = {}): Promise<T[]> {
    return plainRows(await this.connection.runAndReadAll(sql, bind(params))) as T[];
  }

  /**
   * Columns of a query in batches of at most 2048 rows, for results larger than memory; values as
   * DuckDB's driver gives them (blobs as {bytes}). DuckDB keeps its files open until a result that
   * was not read to its end is garbage-collected: not for the catalogue, whose lock would stay.
   */
  async *stream(sql: string): AsyncGenerator<unknown[][]> {
    for await (const { columns } of this.#chunks(sql)) yield columns;
  }

  /** The same as rows, for queries that give nothing but text, truth values and DOUBLE. */
  async *batches<T = Row>(sql: string): AsyncGenerator<T[]> {
    for await (const { names, columns } of this.#chunks(sql)) {
      yield columns[0].map((_, row) =>
        Object.fromEntries(names.map((name, at) => [name, columns[at][row]]))
      ) as T[];
    }
  }

  async *#chunks(sql: string): AsyncGenerator<{ names: string[]; columns: unknown[][] }> {
    const result = await this.connection.stream(sql);
    const names = result.columnNames();
    for (let chunks = 1;; chunks++) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) return;
      yield { names, columns: chunk.getColumns() };
      // DuckDB's copy of a chunk goes only with the object that stands for it.
      if (chunks % 32 === 0) collectGarbage();
    }
  }

  /** True where a text is one statement that only reads. Throws DuckDB's own error for what it cannot make out. */
  async isSelect(sql: string): Promise<boolean> {
    const statements = await this.connection.extractStatements(sql);
    if (statements.count !== 1) return false;
    const prepared = await statements.prepare(0);
    try {
      return prepared.statementType === StatementType.SELECT;
    } finally {
      prepared.destroySync();
    }
  }

  /** Ends the query that runs with DuckDB's "Interrupted" error. */
  interrupt(): void {
    if (!this.#closed) this.connection.interrupt();
  }

  /** Never throws: what had to be on disk was put there by a checkpoint. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.connection.closeSync();
    } catch { /* an invalidated database */ }
    try {
      this.instance.closeSync();
    } catch { /* as above */ }
  }
}

function bind(params: Params): Record<string, Param> | undefined {
  const entries = Object.entries(params);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.map(([name, value]) => [name, toParam(value)]));
}

/** Objects and arrays become JSON text, strings are made safe for UTF-8, undefined is NULL. */
function toParam(value: unknown): Param {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return encodeText(value);
  if (typeof value === "number" || typeof value === "boolean") return value;
  return encodeJson(value instanceof Json ? value.value : value);
}

function plainRows(reader: DuckDBResultReader): Row[] {
  const names = reader.columnNames();
  const json = names.map((_, at) => reader.columnLogicalType(at).alias === "JSON");
  return reader.getRowsJS().map((values) =>
    Object.fromEntries(names.map((name, at) => [name, fromColumn(values[at], json[at])]))
  );
}

/** Timestamps come as ISO 8601 UTC with milliseconds, 64-bit integers as numbers, JSON parsed. */
function fromColumn(value: unknown, json: boolean): unknown {
  if (typeof value === "string") return json ? decodeJson(value) : decodeText(value);
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Date) return value.toISOString();
  return value;
}
