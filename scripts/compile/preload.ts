/**
 * Runs inside the compiled binary before main.ts: gives the bundle a `require`, and the native libraries
 * that the executable carries, when they are asked for.
 */
import Module, { createRequire, isBuiltin } from "node:module";
import { inMemory, loadLibrary, loadLibraryAside } from "./in_memory.ts";
import { BINDINGS, isUnused } from "./unused.ts";

/** The part of node's module loader that is used here; it has no types. */
const loader = Module as unknown as {
  _extensions: Record<string, (module: { exports: unknown }, filename: string) => void>;
};
const builtin = createRequire(import.meta.url);
let bindings: unknown;

// Never looks for a file: an optional dependency that is not in the bundle would be searched for in
// /tmp/node_modules (the embedded files appear to lie below /tmp), where any user could put one for root.
(globalThis as { require?: (request: string) => unknown }).require = (request) => {
  if (request === BINDINGS) return bindings ??= duckdbBindings();
  if (isUnused(request)) return {};
  if (isBuiltin(request)) return builtin(request);
  throw Object.assign(new Error(`Cannot find module '${request}'`), { code: "MODULE_NOT_FOUND" });
};

function duckdbBindings(): unknown {
  const module = { exports: {} };
  try {
    loadDuckdb((path) => loader._extensions[".node"](module, path));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot load DuckDB: ${why}`, { cause });
  }
  return module.exports;
}

function loadDuckdb(loadAddon: (path: string) => void): void {
  // duckdb.node asks for "libduckdb.so": the loader takes the one that is loaded already.
  if (!loadedAside) loadLibrary("libduckdb.so");
  loadAddon(inMemory("duckdb.node"));
}

// What the program asks of the executable: lib/catalog/load_duckdb.ts and lib/archive/carried_library.ts.
let loadedAside = false;
Object.assign(globalThis, {
  duckbackDuckdb: async () => {
    loadedAside = await loadLibraryAside("libduckdb.so");
    return bindings ??= duckdbBindings();
  },
  // In workers too, once it is loaded here.
  duckbackCarried: loadLibrary,
});
