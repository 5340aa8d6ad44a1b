/** A program of the administrator's own: gets the event as JSON on its standard input. */
import type { AlertEvent } from "../core/events.ts";
import { SendError } from "./receiver.ts";

/** All it inherits: references to secrets may name variables, which are none of its business. */
const INHERITED = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ"];
/** Between being asked to end and being made to. */
const GRACE_MS = 1_000;

/** Runs `argv` to its end; never through a shell. Raises SendError where that is not 0. */
export async function runCommand(
  argv: string[],
  event: AlertEvent,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const child = start(argv, env);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    kill(child, "SIGTERM");
    timer = setTimeout(() => kill(child, "SIGKILL"), GRACE_MS);
  };
  signal.addEventListener("abort", end);
  try {
    if (signal.aborted) end();
    await feed(child, JSON.stringify(event) + "\n");
    const { code, signal: killed } = await child.status;
    if (signal.aborted) throw new SendError("it did not end in time", true);
    if (code !== 0) {
      throw new SendError(killed ? `${killed} ended it` : `it ended with ${code}`, false);
    }
  } finally {
    signal.removeEventListener("abort", end);
    clearTimeout(timer);
  }
}

function start([program, ...args]: string[], env: Record<string, string>): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args,
      clearEnv: true,
      env: Object.fromEntries(INHERITED.flatMap((name) => env[name] ? [[name, env[name]]] : [])),
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound
      ? "there is no such program"
      : "it cannot be run";
    throw new SendError(why, false);
  }
}

/** A program need not read what it is given. */
async function feed(child: Deno.ChildProcess, text: string) {
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    // It has ended, or closed its input.
  }
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal) {
  try {
    child.kill(signal);
  } catch {
    // It has ended meanwhile.
  }
}
