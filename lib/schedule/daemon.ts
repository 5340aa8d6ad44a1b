/**
 * The daemon: one heartbeat a minute until a signal, and one daemon a home. What happens at each
 * heartbeat is the dispatcher's business.
 */
import { DuckbackError } from "../core/errors.ts";
import type { Context } from "../operations/context.ts";
import { acquireLock, lockHolder } from "../repository/lock.ts";
import { Dispatcher, type Log } from "./dispatcher.ts";

export interface DaemonOptions {
  /** Null: Deno.cron's minute. Milliseconds for tests. */
  beat_ms: number | null;
  /** One heartbeat, then the end. */
  once: boolean;
}

const MINUTE_MS = 60_000;

/**
 * Runs until the context's signal, which ends a run under way in good order first. Raises LOCKED where
 * another daemon has this home.
 */
export async function runDaemon(ctx: Context, log: Log, options: DaemonOptions): Promise<void> {
  const last_beat = modified(ctx.home.daemon_lock);
  using _lock = await takeDaemonLock(ctx);
  const dispatcher = new Dispatcher(ctx, log, options.beat_ms ?? MINUTE_MS, last_beat);
  if (options.once) return await dispatcher.beat();
  log("info", `duckback's daemon runs (pid ${Deno.pid}, home ${ctx.home.dir})`);
  const first = dispatcher.beat();
  await heartbeat(ctx.signal, options.beat_ms, () => void dispatcher.beat());
  await Promise.all([first, dispatcher.ended()]);
  log("info", "duckback's daemon has ended");
}

/** Calls `beat` until the signal. */
async function heartbeat(signal: AbortSignal, beat_ms: number | null, beat: () => void) {
  if (beat_ms === null) return await Deno.cron("heartbeat", "* * * * *", { signal }, beat);
  const timer = setInterval(beat, beat_ms);
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  clearInterval(timer);
}

async function takeDaemonLock(ctx: Context): Promise<Disposable> {
  const path = ctx.home.daemon_lock;
  const holder = { pid: Deno.pid, operation: ctx.command, since: ctx.now().toISOString() };
  try {
    return await acquireLock(path, holder);
  } catch (cause) {
    if (!(cause instanceof DuckbackError) || cause.code !== "LOCKED") throw cause;
    const { pid, since } = lockHolder(path) ?? { pid: 0, since: "" };
    throw new DuckbackError(
      "LOCKED",
      `Cannot start a second daemon for "${ctx.home.dir}": one runs already` +
        (pid ? ` (pid ${pid}, since ${since})` : ""),
      { cause, hint: "One daemon serves all stacks of a home. `duckback auto-backup status`" },
    );
  }
}

function modified(path: string): Date | null {
  try {
    return Deno.statSync(path).mtime;
  } catch {
    return null;
  }
}
