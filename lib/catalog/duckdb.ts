/** The only importer of DuckDB: opens a database, runs statements, gives rows back as plain data. */

import { collectGarbage } from "../core/memory.ts";
import {
  DuckDBConnection,
  DuckDBInstance,
  type DuckDBResultReader,
  StatementType,
} from "@duckdb/node-api";
import { exists } from "./files.ts";
import { INSTANCE_CONFIG } from "./instance_config.ts";
import { decodeJson, decodeText, encodeJson, encodeText, Json, literal } from "./text.ts";

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

/**
 * An instance that nobody uses. Making one takes 25 ms or more of a thread, attaching a database to one a
 * millisecond: the first is made while the program still loads, and then each serves one database after
 * another.
 */
let spare: Promise<DuckDBInstance | null> | null = null;

/** Takes one that is being made by other means; where that fails, it is made here and says why. */
export function takeInstance(made: Promise<unknown>): void {
  type Made = ConstructorParameters<typeof DuckDBInstance>[0];
  spare = made.then((db) => new DuckDBInstance(db as Made), () => null);
}

function createInstance(): Promise<DuckDBInstance> {
  return DuckDBInstance.create(":memory:", INSTANCE_CONFIG);
}

interface Attached {
  instance: DuckDBInstance;
  connection: DuckDBConnection;
}

/** To the spare instance, where there is one that can still be set up so, or to a new one. */
async function attach(path: string, opts: DatabaseOptions): Promise<Attached> {
  const settings = `
    SET threads = ${opts.threads ?? 2};
    SET memory_limit = ${literal(opts.memory_limit ?? "256MB")};
    SET temp_directory = ${literal(opts.temp_directory)};
    SET TimeZone = 'UTC'`;
  const taken = spare;
  spare = null;
  const kept = await taken;
  if (kept) {
    try {
      return await attachTo(kept, settings, path, opts);
    } catch { /* set up for another purpose for good, or it says why below */ }
  }
  return await attachTo(await createInstance(), settings, path, opts);
}

async function attachTo(
  instance: DuckDBInstance,
  settings: string,
  path: string,
  { read_only }: DatabaseOptions,
): Promise<Attached> {
  try {
    const connection = await instance.connect();
    await connection.run(settings);
    // Blocks in memory are as large as DuckDB's own choice.
    const how = path === ":memory:" ? "(BLOCK_SIZE 262144)" : read_only ? "(READ_ONLY)" : "";
    await connection.run(`ATTACH ${literal(path)} AS ${NAME} ${how}; USE ${NAME}`);
    return { instance, connection };
  } catch (error) {
    instance.closeSync();
    throw error;
  }
}

/** What a database is called within its instance. */
const NAME = "duckback";

/** One connection to one database file (":memory:" for none). Not for concurrent use. */
export class Database {
  #closed = false;
  /** False after any failure: its instance is not for another database. */
  #sound = true;

  private constructor(
    readonly path: string,
    private readonly options: DatabaseOptions,
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  /** Throws DuckDB's own error; failure.ts tells its kind. */
  static async open(path: string, opts: DatabaseOptions): Promise<Database> {
    const { instance, connection } = await attach(path, opts);
    return new Database(path, opts, instance, connection);
  }

  /** Runs one or more statements; named parameters ($name) only with a single one. */
  async run(sql: string, params: Params = {}): Promise<void> {
    await this.#watched(this.connection.run(sql, bind(params)));
  }

  /** Rows of a query; see `fromColumn` for how values arrive. */
  async rows<T = Row>(sql: string, params: Params = {}): Promise<T[]> {
    return plainRows(
      await this.#watched(this.connection.runAndReadAll(sql, bind(params))),
    ) as T[];
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
    const result = await this.#watched(this.connection.stream(sql));
    const names = result.columnNames();
    for (let chunks = 1;; chunks++) {
      const chunk = await this.#watched(result.fetchChunk());
      if (!chunk || chunk.rowCount === 0) return;
      yield { names, columns: chunk.getColumns() };
      // DuckDB's copy of a chunk goes only with the object that stands for it.
      if (chunks % 32 === 0) collectGarbage();
    }
  }

  /** True where a text is one statement that only reads. Throws DuckDB's own error for what it cannot make out. */
  async isSelect(sql: string): Promise<boolean> {
    const statements = await this.#watched(this.connection.extractStatements(sql));
    if (statements.count !== 1) return false;
    const prepared = await this.#watched(statements.prepare(0));
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
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const reusable = await this.#detach();
    try {
      this.connection.closeSync();
    } catch { /* an invalidated database */ }
    if (reusable && spare === null) {
      spare = Promise.resolve(this.instance);
      return;
    }
    try {
      this.instance.closeSync();
    } catch { /* as above */ }
  }

  /** True where the instance has nothing of this database any more. What it put into its directory stays till its end. */
  async #detach(): Promise<boolean> {
    if (!this.#sound || exists(this.options.temp_directory)) return false;
    try {
      await this.connection.run(`USE memory; DETACH ${NAME}`);
      return true;
    } catch {
      return false;
    }
  }

  async #watched<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.#sound = false;
      throw error;
    }
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
