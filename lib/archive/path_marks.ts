/** A number for each of very many paths, in twelve bytes a path: a path is known by a 64-bit hash. */

/** Slots in use of all slots, at most. */
const FULLEST = 0.6;

export class PathMarks {
  /** Two halves of a hash for each slot, and its value; 0 marks a free one. */
  #keys = new Uint32Array(2 * 16);
  #values = new Uint32Array(16);
  #used = 0;
  /** Nobody who makes an archive can know them, and so make two paths collide. */
  readonly #seeds = crypto.getRandomValues(new Uint32Array(2));

  /** The number of `path`, 0 where it has none. */
  get(path: string): number {
    const [high, low] = this.#hash(path);
    return this.#values[this.#slot(high, low)];
  }

  /** Gives `path` a number from 1 to 2^32 - 1, in place of the one it had. */
  set(path: string, value: number): void {
    if (this.#used + 1 > this.#values.length * FULLEST) this.#grow();
    const [high, low] = this.#hash(path);
    const slot = this.#slot(high, low);
    if (this.#values[slot] === 0) this.#used++;
    this.#put(slot, high, low, value);
  }

  #put(slot: number, high: number, low: number, value: number): void {
    this.#keys[2 * slot] = high;
    this.#keys[2 * slot + 1] = low;
    this.#values[slot] = value;
  }

  /** The slot of a hash, or the free one where it belongs. */
  #slot(high: number, low: number): number {
    const mask = this.#values.length - 1;
    for (let slot = low & mask;; slot = (slot + 1) & mask) {
      if (this.#values[slot] === 0) return slot;
      if (this.#keys[2 * slot] === high && this.#keys[2 * slot + 1] === low) return slot;
    }
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = new Uint32Array(2 * keys.length);
    this.#values = new Uint32Array(2 * values.length);
    for (let i = 0; i < values.length; i++) {
      if (values[i] === 0) continue;
      const [high, low] = [keys[2 * i], keys[2 * i + 1]];
      this.#put(this.#slot(high, low), high, low, values[i]);
    }
  }

  /** Two 32-bit hashes, each mixed as MurmurHash3 does. */
  #hash(path: string): [number, number] {
    let [a, b] = this.#seeds;
    for (let i = 0; i < path.length; i++) {
      const unit = path.charCodeAt(i);
      a = Math.imul(a ^ unit, 0xcc9e2d51);
      a = (a << 15 | a >>> 17) + 0x6b64e654 | 0;
      b = Math.imul(b ^ unit, 0x1b873593);
      b = (b << 13 | b >>> 19) + 0x38495ab5 | 0;
    }
    return [finished(a ^ path.length), finished(b + path.length)];
  }
}

function finished(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
