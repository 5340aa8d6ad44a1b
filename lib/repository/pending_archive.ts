/** An archive being written: `.partial` until it is whole, then its final name, or nothing at all. */
import { dirname } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import * as posix from "../posix/mod.ts";
import { diskError, removeQuietly } from "./durable.ts";
import { partialPath } from "./naming.ts";

/** The disk begins to write after this many bytes, so that the fsync at the end has little left to do. */
const WRITE_BEHIND = 16 << 20;

/** The bytes written can be read and changed until then. Disposed before `finish`, it removes what it wrote. */
export class PendingArchive implements Disposable {
  #fd: number;
  #written = 0;
  #begun = 0;
  #finished = false;

  private constructor(readonly path: string, readonly partial: string, fd: number) {
    this.#fd = fd;
  }

  /** Creates `path`.partial (0600). Raises NOT_WRITABLE, DISK_FULL or, where `path` exists, REFUSED. */
  static create(path: string): PendingArchive {
    const partial = partialPath(path);
    if (exists(path)) throw taken(path);
    try {
      const flags = posix.O_RDWR | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW;
      return new PendingArchive(path, partial, posix.open(partial, flags, 0o600));
    } catch (cause) {
      throw diskError(`Cannot create "${partial}"`, cause);
    }
  }

  /** Appends all of `bytes`. Raises DISK_FULL or IO. */
  write(bytes: Uint8Array): void {
    try {
      posix.writeAll(this.#fd, bytes);
      this.#written += bytes.length;
      if (this.#written - this.#begun >= WRITE_BEHIND) {
        posix.beginWriting(this.#fd, this.#begun, this.#written - this.#begun);
        this.#begun = this.#written;
      }
    } catch (cause) {
      throw diskError(`Cannot write archive "${this.partial}"`, cause);
    }
  }

  /** Fills `into` with what was written at `offset`. Raises IO. */
  readAt(into: Uint8Array, offset: number): void {
    try {
      if (posix.readAt(this.#fd, into, offset) === into.length) return;
      throw new Error(`it ends before byte ${offset + into.length}`);
    } catch (cause) {
      throw diskError(`Cannot read back archive "${this.partial}"`, cause);
    }
  }

  /** Writes all of `bytes` over what lies at `offset`. Raises DISK_FULL or IO. */
  writeAt(bytes: Uint8Array, offset: number): void {
    try {
      posix.writeAt(this.#fd, bytes, offset);
    } catch (cause) {
      throw diskError(`Cannot write archive "${this.partial}"`, cause);
    }
  }

  /** Cuts what was written to `size` bytes; the next ones go there. Raises IO. */
  truncate(size: number): void {
    try {
      posix.truncate(this.#fd, size);
      posix.seekTo(this.#fd, size);
      this.#written = this.#begun = size;
    } catch (cause) {
      throw diskError(`Cannot shorten archive "${this.partial}"`, cause);
    }
  }

  /** fsync, rename to the final name (never over another file), fsync the directory. */
  finish(): void {
    try {
      posix.fsync(this.#fd);
      this.#close();
      renameToFree(this.partial, this.path);
      posix.fsyncPath(dirname(this.path));
      this.#finished = true;
    } catch (cause) {
      throw diskError(`Cannot finish archive "${this.path}"`, cause);
    }
  }

  #close() {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    posix.close(fd); // a close that fails (EIO, EDQUOT) is a failed archive
  }

  [Symbol.dispose]() {
    try {
      this.#close();
    } catch {
      // The error that led here matters more.
    }
    if (!this.#finished) removeQuietly(this.partial);
  }
}

/** Not every file system can promise not to replace (EINVAL): there, the home's lock must do. */
function renameToFree(from: string, to: string) {
  try {
    if (!posix.renameNoReplace(from, to)) throw taken(to);
  } catch (cause) {
    const code = (cause as { code?: string }).code ?? "";
    if (!["EINVAL", "ENOSYS", "EOPNOTSUPP"].includes(code)) throw cause;
    if (exists(to)) throw taken(to);
    posix.rename(from, to);
  }
}

function taken(path: string): DuckbackError {
  return new DuckbackError("REFUSED", `Cannot write archive "${path}": it exists already`, {
    hint: "Archives are never overwritten: choose another name.",
  });
}

/** True where something has this path, whatever it is. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    if ((cause as { code?: string }).code === "ENOTDIR") return false;
    throw diskError(`Cannot look at "${path}"`, cause);
  }
}
