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

Deno.exit(
  await run(Deno.args, {
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
  }),
);

/** A reader that has gone away ends the output, not the run. */
function write(stream: { writeSync(bytes: Uint8Array): number }, text: string) {
  const bytes = utf8.encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (cause) {
    if (!(cause instanceof Deno.errors.BrokenPipe)) throw cause;
  }
}
