/** Files that are there whole or not at all: written aside, fsynced, renamed, directory fsynced. */
import { dirname } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import * as posix from "../posix/mod.ts";

/** Makes `dir` (0700) with its parents; raises NOT_WRITABLE or DISK_FULL with a hint. */
export function ensurePrivateDir(dir: string): void {
  try {
    Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw diskError(`Cannot create directory "${dir}"`, cause);
  }
}

/** Replaces `path` (0600) with `text`, durably: after a crash it holds the old text or the new. */
export function writeDurably(path: string, text: string): void {
  const temporary = `${path}.tmp`;
  try {
    const fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o600);
    try {
      posix.writeAll(fd, new TextEncoder().encode(text));
      posix.fsync(fd);
    } finally {
      posix.close(fd);
    }
    posix.rename(temporary, path);
    posix.fsyncPath(dirname(path));
  } catch (cause) {
    removeQuietly(temporary);
    throw diskError(`Cannot write "${path}"`, cause);
  }
}

/** Removes a file, durably; one that is not there is fine. */
export function removeDurably(path: string): void {
  try {
    Deno.removeSync(path);
    posix.fsyncPath(dirname(path));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw diskError(`Cannot remove "${path}"`, cause);
  }
}

/** Removes a file on a way out that already has an error to tell. */
export function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // The error that led here matters more.
  }
}

/** Given what was tried and what the system said, returns an error with a code and a way on. */
export function diskError(tried: string, cause: unknown): DuckbackError {
  if (cause instanceof DuckbackError) return cause;
  const errno = (cause as { code?: string }).code;
  const told = cause instanceof Error ? cause.message : String(cause);
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new DuckbackError("DISK_FULL", `${tried}: no space left on the device`, {
      cause,
      hint:
        "Free space or choose another place with `duckback config set auto_backup_directory DIR`.",
    });
  }
  if (
    errno === "EACCES" || errno === "EPERM" || errno === "EROFS" || errno === "ENOTDIR" ||
    cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable
  ) {
    const why = errno === "EROFS"
      ? "the file system is read-only"
      : errno === "ENOTDIR"
      ? "a part of the path is not a directory"
      : "permission denied";
    return new DuckbackError("NOT_WRITABLE", `${tried}: ${why}`, {
      cause,
      hint: "Run as a user who may write there (often root), or choose another place.",
    });
  }
  return new DuckbackError("IO", `${tried}: ${told}`, { cause });
}
