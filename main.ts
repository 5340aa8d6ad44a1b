/** The entry point: the process's terminal, signals and exit code. The only Deno.exit. */
import { run } from "./lib/cli/program.ts";
import { interrupted } from "./lib/core/errors.ts";

Deno.umask(0o077); // whatever duckback writes is for its user alone

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // The first one ends the run in good order; later ones must not break off the restart of services.
  Deno.addSignalListener(signal, () => stop.abort(interrupted(signal)));
}
// A fault nobody awaited must still let whoever holds services stopped start them again.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  stop.abort(event.reason);
});

const utf8 = new TextEncoder();

/** Why standard output could not be written, where that was more than a reader gone away. */
let unwritten: unknown = null;

// What ends before `end` has gone wrong.
Deno.exitCode = 1;
void run(Deno.args, {
  env: Deno.env.toObject(),
  cwd: Deno.cwd(),
  uid: Deno.uid(),
  signal: stop.signal,
  now: () => new Date(),
  stdin_terminal: Deno.stdin.isTerminal(),
  stdout_terminal: Deno.stdout.isTerminal(),
  stderr_terminal: Deno.stderr.isTerminal(),
  columns: () => {
    try {
      return Deno.consoleSize().columns;
    } catch {
      return 80;
    }
  },
  out: (text) => write(Deno.stdout, text),
  err: (text) => write(Deno.stderr, text),
}).then(end);

function end(code: number): void {
  if (unwritten !== null) write(Deno.stderr, `error: Cannot write the output: ${unwritten}\n`);
  Deno.exit(unwritten !== null && code === 0 ? 1 : code);
}

/**
 * Throws nothing: an exception here would leave nobody to tell, and must not keep services stopped. A
 * reader that has gone away ends the output, not the run; a full disk behind it is an error of the run.
 */
function write(stream: { writeSync(bytes: Uint8Array): number }, text: string) {
  const bytes = utf8.encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (cause) {
    const gone = cause instanceof Deno.errors.BrokenPipe;
    if (!gone && stream === Deno.stdout) unwritten ??= cause;
  }
}
