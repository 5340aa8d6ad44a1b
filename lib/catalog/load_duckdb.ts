/** DuckDB's driver, loaded late: it takes a while, and not every command needs it. */
import type { Database, DatabaseOptions } from "./duckdb.ts";
import { INSTANCE_CONFIG } from "./instance_config.ts";

/** What the compiled binary gives: DuckDB's bindings, their library loaded on another thread (scripts/compile/preload.ts). */
type CarriedBindings = () => Promise<Bindings>;

/** The part of `@duckdb/node-bindings` that makes an instance. */
interface Bindings {
  create_config(): unknown;
  set_config(config: unknown, name: string, value: string): void;
  open(path: string, config: unknown): Promise<unknown>;
}

let loading: Promise<typeof import("./duckdb.ts")> | null = null;
let making: Promise<unknown> = Promise.resolve();

/** `Database.open`, loaded first if need be. */
export async function openDatabase(path: string, options: DatabaseOptions): Promise<Database> {
  const { Database } = await (loading ??= load());
  return await Database.open(path, options);
}

/** Begins to load what will be wanted later; a failure is told then. */
export function expectDatabase(): void {
  (loading ??= load()).catch(() => {});
}

/** To be awaited before the process ends: its end must not meet a thread that makes an instance. */
export async function databaseAtRest(): Promise<void> {
  await making;
}

/** The first instance is made on a thread of the driver's while this one compiles the driver's JavaScript. */
async function load(): Promise<typeof import("./duckdb.ts")> {
  const { duckbackDuckdb } = globalThis as { duckbackDuckdb?: CarriedBindings };
  const made = duckbackDuckdb === undefined ? null : makeInstance(await duckbackDuckdb());
  making = Promise.resolve(made).catch(() => {});
  const driver = await import("./duckdb.ts");
  if (made !== null) driver.takeInstance(made);
  return driver;
}

function makeInstance({ create_config, set_config, open }: Bindings): Promise<unknown> {
  const config = create_config();
  for (const [name, value] of Object.entries(INSTANCE_CONFIG)) set_config(config, name, value);
  return open(":memory:", config);
}
