/** Errors a person can act on: a literal code, `Cannot <act> "<value>": <state>`, a hint, the cause. */

/** Every code an error may carry, with the exit code of the process that ends because of it. */
export const EXIT_CODES = {
  FAILED: 1,
  USAGE: 2,
  PARTIAL: 3,
  SERVICES_RUNNING: 4,
  NO_SUCH_BACKUP: 10,
  NO_SUCH_STACK: 10,
  // The backup is there and holds no such path.
  NO_SUCH_PATH: 10,
  COMPOSE_MISSING: 10,
  LOCKED: 11,
  CATALOG_LOCKED: 11,
  ARCHIVE_CORRUPT: 12,
  ARCHIVE_MISSING: 12,
  DOCKER_UNREACHABLE: 13,
  INTERRUPTED: 130,
  // Everything below is an ordinary failure; the code says which.
  COMPOSE_INVALID: 1,
  SOURCE_MISSING: 1,
  SOURCE_UNREADABLE: 1,
  NOTHING_TO_BACK_UP: 1,
  NOT_WRITABLE: 1,
  // The archive directory is not the one it was: its disk may not be mounted.
  DIRECTORY_GONE: 1,
  DISK_FULL: 1,
  IO: 1,
  // The engine answered and refused.
  DOCKER_FAILED: 1,
  STOP_FAILED: 1,
  START_FAILED: 1,
  UNHEALTHY: 3,
  AUTO_REMOVE: 1,
  // A database's own tool failed, or what it put out is not whole.
  DUMP_FAILED: 1,
  // A command of `duckback.pre` failed.
  HOOK_FAILED: 1,
  // The archive is sound, but its services did not come up, or what they hold is not right.
  DRILL_FAILED: 1,
  REFUSED: 1,
  RESTORE_FAILED: 1,
  SAFETY_FAILED: 1,
  UPGRADE_FAILED: 1,
  CATALOG_CORRUPT: 1,
  CATALOG_NEWER: 1,
  CATALOG_MIGRATION: 1,
  CATALOG_WRITE: 1,
  JOURNAL_UNREADABLE: 1,
  INTERNAL: 1,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

/** An error as plain data: survives postMessage (subclasses of Error do not) and goes into JSON. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
  hint: string | null;
}

/** An expected failure. Its message and hint are shown to people as they are; its stack never is. */
export class DuckbackError extends Error {
  override readonly name = "DuckbackError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly options: { hint?: string; cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, { cause: options.cause });
  }

  get hint(): string | null {
    return this.options.hint ?? null;
  }

  /** Further fields for the `error` object of `--json`. */
  get details(): Record<string, unknown> {
    return this.options.details ?? {};
  }

  toData(): ErrorData {
    return { code: this.code, message: this.message, hint: this.hint };
  }

  static fromData(data: ErrorData): DuckbackError {
    return new DuckbackError(data.code, data.message, { hint: data.hint ?? undefined });
  }
}

/** Given anything thrown, returns it as a DuckbackError (INTERNAL where nobody foresaw it). */
export function asDuckbackError(thrown: unknown): DuckbackError {
  if (thrown instanceof DuckbackError) return thrown;
  if (thrown instanceof SuppressedError) {
    return joined(asDuckbackError(thrown.suppressed), asDuckbackError(thrown.error));
  }
  if (thrown instanceof DOMException && thrown.name === "AbortError") return interrupted(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new DuckbackError("INTERNAL", message, {
    cause: thrown,
    hint: "This was not foreseen. Run again with --verbose and report what it shows.",
  });
}

/** An error and what went wrong on the way out with it: services that are down come first. */
function joined(first: DuckbackError, late: DuckbackError): DuckbackError {
  const main = late.code === "START_FAILED" ? late : first;
  return new DuckbackError(main.code, `${first.message}. ${late.message}`, {
    ...main.options,
    cause: first,
  });
}

/** The error of a run that a signal ended. */
export function interrupted(cause?: unknown): DuckbackError {
  return new DuckbackError("INTERRUPTED", "Interrupted by a signal", { cause });
}

/** Throws INTERRUPTED once `signal` is aborted; called between steps and inside every long loop. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw signal.reason instanceof DuckbackError ? signal.reason : interrupted(signal.reason);
}
