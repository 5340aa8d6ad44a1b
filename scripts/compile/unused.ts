/** What stays out of the bundle: `require` (preload.ts) says what it gives instead. */

/** DuckDB's driver, which is native code. */
export const BINDINGS = "@duckdb/node-bindings";

/**
 * Packages that libraries load at their start and duckback never has them use: dockerode's ways to an
 * engine over SSH and to BuildKit's sessions.
 */
export const UNUSED = ["ssh2", "@grpc/grpc-js", "@grpc/proto-loader", "protobufjs"];

/** True for the name of such a package, as `require` gets it. */
export function isUnused(request: string): boolean {
  return UNUSED.includes(request);
}
