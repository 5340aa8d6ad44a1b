/** A seeded source of numbers and of things that look like what servers keep: the same every time. */

/** sfc32: fast, and good enough that no compressor sees through it. */
export class Random {
  #a: number;
  #b: number;
  #c = 0x9e3779b9;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = (seed ^ 0x5bd1e995) | 0;
    for (let i = 0; i < 16; i++) this.u32();
  }

  u32(): number {
    const t = (this.#a + this.#b | 0) + this.#counter | 0;
    this.#counter = this.#counter + 1 | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = this.#c + (this.#c << 3) | 0;
    this.#c = (this.#c << 21 | this.#c >>> 11) + t | 0;
    return t >>> 0;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.u32() / 4294967296 * below);
  }

  fill(bytes: Uint8Array): void {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    for (let i = 0; i < words.length; i++) words[i] = this.u32();
    for (let i = words.length << 2; i < bytes.length; i++) bytes[i] = this.u32();
  }
}

const utf8 = new TextEncoder();
const SYLLABLES = ("an be con de er fa ge hi in jo ka le mi no or pa qui re sa ti un va wo xe yo " +
  "za tion ment ing ed ly ness ver ster ble").split(" ");

/** Words of made-up language, the first ones far more frequent than the rest, as in real text. */
export class Vocabulary {
  readonly words: Uint8Array[] = [];

  constructor(random: Random, size = 20_000) {
    const known = new Set<string>();
    while (known.size < size) {
      let word = "";
      const syllables = 1 + random.below(known.size < 200 ? 2 : 4);
      for (let i = 0; i < syllables; i++) word += SYLLABLES[random.below(SYLLABLES.length)];
      known.add(word);
    }
    for (const word of known) this.words.push(utf8.encode(word));
  }

  /** Rank by a law close to Zipf's. */
  pick(random: Random): Uint8Array {
    const u = random.u32() / 4294967296;
    return this.words[Math.floor(Math.pow(this.words.length, u)) - 1];
  }
}

/** Bytes that are filled piece by piece; what does not fit any more is cut off. */
export class Filler {
  used = 0;

  constructor(readonly bytes: Uint8Array, readonly random: Random, readonly words: Vocabulary) {}

  get full(): boolean {
    return this.used >= this.bytes.length;
  }

  put(piece: Uint8Array): void {
    const room = this.bytes.length - this.used;
    this.bytes.set(piece.length <= room ? piece : piece.subarray(0, room), this.used);
    this.used = Math.min(this.bytes.length, this.used + piece.length);
  }

  text(text: string): void {
    const room = this.bytes.subarray(this.used);
    this.used += utf8.encodeInto(text, room).written || room.length;
  }

  byte(value: number): void {
    if (!this.full) this.bytes[this.used++] = value;
  }

  prose(words: number): void {
    for (let i = 0; i < words && !this.full; i++) {
      this.put(this.words.pick(this.random));
      this.byte(this.random.below(12) === 0 ? 0x2c : 0x20);
    }
  }
}
