/** One process at a time: an advisory lock beside the catalogue, waited for by polling with jitter. */
import { throwIfAborted } from "../core/errors.ts";
import { deniedError, describeHolder, lockedError } from "./failure.ts";
import type { Holder } from "./types.ts";

// DuckDB has a lock of its own, but a POSIX record lock: it does not keep the same process out, and
// it is dropped when any descriptor of the file is closed. flock has neither fault, and it also
// covers the moments of a migration when the database file is closed, copied and renamed.

export interface WaitOptions {
  /** performance.now() at which waiting ends. */
  deadline: number;
  /** Total patience in ms; only for the message. */
  timeout_ms: number;
  /** Called once with the holder's name, when the first try found it taken. */
  on_wait?: (holder: string) => void;
  /** Ends the waiting with INTERRUPTED. */
  signal?: AbortSignal;
}

export interface Lock {
  /** True where the file system is mounted read-only: then nobody can write, and nothing is locked. */
  read_only: boolean;
  release(): void;
}

/**
 * Takes the lock or throws CATALOG_LOCKED after the deadline, INTERRUPTED, or NOT_WRITABLE if there
 * can be none. Waiters pass a gate one at a time: a process that opens and closes in a loop has to
 * queue behind them and cannot starve them.
 */
export async function acquireLock(path: string, opts: WaitOptions): Promise<Lock> {
  const waiting = { attempt: 0 };
  const gate = await poll(path, `${path}.gate`, 60, waiting, opts);
  try {
    const lock = await poll(path, path, 10, waiting, opts);
    if (!lock.read_only) noteHolder(path);
    return lock;
  } finally {
    gate.release();
  }
}

async function poll(
  path: string,
  file: string,
  limitMs: number,
  waiting: { attempt: number },
  opts: WaitOptions,
): Promise<Lock> {
  for (;; waiting.attempt++) {
    const lock = tryLock(file);
    if (lock) return lock;
    if (waiting.attempt === 0) opts.on_wait?.(describeHolder(readHolder(path)));
    if (performance.now() >= opts.deadline) {
      throw lockedError(path.replace(/lock$/, "duckdb"), readHolder(path), opts.timeout_ms);
    }
    throwIfAborted(opts.signal);
    await pause(limitMs);
  }
}

/** Waits 2 ms to the limit; random, so that waiters do not keep step. */
export function pause(limitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * (limitMs - 2)));
}

function tryLock(path: string): Lock | null {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { create: true, read: true, write: true, mode: 0o600 });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EROFS") {
      return { read_only: true, release: () => {} };
    }
    throw deniedError(path, error);
  }
  try {
    // A lock on a file that somebody removed meanwhile keeps nobody out.
    if (file.tryLockSync(true) && file.statSync().ino === inode(path)) {
      return { read_only: false, release: () => file.close() };
    }
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return null;
}

function inode(path: string): number | null {
  try {
    return Deno.statSync(path).ino;
  } catch {
    return null;
  }
}

/** Writes who has it, for the others' messages; a full disk is no reason to fail here. */
function noteHolder(path: string): void {
  try {
    Deno.writeTextFileSync(path, `${Deno.pid}\n`);
  } catch {
    // The name of the holder is a courtesy.
  }
}

function readHolder(path: string): Holder | null {
  try {
    const pid = parseInt(Deno.readTextFileSync(path), 10);
    return Number.isInteger(pid) ? { pid, command: commandOf(pid) } : null;
  } catch {
    return null;
  }
}

/** Program and first two words of its command line; options and values may hold secrets. */
export function commandOf(pid: number): string | null {
  try {
    const [program, ...args] = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
    const words: string[] = [];
    for (const arg of args.slice(0, 2)) {
      if (!/^[a-z][a-z-]*$/.test(arg)) break;
      words.push(arg);
    }
    return [program.split("/").at(-1), ...words].join(" ");
  } catch {
    return null;
  }
}
