/**
 * Packages that libraries load at their start and duckback never has them use: dockerode's ways to an
 * engine over SSH and to BuildKit's sessions. They stay out of the binary, where `require` gives an
 * empty object for them (preload.ts); they would take a tenth of the time of a short command.
 */
const UNUSED = new Set(["ssh2", "@grpc/grpc-js", "@grpc/proto-loader", "protobufjs"]);

/** True for the name of such a package, as `require` gets it. */
export function isUnused(request: string): boolean {
  return UNUSED.has(request);
}
