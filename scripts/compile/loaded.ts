/**
 * Prints, as JSON, the CommonJS files of packages that a run of the program loads: run by packages.ts
 * when a binary is made, never part of one.
 */
import Module from "node:module";
import { isUnused } from "./unused.ts";

const loader = Module as unknown as {
  _load: (request: string, ...more: unknown[]) => unknown;
  _cache: Record<string, unknown>;
};
const load = loader._load;
loader._load = (request, ...more) => isUnused(request) ? {} : load(request, ...more);

// Where packages are imported that have many files.
await import("../../lib/catalog/duckdb.ts");
await import("../../lib/docker/dockerode_engine.ts");
await import("../../lib/operations/backup.ts");
await import("../../lib/cli/program.ts");

console.log(JSON.stringify(Object.keys(loader._cache).filter((path) => /\.c?js$/.test(path))));
Deno.exit(0); // DuckDB keeps a timer
