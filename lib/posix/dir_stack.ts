/** Descriptors of the directories from a root down to where a walk is, deeper than any path can be. */
import * as c from "./libc.ts";
import { closeQuietly, openAt } from "./files.ts";
import { StatView } from "./stat.ts";

/** Descriptors held at once; processes may have 1,024 open, and others need some too. */
const HELD = 128;

interface Level {
  /** -1 while closed, to be opened again from the level beneath through `..`. */
  fd: number;
  dev: number;
  ino: bigint;
}

const PARENT = new Uint8Array([0x2e, 0x2e, 0]);

/**
 * A stack of open directories. Only the last HELD of them keep their descriptor; when a walk comes
 * back to a closed one it is opened through `..` and must be the same directory as before.
 */
export class DirStack implements Disposable {
  readonly #levels: Level[] = [];
  readonly #stat = new StatView();
  #oldestHeld = 0;

  get depth(): number {
    return this.#levels.length;
  }

  /** Descriptor of the deepest directory. */
  get fd(): number {
    return this.#levels[this.#levels.length - 1].fd;
  }

  /** Takes over an open directory as the new deepest one; false with errno set if it cannot be. */
  push(fd: number): boolean {
    if (!this.#stat.of(fd)) {
      closeQuietly(fd);
      return false;
    }
    this.#levels.push({ fd, dev: this.#stat.dev, ino: this.#stat.ino });
    if (this.#levels.length - this.#oldestHeld > HELD) {
      const oldest = this.#levels[this.#oldestHeld++];
      closeQuietly(oldest.fd);
      oldest.fd = -1;
    }
    return true;
  }

  /**
   * Closes the deepest directory. False where the one above had been closed and cannot be reached
   * any more, because a directory was moved meanwhile; the stack is then not usable any more.
   */
  pop(): boolean {
    const left = this.#levels.pop()!;
    const above = this.#levels[this.#levels.length - 1];
    let reached = true;
    if (above !== undefined && above.fd === -1) {
      above.fd = openAt(left.fd, PARENT, c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW);
      this.#oldestHeld = this.#levels.length - 1;
      reached = above.fd >= 0 && this.#stat.of(above.fd) &&
        this.#stat.dev === above.dev && this.#stat.ino === above.ino;
    }
    closeQuietly(left.fd);
    return reached;
  }

  [Symbol.dispose](): void {
    for (const level of this.#levels) if (level.fd >= 0) closeQuietly(level.fd);
    this.#levels.length = 0;
    this.#oldestHeld = 0;
  }
}
