/** The lock of a home: one run at a time may change something. The kernel frees it when its holder dies. */
import { dirname } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import * as posix from "../posix/mod.ts";
import { diskError, ensurePrivateDir } from "./durable.ts";

/** Who holds a lock, for the message of whoever finds it taken. */
export interface LockHolder {
  pid: number;
  operation: string;
  since: string;
}

/**
 * Takes the lock or raises LOCKED at once, naming the holder. flock(2) belongs to the open file,
 * so a lock file left by a dead process (or a pid used again) means nothing and is simply taken.
 */
export async function acquireLock(path: string, holder: LockHolder): Promise<Disposable> {
  ensurePrivateDir(dirname(path));
  let fd: number;
  try {
    fd = posix.open(path, posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW, 0o600);
  } catch (cause) {
    throw diskError(`Cannot open lock "${path}"`, cause);
  }
  try {
    if (!await patientTry(fd)) throw locked(readHolder(path));
    posix.truncate(fd, 0);
    posix.writeAll(fd, new TextEncoder().encode(JSON.stringify(holder)));
  } catch (cause) {
    // A full disk cannot keep the holder's name from being the lock: only the message suffers.
    if (cause instanceof DuckbackError || !isFull(cause)) {
      posix.close(fd);
      throw cause;
    }
  }
  return {
    [Symbol.dispose]() {
      posix.close(fd);
    },
  };
}

/** `lockHolder` takes the lock for a moment to look: that must not count as another run. */
async function patientTry(fd: number): Promise<boolean> {
  for (let tries = 0; tries < 5; tries++) {
    if (posix.flockTry(fd)) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

function isFull(cause: unknown): boolean {
  const code = (cause as { code?: string }).code;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Who holds the lock now, or null where nobody does. */
export function lockHolder(path: string): LockHolder | null {
  let fd: number;
  try {
    fd = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW);
  } catch {
    return null;
  }
  try {
    if (posix.flockTry(fd)) return null;
    return readHolder(path) ?? { pid: 0, operation: "another run", since: "" };
  } finally {
    posix.close(fd);
  }
}

function readHolder(path: string): LockHolder | null {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch {
    return null;
  }
}

function locked(holder: LockHolder | null): DuckbackError {
  const who = holder
    ? `"${holder.operation}" (pid ${holder.pid}, since ${holder.since})`
    : "another run of duckback";
  return new DuckbackError("LOCKED", `Cannot start: ${who} is at work in this home`, {
    hint: "Wait until it is done; `duckback status` shows it. Nothing was changed.",
    details: { holder },
  });
}
