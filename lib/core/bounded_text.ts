/** Keeps the beginning and the end of a long text, and says how much between them is left out. */

const FIRST = 64 << 10;
const LAST = 192 << 10;

export class BoundedText {
  #first = "";
  #last = "";
  #dropped = 0;

  /** Lengths are characters. */
  constructor(readonly first = FIRST, readonly last = LAST) {}

  append(text: string) {
    const room = this.first - this.#first.length;
    this.#first += text.slice(0, Math.max(0, room));
    this.#last += text.slice(Math.max(0, room));
    // Cut seldom: each cut copies.
    if (this.#last.length > 2 * this.last) this.#cut();
  }

  toString(): string {
    this.#cut();
    if (this.#dropped === 0) return this.#first + this.#last;
    return `${this.#first}\n[... ${this.#dropped} characters left out ...]\n${this.#last}`;
  }

  #cut() {
    const over = this.#last.length - this.last;
    if (over <= 0) return;
    this.#dropped += over;
    this.#last = this.#last.slice(over);
  }
}
