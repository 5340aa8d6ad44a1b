/** Runs a command in a container through the engine: made, attached to, and asked how it ended. */
import { DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ExecRequest, ExecResult } from "./engine.ts";
import { engineFailure } from "./engine_failure.ts";
import { runAttached } from "./exec_connection.ts";
import { Deadline, sleep } from "./retry.ts";

/** How long the engine may take to note that a command has ended whose output has. */
const SETTLE_MS = 10_000;

/** What the engine says of an exec. */
export interface ExecState {
  Running: boolean;
  ExitCode: number | null;
}

/** The calls that go over the usual way; both raise DuckbackErrors. */
export interface ExecCalls {
  create(): Promise<string>;
  inspect(id: string): Promise<ExecState>;
}

/** See Engine.exec. */
export async function runExec(
  endpoint: Endpoint,
  calls: ExecCalls,
  container: string,
  request: ExecRequest,
): Promise<ExecResult> {
  const act = `run a command in container "${container}"`;
  throwIfAborted(request.signal);
  const id = await calls.create();
  let failed: { error: unknown } | null = null;
  try {
    await runAttached(endpoint, id, request.stdin ?? null, async (stream, bytes) => {
      try {
        await request.onOutput?.(stream, bytes);
      } catch (error) {
        failed ??= { error };
        throw error;
      }
    }, request.signal);
  } catch (cause) {
    throwIfAborted(request.signal);
    // What the caller's own sink or input threw is the caller's; the rest is the connection's.
    if (failed !== null) throw (failed as { error: unknown }).error;
    if (cause instanceof DuckbackError) throw cause;
    throw engineFailure(cause, act, endpoint.url);
  }
  throwIfAborted(request.signal);
  return { exit_code: await exitCode(endpoint, calls, id, act) };
}

/** Output that ended though the command runs on was cut off by a connection that broke. */
async function exitCode(endpoint: Endpoint, calls: ExecCalls, id: string, act: string) {
  const deadline = new Deadline(SETTLE_MS);
  for (;;) {
    const { Running, ExitCode } = await calls.inspect(id);
    if (!Running && ExitCode !== null) return ExitCode;
    if (deadline.over) {
      throw engineFailure(new Error("the output ended, the command did not"), act, endpoint.url);
    }
    await sleep(50);
  }
}
