/** What went wrong inside DuckDB, told from its messages: it has no error codes over this interface. */
import { DuckbackError } from "../core/errors.ts";
import type { Holder } from "./types.ts";

export type FailureKind =
  | "locked"
  | "newer"
  | "corrupt"
  | "denied"
  | "full"
  | "constraint"
  | "other";

/** First line of a thrown thing's message, with DuckDB's own advice and query echo cut off. */
export function firstLine(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return message.split("\n", 1)[0].trim();
}

const KINDS: [FailureKind, RegExp][] = [
  ["full", /No space left on device|Disk quota exceeded/i],
  ["denied", /Permission denied|Read-only file system|Operation not permitted|read-only mode/i],
  ["locked", /Could not set lock|Conflicting lock/i],
  ["newer", /newer version of DuckDB|can only read (the )?version|written (by|with) a newer/i],
  ["constraint", /^Constraint Error/i],
  [
    "corrupt",
    new RegExp(
      "not a valid DuckDB database|Corrupt|checksum|WAL|Serialization Error|INTERNAL Error|" +
        "Failed to (read|deserialize)|Could not read enough bytes|Out of Range Error|" +
        "database has been invalidated",
      "i",
    ),
  ],
];

export function failureKind(thrown: unknown): FailureKind {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return KINDS.find(([, pattern]) => pattern.test(message))?.[0] ?? "other";
}

/** The holder named in DuckDB's own lock message: "Conflicting lock is held in /bin/x (PID 12)". */
export function holderFromMessage(thrown: unknown): Holder {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const found = /held in (.+?) \(PID (\d+)\)/.exec(message);
  return {
    pid: found ? Number(found[2]) : null,
    command: found ? found[1].split("/").at(-1)! : null,
  };
}

export function describeHolder(holder: Holder | null): string {
  if (holder?.pid == null) return "another process";
  return `process ${holder.pid}${holder.command ? ` (${holder.command})` : ""}`;
}

export function lockedError(path: string, holder: Holder | null, waitedMs: number): DuckbackError {
  return new DuckbackError(
    "CATALOG_LOCKED",
    `Cannot open the catalogue "${path}": ${describeHolder(holder)} has it open ` +
      `(waited ${waitedMs / 1000} s)`,
    {
      hint: "Wait until that process has ended, or end it, and try again.",
      details: { holder_pid: holder?.pid ?? null, holder_command: holder?.command ?? null },
    },
  );
}

export function corruptError(path: string, cause: unknown): DuckbackError {
  return new DuckbackError(
    "CATALOG_CORRUPT",
    `Cannot read the catalogue "${path}": it is damaged (${firstLine(cause)})`,
    {
      cause,
      hint:
        "The archives and the records beside them are not affected. `duckback catalog rebuild` keeps " +
        "the damaged file under another name and makes a new catalogue from those.",
    },
  );
}

/** An error of opening the file, in words a person can act on. */
export function openError(path: string, cause: unknown): DuckbackError {
  const text = firstLine(cause);
  switch (failureKind(cause)) {
    case "corrupt":
      return corruptError(path, cause);
    case "newer":
      return new DuckbackError(
        "CATALOG_NEWER",
        `Cannot open the catalogue "${path}": it was written with a newer DuckDB`,
        { cause, hint: "Upgrade duckback." },
      );
    case "denied":
      return deniedError(path, cause);
    case "full":
      return new DuckbackError(
        "DISK_FULL",
        `Cannot open the catalogue "${path}": no space left on its disk`,
        { cause, hint: "Free some space there and try again." },
      );
    default:
      return new DuckbackError("IO", `Cannot open the catalogue "${path}": ${text}`, { cause });
  }
}

export function deniedError(path: string, cause: unknown): DuckbackError {
  return new DuckbackError(
    "NOT_WRITABLE",
    `Cannot open the catalogue "${path}": ${firstLine(cause)}`,
    {
      cause,
      hint: "Run duckback as the user who owns its home, or choose another with --home DIR or " +
        "DUCKBACK_HOME.",
    },
  );
}

/** An error of a write: nothing of that write is in the catalogue, earlier ones are. */
export function writeError(path: string, what: string, cause: unknown): DuckbackError {
  if (cause instanceof DuckbackError) return cause;
  const kind = failureKind(cause);
  const full = kind === "full";
  const invalid = /database has been invalidated/i.test(firstLine(cause));
  if (kind === "corrupt" && !invalid) return corruptError(path, cause);
  return new DuckbackError(
    "CATALOG_WRITE",
    `Cannot ${what} in the catalogue "${path}": ${
      full ? "no space left on its disk" : firstLine(cause)
    }`,
    {
      cause,
      hint: full
        ? "Free some space there; archives that are already written are taken in at the next start."
        : kind === "denied"
        ? "Make the catalogue's directory and disk writable and try again."
        : "Archives that are already written are taken in at the next start.",
    },
  );
}

export function readError(path: string, cause: unknown): DuckbackError {
  if (cause instanceof DuckbackError) return cause;
  if (failureKind(cause) === "corrupt") return corruptError(path, cause);
  return new DuckbackError("IO", `Cannot read the catalogue "${path}": ${firstLine(cause)}`, {
    cause,
  });
}
