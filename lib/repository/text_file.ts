/** Text appended to a private file through a buffer; for the rows of a manifest in the making. */
import * as posix from "../posix/mod.ts";
import { diskError, removeQuietly } from "./durable.ts";

const FLUSH_CHARS = 256 * 1024;
const PIECE = 1 << 20;

/** Removed on disposal: what is to stay is made from it before. */
export class TextFile implements Disposable {
  #lines: string[] = [];
  #chars = 0;

  private constructor(readonly path: string, private fd: number) {}

  /** Creates `path` (0600), replacing a leftover. Raises NOT_WRITABLE or DISK_FULL. */
  static create(path: string): TextFile {
    return new TextFile(path, TextFile.#open(path));
  }

  static #open(path: string): number {
    try {
      removeQuietly(path);
      const flags = posix.O_RDWR | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW;
      return posix.open(path, flags, 0o600);
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

  /**
   * Puts each line through `change`, which gives what is to stand in its place; null for nothing. The
   * text must end with a newline. Raises IO, DISK_FULL, NOT_WRITABLE.
   */
  rewrite(change: (line: string) => string | null): void {
    this.flush();
    const old = this.fd;
    this.fd = TextFile.#open(this.path);
    try {
      const decoder = new TextDecoder();
      const piece = new Uint8Array(PIECE);
      let rest = "";
      for (let at = 0, n; (n = posix.readAt(old, piece, at)) > 0; at += n) {
        const lines = (rest + decoder.decode(piece.subarray(0, n), { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          const changed = change(line);
          if (changed !== null) this.append(`${changed}\n`);
        }
      }
    } catch (cause) {
      throw diskError(`Cannot change "${this.path}"`, cause);
    } finally {
      posix.closeQuietly(old);
    }
  }

  [Symbol.dispose]() {
    posix.closeQuietly(this.fd);
    removeQuietly(this.path);
  }
}
