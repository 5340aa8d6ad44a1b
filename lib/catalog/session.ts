/** The open database with its rules: one statement at a time, each write a transaction and a checkpoint. */
import { statfsSync } from "node:fs";
import { DuckbackError } from "../core/errors.ts";
import type { Database, Params, Row } from "./duckdb.ts";
import { readError, writeError } from "./failure.ts";
import { parentOf } from "./files.ts";

// DuckDB turns an UPDATE of an indexed column, and every UPDATE ... RETURNING, into a deletion and an
// insertion. If then the commit fails (disk full), it cannot undo that in a table with a unique index
// and aborts the whole process: services would stay down. So: no UPDATE ... RETURNING anywhere, no
// indexed column in a SET that does not change it, and `requireRoom` before those that do.

/** Inside a write: statements of one transaction. */
export interface Tx {
  run(sql: string, params?: Params): Promise<void>;
  rows<T = Row>(sql: string, params?: Params): Promise<T[]>;
}

/** What a commit and its checkpoint need: measured 100 KiB for a small row; warnings may be many. */
const ROOM = 16 * 1024 * 1024;

export class Session {
  // Methods may be called without awaiting one another; their transactions must not mix.
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(private readonly db: Database, private readonly release: () => void) {}

  get path(): string {
    return this.db.path;
  }

  read<T = Row>(sql: string, params?: Params): Promise<T[]> {
    return this.#exclusive(async () => {
      try {
        return await this.db.rows<T>(sql, params);
      } catch (error) {
        throw readError(this.path, error);
      }
    });
  }

  /**
   * Runs `work` as one transaction, on disk when this resolves. `what` completes "Cannot ... in the
   * catalogue" (CATALOG_WRITE). Nothing of it remains if it throws, save when only the checkpoint
   * failed: then the write-ahead log has it, and whoever opens the file next will see it.
   */
  write<T>(what: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#exclusive(async () => {
      try {
        await this.db.run("BEGIN");
        let result: T;
        try {
          result = await work(this.db);
          await this.db.run("COMMIT");
        } catch (error) {
          await this.db.run("ROLLBACK").catch(() => {}); // the first error is the one to tell
          throw error;
        }
        await this.db.run("CHECKPOINT");
        return result;
      } catch (error) {
        throw writeError(this.path, what, error);
      }
    });
  }

  /** Waits for what is under way, then closes and lets the next process in. Never throws. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last.catch(() => {});
    await this.db.close();
    this.release();
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) {
      return Promise.reject(
        new DuckbackError("INTERNAL", "The catalogue was used after its close"),
      );
    }
    const run = this.#last.catch(() => {}).then(work);
    this.#last = run;
    run.catch(() => {}); // the caller has the same rejection; this copy must not be "unhandled"
    return run;
  }
}

/** The next id of a table; ids of deleted rows are not given out again. */
export async function nextId(tx: Tx, table: string): Promise<number> {
  await tx.run("UPDATE last_ids SET last_id = last_id + 1 WHERE table_name = $table", { table });
  const [row] = await tx.rows<{ last_id: number }>(
    "SELECT last_id FROM last_ids WHERE table_name = $table",
    { table },
  );
  return row.last_id;
}

/** Takes an id that came from elsewhere out of circulation. */
export async function reserveId(tx: Tx, table: string, id: number): Promise<void> {
  await tx.run(
    "UPDATE last_ids SET last_id = greatest(last_id, $id) WHERE table_name = $table",
    { table, id },
  );
}

/** Throws where the disk has no room for a commit of some size, before DuckDB can find out (see above). */
export function requireRoom(path: string): void {
  const { bavail, bsize } = statfsSync(parentOf(path));
  if (bavail * bsize < ROOM) throw new Error("No space left on device");
}

/** `("a", "b") VALUES ($a, $b)` for the given columns. */
export function insertList(columns: readonly string[]): string {
  const quoted = columns.map((name) => `"${name}"`).join(", ");
  return `(${quoted}) VALUES (${columns.map((name) => `$${name}`).join(", ")})`;
}
