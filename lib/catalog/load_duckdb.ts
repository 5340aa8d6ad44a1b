/** DuckDB's driver, loaded late: it takes a while, and not every command needs it. */
import type { Database, DatabaseOptions } from "./duckdb.ts";

/** `Database.open`, loaded first if need be. */
export async function openDatabase(path: string, options: DatabaseOptions): Promise<Database> {
  const { Database } = await load();
  return await Database.open(path, options);
}

/** Begins to load what will be wanted later; a failure is told then. */
export function expectDatabase(): void {
  load().catch(() => {});
}

async function load(): Promise<typeof import("./duckdb.ts")> {
  // In the compiled binary, its library on another thread: scripts/compile/preload.ts.
  await (globalThis as { duckbackDuckdb?: () => Promise<void> }).duckbackDuckdb?.();
  return await import("./duckdb.ts");
}
