/** Paths with a NUL behind each, as `xargs -0` reads them: bytes, since there may be a million. */
import { encodePath } from "../core/paths.ts";

export class PathList {
  #bytes = new Uint8Array(1024);
  #used = 0;

  add(path: string): void {
    const name = encodePath(path);
    if (this.#used + name.length + 1 > this.#bytes.length) {
      const more = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + name.length + 1));
      more.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = more;
    }
    this.#bytes.set(name, this.#used);
    this.#used += name.length;
    this.#bytes[this.#used++] = 0;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }
}
