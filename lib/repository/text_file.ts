/** Text appended to a private file through a buffer; for the rows of a manifest in the making. */
import * as posix from "../posix/mod.ts";
import { diskError, removeQuietly } from "./durable.ts";

const FLUSH_CHARS = 256 * 1024;

/** Removed on disposal: what is to stay is made from it before. */
export class TextFile implements Disposable {
  #lines: string[] = [];
  #chars = 0;

  private constructor(readonly path: string, readonly fd: number) {}

  /** Creates `path` (0600), replacing a leftover. Raises NOT_WRITABLE or DISK_FULL. */
  static create(path: string): TextFile {
    try {
      removeQuietly(path);
      const flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW;
      return new TextFile(path, posix.open(path, flags, 0o600));
    } catch (cause) {
      throw diskError(`Cannot create "${path}"`, cause);
    }
  }

  append(text: string): void {
    this.#lines.push(text);
    this.#chars += text.length;
    if (this.#chars > FLUSH_CHARS) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const text = this.#lines.join("");
    this.#lines = [];
    this.#chars = 0;
    try {
      posix.writeAll(this.fd, new TextEncoder().encode(text));
    } catch (cause) {
      throw diskError(`Cannot write "${this.path}"`, cause);
    }
  }

  [Symbol.dispose]() {
    posix.closeQuietly(this.fd);
    removeQuietly(this.path);
  }
}
